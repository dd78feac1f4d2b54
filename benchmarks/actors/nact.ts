// The workload in nact 7: stateless actors of plain functions where no order is needed, stateful ones elsewhere.
// Actors get names of ours: the random ones of nact collide at some 100,000 actors.

import { readFileSync } from "node:fs";
import { dispatch, query, type Ref, spawn, start as startSystem, stop } from "nact";
import { numberOf } from "../protocol.ts";
import { Lateness, liveBytes, type Measured, runtimeVersion, secondsSince, serve, spin } from "../serve.ts";

interface Asked {
  n: number;
  from: Ref<number>;
}

const system = startSystem();
let names = 0;

/** A stateful actor: nact handles its messages one after the other. State stays `undefined`; closures hold it. */
function actor<M>(on: (message: M, self: Ref<M>) => void): Ref<M> {
  return spawn(system, (state: undefined, message: M, { self }) => {
    on(message, self);
    return state;
  }, `a${names++}`) as Ref<M>;
}

const echo = (): Ref<Asked> => actor<Asked>(({ n, from }) => dispatch(from, n));

/** An actor that sums numbers, and a promise of the sum of so many. */
function counter(expected: number, workMicros: number): { ref: Ref<number>; done: Promise<Measured> } {
  const { promise, resolve } = deferred<Measured>();
  let [count, sum, misplaced] = [0, 0, 0];
  const ref = actor<number>((n) => {
    if (workMicros > 0) spin(workMicros);
    sum += n;
    if (++count !== n) misplaced++;
    if (count === expected) resolve({ count, check: sum, misplaced });
  });
  return { ref, done: promise };
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((resolved) => {
    resolve = resolved;
  });
  return { promise, resolve };
}

async function pingPong(count: number): Promise<Measured> {
  const pong = echo();
  const { promise, resolve } = deferred<number>();
  let sum = 0;
  const ping = actor<number>((n, self) => {
    sum += n;
    if (n < count) dispatch(pong, { n: n + 1, from: self });
    else resolve(n);
  });
  const start = performance.now();
  dispatch(pong, { n: 1, from: ping });
  const received = await promise;
  const seconds = secondsSince(start);
  stop(ping);
  stop(pong);
  return { seconds, count: received, check: sum };
}

async function tells(count: number, workMicros: number): Promise<Measured> {
  const { ref, done } = counter(count, workMicros);
  const start = performance.now();
  for (let n = 1; n <= count; n++) dispatch(ref, n);
  const measured = await done;
  const seconds = secondsSince(start);
  stop(ref);
  return { ...measured, seconds };
}

async function fanOut(width: number, rounds: number): Promise<Measured> {
  const actors = Array.from({ length: width }, echo);
  let [count, sum] = [0, 0];
  const start = performance.now();
  for (let n = 1; n <= rounds; n++) {
    const { ref, done } = counter(width, 0);
    for (const actor of actors) dispatch(actor, { n, from: ref });
    const measured = await done;
    count += 2 * numberOf(measured, "count");
    sum += numberOf(measured, "check");
    stop(ref);
  }
  const seconds = secondsSince(start);
  for (const actor of actors) stop(actor);
  return { seconds, count, check: sum };
}

async function asks(count: number, inFlight: number, timeoutMs: number): Promise<Measured> {
  const server = echo();
  let [sum, answered] = [0, 0];
  const lane = async (first: number): Promise<void> => {
    for (let n = first; n <= count; n += inFlight) {
      const answer = await query(server, (from: Ref<number>) => ({ n, from }), timeoutMs);
      sum += answer;
      answered++;
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: inFlight }, (_, i) => lane(i + 1)));
  const seconds = secondsSince(start);
  stop(server);
  return { seconds, count: answered, check: sum };
}

async function spawns(count: number, isMeasured: boolean): Promise<Measured> {
  const actors = new Array<Ref<Asked>>(count);
  const before = isMeasured ? await liveBytes() : 0;
  const start = performance.now();
  for (let i = 0; i < count; i++) actors[i] = echo();
  const seconds = secondsSince(start);
  const bytesEach = isMeasured ? (await liveBytes() - before) / count : 0;
  const { ref, done } = counter(count, 0);
  for (const [i, actor] of actors.entries()) dispatch(actor, { n: i + 1, from: ref });
  const measured = await done;
  for (const actor of actors) stop(actor);
  return { ...measured, seconds, bytesEach };
}

async function timer(periodMs: number, durationMs: number, burst: number): Promise<Measured> {
  const lateness = new Lateness(periodMs);
  const ticker = actor<string>(() => lateness.tick());
  // nact has no timers: its users take the runtime's.
  const interval = setInterval(() => dispatch(ticker, "tick"), periodMs);
  let [count, sum, sent] = [0, 0, 0];
  const receiver = actor<Asked>(({ n, from }) => {
    count++;
    sum += n;
    if (n % burst === 0) dispatch(from, n);
  });
  const start = performance.now();
  while (performance.now() - start < durationMs) {
    const { promise, resolve } = deferred<number>();
    const from = actor<number>(resolve);
    for (let i = 0; i < burst; i++) dispatch(receiver, { n: ++sent, from });
    await promise;
    stop(from);
  }
  const seconds = secondsSince(start);
  clearInterval(interval);
  stop(ticker);
  stop(receiver);
  return { ...lateness.measured(), seconds, count, check: sum, sent };
}

async function restarts(count: number): Promise<Measured> {
  let lives = 0;
  const crasher = spawn(
    system,
    (state: undefined, { from }: { from?: Ref<number> }) => {
      if (from === undefined) throw new Error("crash");
      dispatch(from, lives);
      return state;
    },
    `a${names++}`,
    {
      initialStateFunc: () => void lives++,
      onCrash: (_message, _error, context) => context.reset,
    },
  );
  const before = await liveBytes();
  let check = 0;
  const start = performance.now();
  for (let n = 1; n <= count; n++) {
    dispatch(crasher, {});
    const life = await query(crasher, (from: Ref<number>) => ({ from }), 5_000);
    check += life;
  }
  const seconds = secondsSince(start);
  const bytes = await liveBytes() - before;
  stop(crasher);
  return { seconds, count: lives - 1, check, bytes };
}

const version = (): string => {
  const found: unknown = JSON.parse(readFileSync(new URL(import.meta.resolve("nact/package.json")), "utf8"));
  return (found as { version: string }).version;
};

await serve({
  hello: () => ({ version: `nact ${version()} on ${runtimeVersion()}`, settings: "names of ours" }),
  "ping-pong": (command) => pingPong(numberOf(command, "count")),
  tells: (command) => tells(numberOf(command, "count"), 0),
  backlog: (command) => tells(numberOf(command, "count"), numberOf(command, "workMicros")),
  "fan-out": (command) => fanOut(numberOf(command, "actors"), numberOf(command, "rounds")),
  asks: (command) => asks(numberOf(command, "count"), numberOf(command, "inFlight"), numberOf(command, "timeoutMs")),
  spawns: (command) => spawns(numberOf(command, "count"), false),
  idle: (command) => spawns(numberOf(command, "count"), true),
  timer: (command) => timer(numberOf(command, "periodMs"), numberOf(command, "durationMs"), numberOf(command, "burst")),
  restarts: (command) => restarts(numberOf(command, "count")),
});
