// What must have run in the clone test, whatever else did: fails where one of these is missing, skipped or failed.
// Says nothing when all of it ran, so that the closing lines of `npm test` stay the last. `expected.mjs REPORT`
import { readFileSync } from "node:fs";

const rows = readFileSync(process.argv[2], "utf8").trim().split("\n").map((line) => JSON.parse(line));
const passed = rows.filter((row) => row.outcome === "passed");
const expected = {
  "specs on Node 20": (row) => row.runtime === "node" && row.version.startsWith("20."),
  "specs on Deno": (row) => row.runtime === "deno" && row.version.startsWith("2."),
  "the suite's own tests on Node": (row) => row.spec === "suite" && row.runtime === "node",
  "the suite's own tests on Deno": (row) => row.spec === "suite" && row.runtime === "deno",
  "the rules of the house": (row) => row.name === "House: rooms know only the rooms they may",
  "the format": (row) => row.name === "House: deno fmt finds nothing to change",
  "the lint": (row) => row.name === "House: oxlint finds nothing, and finds a floating promise",
  "the types": (row) => row.name === "House: tsc finds nothing, and finds a wrong type",
  "the wrong and right programs": (row) =>
    row.name === "Types reject every wrong program at its marked lines, and accept every right one",
  "the set-up of a clone": (row) => row.spec === "clone",
  "the README": (row) => row.spec === "readme",
  "the program of the design, compiled, on Node 20": (row) =>
    row.name === "Program of the design runs compiled on Node 20",
  "the program of the design, from its sources, on Node 22": (row) =>
    row.name === "Program of the design runs from its sources on Node 22",
  "the program of the design, from its sources, on Deno": (row) =>
    row.name === "Program of the design runs from its sources on Deno",
  "the package on Node 20": (row) => row.name === "Package runs on Node 20",
  "the package on Node 22": (row) => row.name === "Package runs on Node 22",
  "the package on Node 24": (row) => row.name === "Package runs on Node 24",
  "the package on Deno": (row) => row.name === "Package runs on Deno",
  "the package's types under nodenext": (row) => row.name.startsWith("Package has types under nodenext"),
  "the package's types under bundler": (row) => row.name.startsWith("Package has types under bundler"),
};

expected["recorded energies, computed again by xtb"] = (row) =>
  row.name === "calculator computes recorded energies again, within 1 meV";

/** Rooms whose tests must have run on both runtimes. */
const rooms = {
  "the laws of memory: and file:": "stores/laws",
  "the laws of shm:": "shm/laws",
  "the broken stores": "stores/broken",
  "file: on a disk that loses power": "file/crashes",
  "the laws of redis:": "redis/laws",
  "redis: whose servers die and fill up": "redis/ends",
  "redis: that is reached wrongly": "redis/refusals",
  "redis: as a cluster": "redis/cluster",
  "what redis: leaves behind": "redis/sweep",
  "the laws of kafka:": "kafka/laws",
  "kafka: whose broker and clients are killed": "kafka/kills",
  "what kafka: takes away": "kafka/room",
  "stores shared by processes": "file/processes",
  "kills of a store's processes": "kills/kills",
  "what the sweeper frees": "sweep/sweep",
  "the delivery core's laws": "delivery/laws",
  "the delivery core's mutants": "delivery/mutants",
  "simulated systems": "simulator/promises",
  "threads": "threads/laws",
  "threads that die": "threads/deaths",
  "durable actors and kill -9": "between/launched",
  "kills of a head": "run/kills",
  "waves on every store and thread": "cli/waves",
  "chemistry": "chemistry/chemistry",
  "sockets between processes": "links/socket",
  "mail over the logs of files": "links/log",
  "mail over the logs of redis:": "links/redis",
  "mail over the logs of kafka:": "links/kafka",
  "ways that come and go": "links/ways",
  "processes that are killed and stopped": "processes/kills",
  "processes over redis:": "processes/served",
  "strange processes": "processes/refusals",
  "topics": "topics/topics",
  "the laws of topics": "topics/laws",
  "the laws of route:": "route/laws",
  "the laws of the node cache": "cache/laws",
  "redis: whose shards die and fail over": "redis/losses",
  "campaigns on redis:": "redis/campaigns",
  "campaigns on kafka:": "kafka/campaigns",
  "jobs on Slurm": "batch/slurm",
  "a job that loses a node": "batch/nodes",
  "jobs on a stand-in of PBS": "batch/pbs",
};
for (const [name, spec] of Object.entries(rooms)) {
  for (const runtime of ["node", "deno"]) {
    expected[`${name}, on ${runtime}`] = (row) => row.spec === spec && row.runtime === runtime;
  }
}

// The one part that is fetched from far: it must have run where it could be had, and where not its tests say so.
for (const runtime of ["node", "deno"]) {
  expected[`the native backend, on ${runtime}`] = (row) =>
    row.spec === "training/native" && row.runtime === runtime && row.name.includes("is taken before every other");
}
const absent = (row) =>
  row.spec === "training/native" && row.outcome === "skipped" &&
  row.reason?.startsWith("Cannot bring in TensorFlow's native backend");

const missing = Object.entries(expected).filter(([, isIt]) =>
  !passed.some(isIt) && !rows.some((row) => absent(row) && isIt(row))
).map(([name]) => name);
for (const name of missing) console.error(`FAIL: did not run or did not pass: ${name}`);
process.exitCode = missing.length === 0 ? 0 : 1;
