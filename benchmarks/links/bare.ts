// The workload of `links` by bare loops between two processes: batches of messages as one JSON text each. A message
// says to whom, what, and a number. Nobody keeps, bounds or confirms anything.

import { spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Carriers } from "./bare/carrier.ts";
import { kafkaCarrier } from "./bare/kafka.ts";
import { redisCarrier } from "./bare/redis.ts";
import { socketCarrier } from "./bare/socket.ts";
import { type Command, numberOf } from "../protocol.ts";
import { type Measured, runtimeVersion, secondsSince, serve } from "../serve.ts";

interface Message {
  readonly to: string;
  readonly method: string;
  readonly message: number;
}

const carriers: { readonly [kind: string]: Carriers } = {
  socket: socketCarrier,
  redis: redisCarrier,
  kafka: kafkaCarrier,
};
const batchMessages = 256;
const messageOf = (n: number): Message => ({ to: "main-t1/3", method: "add", message: n });

/** What a text is, by its first character: messages to count, or to answer; or the question how many there were. */
const kinds = { count: "c", answer: "a", total: "t" } as const;

const [kind = "", where = "", run = "", command, ...args] = process.argv.slice(2);
const open = carriers[kind];
if (open === undefined) throw new TypeError(`Cannot carry by ${kind}`);

if (command === undefined) {
  let [count, sum, misplaced] = [0, 0, 0];
  const carrier = await open(where, run, "far", (text) => {
    if (text[0] === kinds.total) {
      void carrier.send(JSON.stringify({ count, sum, misplaced }));
      [count, sum, misplaced] = [0, 0, 0];
      return;
    }
    const messages = JSON.parse(text.slice(1)) as Message[];
    if (text[0] === kinds.answer) {
      return void carrier.send(JSON.stringify(messages.map(({ message }) => messageOf(message))));
    }
    for (const { message } of messages) {
      if (message !== ++count) misplaced++;
      sum += message;
    }
  });
  process.stdout.write("ready\n");
  process.stdin.resume();
  process.stdin.once("end", () => void carrier.close().then(() => process.exit(0)));
} else {
  let take: (text: string) => void = () => {};
  const carrier = await open(where, run, "near", (text) => take(text));
  const partner = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  process.on("exit", () => void partner.kill("SIGKILL"));
  partner.once("exit", (code) => code !== 0 && process.exit(1));
  await new Promise((resolve) => createInterface({ input: partner.stdout }).once("line", resolve));

  const tells = async (all: number): Promise<Measured> => {
    const start = performance.now();
    for (let n = 1; n <= all;) {
      const batch: Message[] = [];
      while (batch.length < batchMessages && n <= all) batch.push(messageOf(n++));
      const sent = carrier.send(kinds.count + JSON.stringify(batch));
      if (sent !== undefined) await sent;
    }
    const heard = new Promise<string>((resolve) => take = resolve);
    await carrier.send(kinds.total);
    const { count, sum, misplaced } = JSON.parse(await heard) as { count: number; sum: number; misplaced: number };
    return { seconds: secondsSince(start), count, check: sum, misplaced };
  };

  const answered = async (all: number, batches: number, messages: number): Promise<Measured> => {
    let [next, count, sum] = [1, 0, 0];
    const send = (): void => {
      const batch: Message[] = [];
      while (batch.length < messages && next <= all) batch.push(messageOf(next++));
      if (batch.length > 0) void carrier.send(kinds.answer + JSON.stringify(batch));
    };
    const start = performance.now();
    await new Promise<void>((resolve) => {
      take = (text) => {
        for (const { message } of JSON.parse(text) as Message[]) {
          sum += message;
          count++;
        }
        if (count === all) resolve();
        else send();
      };
      for (let ahead = 0; ahead < batches; ahead++) send();
    });
    return { seconds: secondsSince(start), count, check: sum };
  };

  const runs = {
    tells: (given: Command) => tells(numberOf(given, "count")),
    asks: (given: Command) => answered(numberOf(given, "count"), 4, numberOf(given, "inFlight") / 4),
    "round-trip": (given: Command) => answered(numberOf(given, "count"), 1, 1),
  };
  await serve({
    hello: () => ({ version: runtimeVersion(), settings: `batches of ${batchMessages} as JSON; ${carrier.settings}` }),
    ...runs,
    ...Object.fromEntries(Object.entries(runs).map(([name, each]) => [`log-${name}`, each])),
  }, async () => {
    const ended = new Promise((resolve) => partner.once("close", resolve));
    partner.stdin.end();
    await ended;
    await carrier.close();
  });
}
