// The same work in a system without a run directory: what is recorded is handed to nobody.

import { launch } from "shoal";
import program from "./program.ts";

const system = await launch({ record() {} });
await program(system);
