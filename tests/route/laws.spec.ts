// Every law of stores, and of delivery upon them, on stores made of stores.
// minutes: 3
import { rmSync } from "node:fs";
import { storeLaws, type Subject } from "../../stores/conformance/mod.ts";
import { deliveryLaws } from "../../runtime/conformance.ts";
import { memoryFolder } from "../shm/place.ts";
import { testLaws } from "../stores/lawful.ts";
import { fileAt, removeIn, routeSubject, shmAt } from "./subjects.ts";

const folder = memoryFolder();
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

/** Small enough that the laws' own tensors, which are small, go both ways. */
const subjects: readonly (readonly [Subject, number, number])[] = [
  [
    routeSubject("route: of memory: and memory:", "30", (_, bounds) => ({
      small: `memory:?logs=1GB${bounds}`,
      large: `memory:?verify=always${bounds}`,
    })),
    10,
    1_000,
  ],
  [
    routeSubject("route: of file: and file:", "30", (place, bounds) => ({
      small: fileAt(folder, place, "a", bounds),
      large: fileAt(folder, place, "b", bounds),
    }), { remove: removeIn(folder) }),
    4,
    1_000,
  ],
  [
    routeSubject("route: of shm: and file:", "30", (place, bounds) => ({
      small: shmAt(folder, place, "a", bounds),
      large: fileAt(folder, place, "b", bounds),
    }), { remove: removeIn(folder) }),
    2,
    1_000,
  ],
];

for (const [subject, usually, long] of subjects) {
  testLaws("route/laws", [...storeLaws(), ...deliveryLaws()], subject, { usually, long });
}
