// A process's heart, seen from its main thread: it is started, told whom to watch, and stopped.

import { Worker } from "node:worker_threads";
import type { HeartCall, HeartOptions, HeartSaid } from "./heart.ts";

export interface PulseParts extends HeartOptions {
  /** A node that is watched shows no sign of life. */
  readonly lapsed: (node: string) => void;
  /** Another process is this node. */
  readonly fenced: () => void;
  /** It does not beat any more: others will take the process for dead. */
  readonly failed: (why: string) => void;
}

export interface Pulse {
  /** Settles when the lease was renewed for the first time; it never rejects, and may never settle. */
  readonly begun: Promise<void>;
  watch(node: string): void;
  forget(node: string): void;
  stop(): Promise<void>;
}

/** How long a heart may take to leave its store in order. */
const stopMsMax = 2_000;

export function pulse({ lapsed, fenced, failed, ...options }: PulseParts): Pulse {
  const ending = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  const heart = new Worker(new URL(`./heart${ending}`, import.meta.url), {
    name: `heart of ${options.node}`,
    workerData: { shoalHeart: options },
  });
  let isStopping = false;
  let settleBegun!: () => void;
  let settleStopped!: () => void;
  const begun = new Promise<void>((resolve) => settleBegun = resolve);
  const stopped = new Promise<void>((resolve) => settleStopped = resolve);

  function broke(why: string): void {
    settleStopped();
    if (!isStopping) failed(why);
  }

  heart.on("message", (said: HeartSaid) => {
    if (said.say === "beating") settleBegun();
    else if (said.say === "stopped") settleStopped();
    else if (said.say === "failed") broke(said.why);
    else if (isStopping) return;
    else if (said.say === "lapsed") lapsed(said.node);
    else fenced();
  });
  heart.on("error", (error: unknown) => broke(error instanceof Error ? error.message : String(error)));
  // It lives as long as the process does otherwise, and keeps none alive.
  heart.unref();
  const call = (what: HeartCall): void => heart.postMessage(what);

  return {
    begun,
    watch: (node) => call({ do: "watch", node }),
    forget: (node) => call({ do: "forget", node }),
    async stop() {
      isStopping = true;
      call({ do: "stop" });
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<void>((resolve) => timer = setTimeout(resolve, stopMsMax));
      await Promise.race([stopped, late]);
      clearTimeout(timer);
      await heart.terminate();
    },
  };
}
