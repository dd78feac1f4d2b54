// The simulated disk of the tests of `file:` is the one that simulations have.
export { type DiskOptions, type SimulatedDisk, simulatedDisk } from "../../stores/simulated/disk.ts";
