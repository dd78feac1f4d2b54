// Broken stores: each is a good one in which one thing is wrong, and names the law that must catch it.
import type { BrokenStore } from "./breaking.ts";
import { brokenLogs } from "./logs.ts";
import { brokenTensors } from "./tensors.ts";

export const brokenStores: readonly BrokenStore[] = [...brokenLogs, ...brokenTensors];
