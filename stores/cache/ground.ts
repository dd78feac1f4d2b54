// The cache as one opening of a store has it: an arena of shared memory, and the shelf that says what lies in all of them.
import { randomBytes } from "node:crypto";
import type { Landing } from "../copied/landing.ts";
import { shmRoot, shmStore } from "../shm.ts";
import { foldersOf } from "../shm/place.ts";
import type { StoreEnvironment } from "../store.ts";
import { endRun } from "../sweep/ended.ts";
import { fills } from "./fills.ts";
import { abandoned, type Ground } from "./remains.ts";
import { shelf } from "./shelf.ts";

export interface Opened {
  /** Answers nothing where there is no room, or whoever fetches it takes too long. */
  land(...asked: Parameters<Landing["land"]>): Promise<Awaited<ReturnType<Landing["land"]>> | undefined>;
  forget(id: string): Promise<void>;
  close(): Promise<void>;
}

export interface GroundOptions {
  readonly run: string;
  readonly bytesMax: number;
  readonly dir: string | undefined;
  readonly strict: boolean;
  readonly say: (why: unknown) => void;
}

/** This process's own: a cache is older than the clock of a store may be, and its openings are told apart by chance. */
const environment: StoreEnvironment = {
  now: () => performance.now(),
  after(delayMs, call) {
    const timer = setTimeout(call, delayMs);
    if (typeof timer === "object") timer.unref();
    return () => clearTimeout(timer);
  },
  token: () => randomBytes(8).toString("hex"),
};

export async function openGround({ run, bytesMax, dir, strict, say }: GroundOptions): Promise<Opened> {
  const root = shmRoot(dir);
  abandoned(root, run);
  const writer = environment.token();
  const store = await shmStore({
    run,
    environment,
    strict,
    writer,
    capacityBytes: bytesMax,
    full: "reject",
    ...(dir === undefined ? {} : { dir }),
  });
  try {
    const folders = foldersOf(root, run);
    const ground: Ground = { store, folders, writer, run, shelf: shelf(`${folders.run}/shelf`) };
    // Nobody will come back for what is only a copy: it goes with the last who has it open.
    await endRun(store);
    let isClosed = false;
    const filling = fills({ ground, isClosed: () => isClosed, say });
    return {
      ...filling,
      close() {
        isClosed = true;
        return store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}
