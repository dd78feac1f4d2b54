// The workload of `threads` by bare loops over ports: batches of messages as one JSON text each, which is the fastest
// that both runtimes have. A message says to whom, what, and a number; with `numbers` on the command line it is the
// number alone. Nobody keeps, bounds or confirms anything.

import process from "node:process";
import { isMainThread, MessageChannel, type MessagePort, parentPort, Worker, workerData } from "node:worker_threads";
import { numberOf } from "../protocol.ts";
import { runtimeVersion, secondsSince, serve } from "../serve.ts";

const batchMessages = 256;

interface Message {
  readonly to: string;
  readonly method: string;
  readonly message: number;
}

/** One of the two for the whole of a process, so that each loop sees but one kind. */
const isNumbers = isMainThread ? process.argv.includes("numbers") : workerData === "numbers";
const messageOf: (n: number) => Message | number = isNumbers
  ? (n) => n
  : (n) => ({ to: "main-t1/3", method: "add", message: n });
const numberIn: (message: Message | number) => number = isNumbers
  ? (message) => message as number
  : (message) => (message as Message).message;

type Order =
  | { readonly do: "count"; readonly port: MessagePort }
  | { readonly do: "flood"; readonly port: MessagePort; readonly count: number }
  | { readonly do: "echo"; readonly port: MessagePort };

if (!isMainThread) {
  parentPort?.on("message", (order: Order) => {
    const { port } = order;
    if (order.do === "flood") {
      port.once("message", (total: unknown) => {
        parentPort?.postMessage(total);
        port.close();
      });
      for (let n = 1; n <= order.count;) {
        const batch: (Message | number)[] = [];
        while (batch.length < batchMessages && n <= order.count) batch.push(messageOf(n++));
        port.postMessage(JSON.stringify(batch));
      }
      port.postMessage("");
    } else if (order.do === "count") {
      let [count, sum, misplaced] = [0, 0, 0];
      port.on("message", (text: string) => {
        if (text === "") return port.postMessage({ count, sum, misplaced });
        for (const one of JSON.parse(text) as (Message | number)[]) {
          const n = numberIn(one);
          if (n !== ++count) misplaced++;
          sum += n;
        }
      });
    } else {
      port.on("message", (message: unknown) => {
        if (typeof message === "string") {
          return port.postMessage(
            JSON.stringify((JSON.parse(message) as (Message | number)[]).map((one) => messageOf(numberIn(one)))),
          );
        }
        if (message instanceof ArrayBuffer) {
          // Looked at, and handed back, so that it can be handed over again.
          const data = new Float64Array(message);
          return port.postMessage(data[0] === data[data.length - 1] ? message : 0, [message]);
        }
        port.postMessage(message);
      });
    }
  });
} else {
  const workers = [0, 1].map(() => new Worker(new URL(import.meta.url), { workerData: isNumbers ? "numbers" : "" }));
  const [one, two] = workers;

  const echo = (): MessagePort => {
    const { port1, port2 } = new MessageChannel();
    const order: Order = { do: "echo", port: port2 };
    one!.postMessage(order, [port2]);
    return port1;
  };

  await serve({
    hello: () => ({
      version: runtimeVersion(),
      settings: `batches of ${batchMessages} as JSON; a buffer is moved, not copied`,
    }),

    async tells(command) {
      const { port1, port2 } = new MessageChannel();
      one!.postMessage({ do: "count", port: port1 } satisfies Order, [port1]);
      const start = performance.now();
      two!.postMessage({ do: "flood", port: port2, count: numberOf(command, "count") } satisfies Order, [port2]);
      const total = await new Promise<{ count: number; sum: number; misplaced: number }>((resolve) =>
        two!.once("message", resolve)
      );
      return { seconds: secondsSince(start), count: total.count, check: total.sum, misplaced: total.misplaced };
    },

    async asks(command) {
      const [all, inFlight] = [numberOf(command, "count"), numberOf(command, "inFlight")];
      const port = echo();
      let [next, count, sum] = [1, 0, 0];
      const send = (): void => {
        const batch: (Message | number)[] = [];
        while (batch.length < inFlight / 4 && next <= all) batch.push(messageOf(next++));
        if (batch.length > 0) port.postMessage(JSON.stringify(batch));
      };
      const start = performance.now();
      await new Promise<void>((resolve) => {
        port.on("message", (text: string) => {
          for (const one of JSON.parse(text) as (Message | number)[]) {
            sum += numberIn(one);
            count++;
          }
          if (count === all) resolve();
          else send();
        });
        for (let ahead = 0; ahead < 4; ahead++) send();
      });
      const seconds = secondsSince(start);
      port.close();
      return { seconds, count, check: sum };
    },

    async "round-trip"(command) {
      const all = numberOf(command, "count");
      const port = echo();
      let sum = 0;
      const start = performance.now();
      await new Promise<void>((resolve) => {
        port.on("message", (n: number) => {
          sum += n;
          if (n === all) resolve();
          else port.postMessage(n + 1);
        });
        port.postMessage(1);
      });
      const seconds = secondsSince(start);
      port.close();
      return { seconds, count: all, check: sum };
    },

    async handover(command) {
      const [all, bytes, tensors] = ["count", "bytes", "tensors"].map((key) => numberOf(command, key)) as [
        number,
        number,
        number,
      ];
      const port = echo();
      const buffers = Array.from({ length: tensors }, (_, index) => new Float64Array(bytes / 8).fill(index + 1).buffer);
      let [n, sum] = [1, 0];
      const start = performance.now();
      await new Promise<void>((resolve) => {
        const send = (): void => {
          const buffer = buffers[n % tensors]!;
          port.postMessage(buffer, [buffer]);
        };
        port.on("message", (buffer: unknown) => {
          if (buffer instanceof ArrayBuffer) buffers[n % tensors] = buffer;
          sum += buffer instanceof ArrayBuffer ? n : 0;
          if (n++ === all) resolve();
          else send();
        });
        send();
      });
      const seconds = secondsSince(start);
      port.close();
      return { seconds, count: all, check: sum };
    },
  });
}
