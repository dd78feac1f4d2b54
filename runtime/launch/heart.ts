// The heart of a process: a thread that never runs anybody's code renews the lease of the process's node, and watches
// the leases of others. However long a handler computes in the main thread, the process is seen to live.

import { parentPort, type Transferable, workerData } from "node:worker_threads";
import { writeSync } from "node:fs";
import { allowStoreModules, openStore } from "../../stores/open.ts";
import { lease, watch } from "../nodes/leases.ts";
import { persistently } from "../nodes/patience.ts";
import { errnoOf } from "../run/trouble.ts";
import { realWorld } from "./world.ts";

/** What a heart is told when it starts. */
export interface HeartOptions {
  readonly run: string;
  readonly store: string;
  readonly storeModules: readonly string[];
  readonly node: string;
  readonly epoch: number;
  readonly leaseMs: number;
  /** The node without which this process is to end: it is ended, should it be too busy to do so itself. */
  readonly leader: string | undefined;
  /** That node's process, where it is one of this machine: its end is seen at once. */
  readonly leaderPid?: number | undefined;
}

/** What it hears later on. */
export type HeartCall = { readonly do: "watch" | "forget"; readonly node: string } | { readonly do: "stop" };

/** What it says. */
export type HeartSaid =
  | { readonly say: "beating" }
  | { readonly say: "lapsed"; readonly node: string }
  | { readonly say: "fenced" }
  | { readonly say: "failed"; readonly why: string }
  | { readonly say: "stopped" };

/** A lease is renewed so many times before it would lapse. */
const beatsPerLease = 5;
/** A store that is away for longer than this is taken for gone, and the run with it. */
const outageMsMax = 60_000;
/** How soon the end of a leader on this machine is seen. */
const leaderLookMs = 200;
/** How long a process whose time is over may take to end by itself. */
const graceMs = 3_000;

async function live(options: HeartOptions, port: NonNullable<typeof parentPort>): Promise<void> {
  const { run, node, epoch, leaseMs, leader, leaderPid } = options;
  const say = (said: HeartSaid): void => port.postMessage(said, [] as Transferable[]);
  allowStoreModules(...options.storeModules);
  // That it is away for a moment ends no process that has just begun.
  const store = await persistently(
    realWorld,
    "open the store of the lease",
    () =>
      openStore(options.store, {
        run,
        environment: realWorld,
        strict: false,
        thresholdBytes: 0,
        // Leases stand where mail does: no store of tensors is any business of a heart.
        only: { topics: [], who: `the heart of ${node}` },
      }),
  );
  const parts = { logs: store.logs, claims: store.claims, now: realWorld.now, leaseMs };
  const beat = lease(parts, node, epoch);
  const others = watch(parts);
  let isOver = false;
  let wake: (() => void) | undefined;
  port.on("message", (call: HeartCall) => {
    if (call.do === "watch") others.add(call.node);
    else if (call.do === "forget") others.remove(call.node);
    else {
      isOver = true;
      wake?.();
    }
  });
  if (leader !== undefined) others.add(leader);
  let isBeating = false;
  let heldAt = realWorld.now();

  /** Whoever cannot say its farewell, since it computes, is ended as it is. */
  function doom(why: string): void {
    setTimeout(() => {
      writeSync(2, `shoal: process ${process.pid} is ended: ${why}, and it computes on\n`);
      process.kill(process.pid, "SIGKILL");
    }, graceMs);
  }

  // Whatever the store does meanwhile.
  const looking = setInterval(() => {
    if (leader === undefined || leaderPid === undefined) return clearInterval(looking);
    if (!isGone(leaderPid)) return;
    clearInterval(looking);
    isOver = true;
    say({ say: "lapsed", node: leader });
    doom(`${leader} has ended`);
    wake?.();
  }, leaderLookMs);
  for (let round = 0; !isOver; round++) {
    const outcome = await beat();
    if (outcome === "fenced") {
      say({ say: "fenced" });
      if (leader !== undefined) doom(`another process is node ${node}`);
      break;
    }
    if (outcome === "held" && !isBeating) say({ say: "beating" });
    isBeating ||= outcome === "held";
    if (outcome === "held") heldAt = realWorld.now();
    const awayMs = realWorld.now() - heldAt;
    if (leader !== undefined && awayMs > Math.max(outageMsMax, leaseMs)) {
      const why = `its store does not answer for ${Math.round(awayMs / 1_000)} s`;
      say({ say: "failed", why });
      doom(why);
      break;
    }
    // Who cannot write to the store cannot tell whether others can.
    if (outcome === "unknown" && leader === undefined) others.excuse();
    // Nobody's lease is over before this one's second beat: a thousand that begin at once need not all look by then.
    const lapsed = round === 0 ? [] : await others.look();
    for (const one of lapsed) {
      say({ say: "lapsed", node: one });
      if (one === leader) doom(`${leader} shows no sign of life`);
    }
    if (!isOver) {
      await new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, leaseMs / beatsPerLease);
      });
    }
  }
  clearInterval(looking);
  await store.close();
  say({ say: "stopped" });
}

/** Whether there is no such process on this machine. */
export function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return errnoOf(error) === "ESRCH";
  }
}

const given = workerData as { readonly shoalHeart?: HeartOptions } | null | undefined;
if (given?.shoalHeart !== undefined && parentPort !== null) {
  const port = parentPort;
  live(given.shoalHeart, port).catch((error: unknown) => {
    port.postMessage({ say: "failed", why: error instanceof Error ? error.message : String(error) });
  });
}
