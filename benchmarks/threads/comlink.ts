// The workload of `threads` by Comlink: a call for each message, a thousand of them in flight where they may be.

import { isMainThread, type MessagePort, parentPort, Worker } from "node:worker_threads";
import { type Endpoint, expose, transfer, wrap } from "comlink";
import { numberOf } from "../protocol.ts";
import { type Measured, runtimeVersion, secondsSince, serve } from "../serve.ts";

const inFlightMax = 1_000;

let total = { count: 0, sum: 0, misplaced: 0 };

const api = {
  add(n: number): void {
    total = {
      count: total.count + 1,
      sum: total.sum + n,
      misplaced: total.misplaced + (n === total.count + 1 ? 0 : 1),
    };
  },
  total(): typeof total {
    const was = total;
    total = { count: 0, sum: 0, misplaced: 0 };
    return was;
  },
  echo: (n: number): number => n,
  /** Looks at it, and hands it back, so that it can be handed over again. */
  look(buffer: ArrayBuffer): ArrayBuffer | undefined {
    const data = new Float64Array(buffer);
    return data[0] === data[data.length - 1] ? transfer(buffer, [buffer]) : undefined;
  },
};

/** What Comlink calls an endpoint is what both runtimes call a port, but for how they name its events. */
function endpoint(port: MessagePort | Worker): Endpoint {
  const heard = new Map<unknown, (data: unknown) => void>();
  return {
    postMessage: (message, moved = []) => port.postMessage(message, moved as ArrayBuffer[]),
    addEventListener(_type, listener) {
      const hear = (data: unknown): void =>
        typeof listener === "function"
          ? listener(new MessageEvent("message", { data }))
          : listener.handleEvent(new MessageEvent("message", { data }));
      heard.set(listener, hear);
      port.on("message", hear);
    },
    removeEventListener(_type, listener) {
      const hear = heard.get(listener);
      if (hear !== undefined) port.off("message", hear);
    },
  };
}

if (!isMainThread && parentPort !== null) {
  expose(api, endpoint(parentPort));
} else {
  const there = wrap<typeof api>(endpoint(new Worker(new URL(import.meta.url))));

  const pipelined = async (
    count: number,
    inFlight: number,
    call: (n: number) => Promise<number>,
  ): Promise<Measured> => {
    let [sum, answered] = [0, 0];
    const lane = async (first: number): Promise<void> => {
      for (let n = first; n <= count; n += inFlight) {
        const answer = await call(n);
        sum += answer;
        answered++;
      }
    };
    const start = performance.now();
    await Promise.all(Array.from({ length: inFlight }, (_, index) => lane(index + 1)));
    return { seconds: secondsSince(start), count: answered, check: sum };
  };

  await serve({
    hello: () => ({ version: `Comlink on ${runtimeVersion()}`, settings: `at most ${inFlightMax} calls in flight` }),

    async tells(command) {
      const count = numberOf(command, "count");
      const start = performance.now();
      let open: Promise<void>[] = [];
      for (let n = 1; n <= count; n++) {
        open.push(there.add(n));
        if (open.length < inFlightMax) continue;
        await Promise.all(open);
        open = [];
      }
      await Promise.all(open);
      const { count: counted, sum, misplaced } = await there.total();
      return { seconds: secondsSince(start), count: counted, check: sum, misplaced };
    },

    asks: (command) => pipelined(numberOf(command, "count"), numberOf(command, "inFlight"), (n) => there.echo(n)),

    "round-trip": (command) => pipelined(numberOf(command, "count"), 1, (n) => there.echo(n)),

    async handover(command) {
      const [count, bytes, tensors] = [
        numberOf(command, "count"),
        numberOf(command, "bytes"),
        numberOf(command, "tensors"),
      ];
      const buffers = Array.from({ length: tensors }, (_, index) => new Float64Array(bytes / 8).fill(index + 1).buffer);
      return await pipelined(count, 1, async (n) => {
        const buffer = buffers[n % tensors]!;
        const back = await there.look(transfer(buffer, [buffer]));
        if (back === undefined) return 0;
        buffers[n % tensors] = back;
        return n;
      });
    },
  });
}
