// Ways to put a core to the question with a plan: alone; beside another run on the same store (L15); once more from what
// was recorded (L14); and with one workload on two stores that behave differently (L13).

import { isDeepStrictEqual } from "node:util";
import type { Command, Event } from "../../runtime/delivery/events.ts";
import { advance } from "../../runtime/delivery/node.ts";
import { mustOf, Violation } from "./laws/law.ts";
import type { Message } from "./laws/message.ts";
import { chance, type Op } from "./plan.ts";
import type { Process } from "./process.ts";
import type { WorldOptions } from "./options.ts";
import { runPlan, World } from "./world.ts";

export type Way = "alone" | "beside" | "again" | "elsewhere";

/** Throws the violation that a plan leads to, if any. */
export function take(way: Way, plan: readonly Op[], options: WorldOptions): void {
  if (way === "alone") runPlan(plan, options);
  else if (way === "beside") runBeside(plan, options);
  else if (way === "again") runAgain(plan, options);
  else runElsewhere(plan, options);
}

/** Two runs take turns on one store, and each gets frames that went astray from the other. */
function runBeside(plan: readonly Op[], options: WorldOptions): void {
  const one = new World(options);
  const other = new World({ ...options, run: "s", beside: one, nodes: 2 });
  const draw = chance(plan.length);
  for (const op of plan) {
    options.onStep?.(op);
    const [now, before] = draw(2) === 0 ? [one, other] : [other, one];
    now.step(op);
    const astray = draw(4) === 0 ? before.flights[draw(Math.max(1, before.flights.length))] : undefined;
    if (astray !== undefined) now.stray(astray);
  }
  options.onStep?.(undefined);
  one.drain(300);
  other.drain(300);
}

/** What each process took in is told to a new core, which must say the same to all of it. */
function runAgain(plan: readonly Op[], options: WorldOptions): void {
  const tapes = new Map<Process, [events: readonly Event[], commands: readonly Command[]][]>();
  const heard = (process: Process, events: readonly Event[], commands: readonly Command[]): void => {
    const tape = tapes.get(process) ?? [];
    tapes.set(process, tape);
    tape.push([events, commands]);
  };
  const world = runPlan(plan, { ...options, heard });
  const must = mustOf(options.asked);
  for (const [{ id, index, core }, tape] of tapes) {
    const again = world.newCore(index);
    for (const [at, [events, commands]] of tape.entries()) {
      const said = (options.advance ?? advance)(again, events);
      for (const { type } of said) if (type === "deliver" || type === "deliverAll") world.count("delivery said again");
      must(
        isDeepStrictEqual(said, commands),
        "L14",
        () => `process ${id} says something else to its event ${at}, ${events[0]?.type}, than it did`,
      );
    }
    must(isDeepStrictEqual(again, core), "L14", () => `process ${id} does not end as it did`);
  }
}

/** Faults that nobody's memory is lost by, but on nodes whose actors are all durable. */
const harmless = ["deliver", "run", "store", "tick", "drop", "repeat", "lose", "link", "wait", "full", "stall", "echo"];
const durableOnly = ["kill", "restart", "zombie", "crash", "power"];
const payments = 12;

/** Payments go from account to account; what each applies of each must not depend on how fast or faulty its store is. */
function runElsewhere(plan: readonly Op[], options: WorldOptions): void {
  const { nodes, gone: _gone, ...rest } = options;
  const suits = ([kind, a]: Op): boolean =>
    kind === "send" || harmless.includes(kind) || (durableOnly.includes(kind) && a % nodes !== 0);
  const faulty = plan.filter(suits);
  const quick = faulty.flatMap(([kind, a]): Op[] =>
    kind === "send" ? [[kind, a, 0], ["store", 0, 0], ["run", 0, 0]] : []
  );
  const [here, there] = [quick, faulty].map((ops) => {
    const world = new World({ ...rest, nodes });
    world.bank.order(payments);
    for (const op of ops) world.step(op);
    world.drain(600);
    return sequences(world);
  });
  const must = mustOf(options.asked);
  for (const [stream, sequence] of here!) {
    const other = there!.get(stream);
    must(
      other?.join() === sequence.join(),
      "L13",
      () => `${stream} is ${sequence} on one store, and ${other} on another`,
    );
  }
}

/** What each receiver has applied of each sender, in order. */
function sequences(world: World): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [name, { history }] of world.laws.accounts.committed) {
    for (const { delivery } of history) {
      if (delivery === undefined) continue;
      const { id, amount } = delivery.entry!.body as Message;
      const stream = `${delivery.input.source}>${name}`;
      found.set(stream, [...(found.get(stream) ?? []), `${id}:${amount}`]);
      world.count("applied on either store");
    }
  }
  return found;
}

/** The violation that a plan leads to, if any; what is no violation is a fault of the test. */
export function violationOf(plan: readonly Op[], options: WorldOptions, way: Way = "alone"): Violation | undefined {
  try {
    take(way, plan, options);
    return undefined;
  } catch (error) {
    if (error instanceof Violation) return error;
    throw error;
  }
}
