// The workload in xstate 5: synchronous actors of `fromTransition`, the lightest it has. `send` handles the message
// before it returns, so that nothing waits, nothing is bounded and nobody else gets a turn.

import { readFileSync } from "node:fs";
import { type AnyActorRef, createActor, fromTransition } from "xstate";
import { numberOf } from "../protocol.ts";
import { liveBytes, type Measured, runtimeVersion, secondsSince, serve } from "../serve.ts";

interface Numbered {
  type: "n";
  n: number;
}

interface Asked extends Numbered {
  from: { send(event: Numbered): void };
}

interface Total {
  count: number;
  sum: number;
}

const echo = fromTransition((state: null, event: Asked) => {
  // Its own events, such as the one that stops the actor, come the same way.
  if (event.type === "n") event.from.send({ type: "n", n: event.n });
  return state;
}, null);

// The state is changed in place: xstate allows it, and it spares an object a message.
const counter = fromTransition((state: Total, event: Numbered) => {
  if (event.type === "n") {
    state.count++;
    state.sum += event.n;
  }
  return state;
}, () => ({ count: 0, sum: 0 }));

const total = (actor: AnyActorRef): Total => actor.getSnapshot().context;
const version = (): string => {
  const found: unknown = JSON.parse(readFileSync(new URL(import.meta.resolve("xstate/package.json")), "utf8"));
  return (found as { version: string }).version;
};

function pingPong(count: number): Measured {
  const pong = createActor(echo).start();
  const ping = createActor(fromTransition((state: Total, { type, n }: Numbered, { self }) => {
    if (type !== "n") return state;
    state.count++;
    state.sum += n;
    if (n < count) pong.send({ type: "n", n: n + 1, from: self });
    return state;
  }, () => ({ count: 0, sum: 0 }))).start();
  const start = performance.now();
  pong.send({ type: "n", n: 1, from: ping });
  const seconds = secondsSince(start);
  const { count: received, sum } = total(ping);
  ping.stop();
  pong.stop();
  return { seconds, count: received, check: sum };
}

function tells(count: number): Measured {
  const receiver = createActor(counter).start();
  const start = performance.now();
  for (let n = 1; n <= count; n++) receiver.send({ type: "n", n });
  const seconds = secondsSince(start);
  const { count: received, sum } = total(receiver);
  receiver.stop();
  return { seconds, count: received, check: sum };
}

function fanOut(width: number, rounds: number): Measured {
  const actors = Array.from({ length: width }, () => createActor(echo).start());
  const hub = createActor(counter).start();
  const start = performance.now();
  for (let n = 1; n <= rounds; n++) {
    for (const actor of actors) actor.send({ type: "n", n, from: hub });
  }
  const seconds = secondsSince(start);
  const { count, sum } = total(hub);
  for (const actor of actors) actor.stop();
  hub.stop();
  return { seconds, count: 2 * count, check: sum };
}

async function spawns(count: number, isMeasured: boolean): Promise<Measured> {
  const actors = new Array<ReturnType<typeof createActor<typeof echo>>>(count);
  const before = isMeasured ? await liveBytes() : 0;
  const start = performance.now();
  for (let i = 0; i < count; i++) actors[i] = createActor(echo).start();
  const seconds = secondsSince(start);
  const bytesEach = isMeasured ? (await liveBytes() - before) / count : 0;
  const probe = createActor(counter).start();
  for (const [i, actor] of actors.entries()) actor.send({ type: "n", n: i + 1, from: probe });
  const { count: received, sum } = total(probe);
  for (const actor of actors) actor.stop();
  return { seconds, count: received, check: sum, bytesEach };
}

await serve({
  hello: () => ({ version: `xstate ${version()} on ${runtimeVersion()}`, settings: "fromTransition, synchronous" }),
  "ping-pong": (command) => pingPong(numberOf(command, "count")),
  tells: (command) => tells(numberOf(command, "count")),
  "fan-out": (command) => fanOut(numberOf(command, "actors"), numberOf(command, "rounds")),
  spawns: (command) => spawns(numberOf(command, "count"), false),
  idle: (command) => spawns(numberOf(command, "count"), true),
});
