// The laws of stores on shm:, mapped and by calls.
// minutes: 6
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { storeLaws, type Subject } from "../../stores/conformance/mod.ts";
import { openStore } from "../../stores/open.ts";
import { testLaws } from "../stores/lawful.ts";
import { memoryFolder } from "./place.ts";

const folder = memoryFolder();
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

function subject(name: string, map: "auto" | "never"): Subject {
  const dirOf = (place: string): string => join(folder, place);
  return {
    name,
    async open({ capacity, place, ...options }) {
      mkdirSync(dirOf(place), { recursive: true });
      // More than any law puts, and no more: what is mapped counts as memory, and who has much of it collects garbage.
      const bounds = capacity === undefined
        ? "&capacity=32MiB"
        : `&capacity=${capacity.bytes}&full=${capacity.full}&waitMs=${capacity.waitMs}`;
      return await openStore(`shm:?dir=${encodeURIComponent(dirOf(place))}&map=${map}${bounds}`, options);
    },
    remove: (place) => rmSync(dirOf(place), { recursive: true, force: true }),
    bounded: true,
    unbreakable: "tried on `shm:` with memory and a disk that fail",
    // A slot, a slab's largest slot, a window's largest range.
    edgesBytes: [64, 4_096, 65_536, 2 ** 19, 2 ** 21],
  };
}

for (const [name, map] of [["shm:", "auto"], ["shm:?map=never", "never"]] as const) {
  testLaws("shm/laws", storeLaws(), subject(name, map), { usually: 10, long: 10_000 });
}
