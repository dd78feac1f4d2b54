// Each run of this with the same store and name finds what the last one left, however that ended.

import { launch } from "shoal";
import { Account } from "./account.ts";

const [store = "memory:", name = "savings", count = "1", hold = ""] = process.argv.slice(2);
const system = await launch({ store, name });
const account = await system.spawn(Account, undefined, { name: "anna" });
for (let i = 0; i < Number(count); i++) console.log(await account.ask("deposit", 1));
// Held until it is killed: what was answered is there for the next.
if (hold !== "hold") await system.close();
