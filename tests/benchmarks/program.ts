// A process beside the tests of benchmarks: takes a folder of its own, says which, and lives until its input ends.
import { scratch } from "../../benchmarks/scratch.ts";

console.log(scratch(process.argv[2]!, "test"));
process.stdin.resume().on("end", () => process.exit(0));
