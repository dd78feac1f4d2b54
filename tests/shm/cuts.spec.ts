// `shm:` behind which something fails says so, says `failed` only where nothing happened, and goes on: the file system
// takes no more for tensors, or fails at any call for logs and claims.
// minutes: 2
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type FaultKind, storeLaws, type Subject } from "../../stores/conformance/mod.ts";
import { posixDiskAt } from "../../stores/file/posix.ts";
import { inlineStore } from "../../stores/inline.ts";
import { shmStore } from "../../stores/shm.ts";
import { loadNative, type Native } from "../../stores/shm/native.ts";
import { assert, long, seed, test } from "../suite.ts";
import { type CutDisk, cutDisk } from "../stores/cuts.ts";
import { memoryFolder } from "./place.ts";

const folder = memoryFolder();
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const path = process.env["SHOAL_PATH"];
const machine = await loadNative();

interface Cut {
  readonly disk: CutDisk;
  readonly native: Native | undefined;
  arm(nth: number, kind: FaultKind): void;
  disarm(): boolean;
}

/** How often there was no memory for a tensor. */
let shortages = 0;

/** A disk, and memory, of which one call fails: the nth of either. */
async function cut(native: Native | undefined, errno: string): Promise<Cut> {
  const disk = cutDisk(await posixDiskAt(folder));
  let left = Infinity;
  let hasStruck = false;
  return {
    disk,
    native: native && {
      ...native,
      reserve(descriptor, offset, bytes) {
        if (--left === 0) {
          hasStruck = true;
          shortages += 1;
          throw Object.assign(new Error(`${errno}: by the test`), { code: errno });
        }
        native.reserve(descriptor, offset, bytes);
      },
    },
    arm(nth, kind) {
      hasStruck = false;
      left = kind === "full" ? nth : Infinity;
      disk.arm(nth, kind, errno);
    },
    disarm() {
      left = Infinity;
      const struck = disk.disarm();
      return struck || hasStruck;
    },
  };
}

function subject(errno: "EIO" | "ENOSPC", map: "auto" | "never"): Subject {
  const cuts = new Map<string, Cut>();
  const dirOf = (place: string): string => join(folder, place);
  return {
    name: `shm:?map=${map} behind which ${errno} comes`,
    async open({ capacity, place, ...options }) {
      const dir = dirOf(place);
      mkdirSync(dir, { recursive: true });
      const made = cuts.get(place) ?? await cut(machine, errno);
      cuts.set(place, made);
      const bounds = { capacityBytes: capacity?.bytes ?? 2 ** 30, full: capacity?.full ?? "reject" } as const;
      const { disk, native } = made;
      const behind = native === undefined ? { disk } : { disk, native };
      return inlineStore(await shmStore({ ...options, ...bounds, ...behind, dir, map }), options);
    },
    remove(place) {
      cuts.delete(place);
      rmSync(dirOf(place), { recursive: true, force: true });
    },
    faults: {
      kinds: errno === "EIO" ? ["before", "after"] : ["full"],
      requestsMax: 12,
      sizesBytes: [5, 5_000, 2 ** 20 + 5],
      arm: (place, nth, kind) => cuts.get(place)?.arm(nth, kind),
      disarm: (place) => cuts.get(place)?.disarm() ?? false,
    },
  };
}

for (const map of ["auto", "never"] as const) {
  if (map === "auto" && machine === undefined) {
    test.skip("L4 outcome: shm: mapped", "koffi is not installed here: nothing is mapped");
    continue;
  }
  for (const errno of ["EIO", "ENOSPC"] as const) {
    const tried = subject(errno, map);
    const name = `L4 outcome: ${tried.name}`;
    test(name, async () => {
      const law = storeLaws().find(({ name }) => name === "L4 outcome")!;
      const replay = (own: number, where: string): string =>
        `SHOAL_SEED=${own} SHOAL_PATH=${where} npm test -- shm/cuts --test ${JSON.stringify(name)}`;
      const options = { runs: long ? 10_000 : 30, seed, replay };
      const verdict = await law.test(tried, path === undefined ? options : { ...options, path });
      assert.equal(verdict.skipped, undefined);
      assert.ok((verdict.happened["a write broke"] ?? 0) > 0);
      if (map === "auto" && errno === "ENOSPC") assert.ok(shortages > 0);
    }, { timeoutMs: 60_000 * (long ? 50 : 1) });
  }
}
