// Leads a run of two processes over a store, says which process the other is, and goes on until it is ended: `head URL`.

import { launch } from "../../runtime/mod.ts";

const [, , store = ""] = process.argv;

await launch({
  store,
  nodes: 2,
  threads: 0,
  limits: { leaseMs: 2_000 },
  record(one) {
    if (one.type === "NodeJoined") console.log(JSON.stringify({ worker: one.pid }));
  },
});
