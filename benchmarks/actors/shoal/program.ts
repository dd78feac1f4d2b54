// The workload in shoal: strict mode off, bounds and supervision on, as they are by default.

import { type ActorRef, launch } from "shoal";
import { numberOf } from "../../protocol.ts";
import { liveBytes, type Measured, runtimeVersion, secondsSince, serve } from "../../serve.ts";
import { Counter, Crasher, Echo, Flood, Hub, Leaf, nextReport, Ping, Pong, takeLives, Ticker } from "./actors.ts";

const system = await launch({ strict: false });
const patient = { timeoutMs: 300_000 };
const settings = "strict off; bounds and supervision as default, in fan-out the hub's mailbox as wide as its replies";
const spawnsTogether = 1_000;

async function spawnMany(into: ActorRef<Echo>[]): Promise<void> {
  for (let i = 0; i < into.length; i++) into[i] = await system.spawn(Echo);
}

/** Asks each actor for its place, so that all are known to live. */
async function probe(actors: readonly ActorRef<Echo>[]): Promise<number> {
  let sum = 0;
  for (let i = 0; i < actors.length; i += spawnsTogether) {
    const asked = actors.slice(i, i + spawnsTogether).map((actor, j) => actor.ask("echo", i + j + 1));
    for (const n of await Promise.all(asked)) sum += n;
  }
  return sum;
}

async function stopAll(actors: readonly ActorRef<object>[]): Promise<void> {
  for (let i = 0; i < actors.length; i += spawnsTogether) {
    await Promise.all(actors.slice(i, i + spawnsTogether).map((actor) => system.stop(actor, { now: true })));
  }
}

async function tells(count: number, workMicros: number): Promise<Measured> {
  const counter = await system.spawn(Counter, workMicros);
  const flood = await system.spawn(Flood, counter);
  const start = performance.now();
  const total = await flood.ask("send", { from: 1, count }, patient);
  const seconds = secondsSince(start);
  await stopAll([flood, counter]);
  return { seconds, count: total.count, check: total.sum, misplaced: total.misplaced };
}

await serve({
  hello: () => ({ version: `shoal on ${runtimeVersion()}`, settings }),

  async "ping-pong"(command) {
    const pong = await system.spawn(Pong);
    const ping = await system.spawn(Ping, pong);
    await pong.ask("meet", ping);
    const start = performance.now();
    void ping.tell("serve", numberOf(command, "count"));
    const { count, sum } = await nextReport();
    const seconds = secondsSince(start);
    await stopAll([ping, pong]);
    return { seconds, count, check: sum };
  },

  tells: (command) => tells(numberOf(command, "count"), 0),

  backlog: (command) => tells(numberOf(command, "count"), numberOf(command, "workMicros")),

  async "fan-out"(command) {
    const width = numberOf(command, "actors");
    // Whoever waits for so many replies has room for them: still a bound, but one that no leaf has to wait at.
    const hub = await system.spawn(Hub, undefined, { limits: { mailboxMessagesMax: width } });
    const leaves: ActorRef<Leaf>[] = [];
    for (let i = 0; i < width; i++) leaves.push(await system.spawn(Leaf, hub));
    for (let i = 0; i < leaves.length; i += spawnsTogether) await hub.ask("meet", leaves.slice(i, i + spawnsTogether));
    const start = performance.now();
    void hub.tell("serve", numberOf(command, "rounds"));
    const { count, sum } = await nextReport();
    const seconds = secondsSince(start);
    await stopAll([hub, ...leaves]);
    return { seconds, count, check: sum };
  },

  async asks(command) {
    const [count, inFlight] = [numberOf(command, "count"), numberOf(command, "inFlight")];
    const deadline = { timeoutMs: numberOf(command, "timeoutMs") };
    const echo = await system.spawn(Echo);
    let [sum, answered] = [0, 0];
    const lane = async (first: number): Promise<void> => {
      for (let n = first; n <= count; n += inFlight) {
        const answer = await echo.ask("echo", n, deadline);
        sum += answer;
        answered++;
      }
    };
    const start = performance.now();
    await Promise.all(Array.from({ length: inFlight }, (_, i) => lane(i + 1)));
    const seconds = secondsSince(start);
    await stopAll([echo]);
    return { seconds, count: answered, check: sum };
  },

  async spawns(command) {
    const actors = new Array<ActorRef<Echo>>(numberOf(command, "count"));
    const start = performance.now();
    await spawnMany(actors);
    const seconds = secondsSince(start);
    const check = await probe(actors);
    await stopAll(actors);
    return { seconds, count: actors.length, check };
  },

  async idle(command) {
    const actors = new Array<ActorRef<Echo>>(numberOf(command, "count"));
    const before = await liveBytes();
    const start = performance.now();
    await spawnMany(actors);
    const seconds = secondsSince(start);
    const bytesEach = (await liveBytes() - before) / actors.length;
    const check = await probe(actors);
    await stopAll(actors);
    return { seconds, count: actors.length, check, bytesEach };
  },

  async timer(command) {
    const counter = await system.spawn(Counter, 0);
    const flood = await system.spawn(Flood, counter);
    const ticker = await system.spawn(Ticker);
    const [durationMs, burst] = [numberOf(command, "durationMs"), numberOf(command, "burst")];
    const start = performance.now();
    await ticker.ask("begin", numberOf(command, "periodMs"));
    const sent = await flood.ask("sendFor", { durationMs, burst }, patient);
    const late = await ticker.ask("measured");
    const seconds = secondsSince(start);
    const { count, sum } = await counter.ask("total");
    await stopAll([ticker, flood, counter]);
    return { ...late, seconds, count, check: sum, sent };
  },

  async restarts(command) {
    const count = numberOf(command, "count");
    const supervision = { on: "restart", restartsMax: Number.MAX_SAFE_INTEGER, backoffMs: 0 } as const;
    takeLives();
    const restarted = system.statistics().restarts;
    const crasher = await system.spawn(Crasher, undefined, { supervision });
    const before = await liveBytes();
    let check = 0;
    const start = performance.now();
    for (let n = 1; n <= count; n++) {
      void crasher.tell("crash", n);
      const life = await crasher.ask("life");
      check += life;
    }
    const seconds = secondsSince(start);
    const bytes = await liveBytes() - before;
    await stopAll([crasher]);
    return { seconds, count: system.statistics().restarts - restarted, check, bytes };
  },
});
