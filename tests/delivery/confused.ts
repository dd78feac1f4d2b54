// Mutants beyond the core's rules: drivers that let handlers overlap, trust a stale clock or forget whose things are
// whose; stores that keep what they should not, or not what they should; and cores that remember more than their state.

import type { Command, Event } from "../../runtime/delivery/events.ts";
import { advance, type Node } from "../../runtime/delivery/node.ts";
import { rules } from "../../runtime/delivery/rules.ts";
import type { Mutant } from "./mutant.ts";
import { nodeName } from "./process.ts";

/** A core that hears something else than it is told. */
const hearing = (change: (event: Event, node: Node) => Event | undefined) => (): typeof advance => (node, events) =>
  advance(node, events.flatMap((event) => change(event, node) ?? []));

/** A core that says something else. */
const saying = (change: (command: Command) => Command) => (): typeof advance => (node, events) =>
  advance(node, events).map(change);

/** Counts what no core should know of: what happened to others, or before. */
function hidden(): () => number {
  let count = 0;
  return () => count += 1;
}

/** After so many refusals in a row a commit is taken for done. */
function patience(refusalsMax: number): typeof advance {
  const refused = new WeakMap<Node, number>();
  return hearing((event, node) => {
    if (event.type !== "committed") return event;
    const count = event.outcome === "unknown" ? (refused.get(node) ?? 0) + 1 : 0;
    refused.set(node, count);
    return count < refusalsMax ? event : { ...event, outcome: "held" };
  })();
}

const lives = hidden();
const draws = hidden();

// Those for L13, L15 and leases break the driver of this world, not that of runtime/nodes, which leaves nobody such a
// choice: it has no lease of its own, and its journals and packets carry their run. tests/simulator asks them of it.
export const confused: readonly Mutant[] = [
  {
    name: "an actor that waits for an answer takes its next message",
    laws: ["L11"],
    driver: { isFree: (running) => running === undefined || running.phase === "asking" },
  },
  { name: "a generator lets go of its actor when it first yields", laws: ["L11"], driver: { endsEarly: () => true } },
  { name: "a lease is read from a stale clock", laws: ["L5"], driver: { clock: ({ shown }) => shown } },
  {
    name: "the first part of a journal is taken for all of it",
    laws: ["L12", "L1", "L2"],
    driver: { isEnd: () => true },
  },
  { name: "a process that is fenced goes on", laws: ["L16"], driver: { heedsStop: () => false } },
  {
    name: "an actor that has ended gets messages",
    laws: ["L16"],
    core: hearing((event) => event.type === "ended" ? undefined : event),
  },
  {
    name: "the end of a durable actor is not committed",
    laws: ["L16"],
    core: saying((command) =>
      command.type !== "commit"
        ? command
        : { ...command, records: command.records.map(({ ended: _ended, ...record }) => record) }
    ),
  },
  {
    name: "the end of a durable actor is told before it is committed",
    laws: ["L16"],
    core: () => (node, events) => {
      const commands = [...advance(node, events)];
      for (const actor of node.actors.values()) actor.ended ||= actor.ending;
      return commands;
    },
  },
  { name: "a journal takes what an older epoch appends", laws: ["L16"], store: { isFenced: () => false } },
  {
    name: "a journal knows a repeat only by what it still holds",
    laws: ["L16"],
    limits: { replayMessagesMax: 2 },
    store: {
      isKnown: (number, { epoch, commits }) => commits.some((one) => one.epoch === epoch && one.number === number),
    },
  },
  { name: "a late write brings a released tensor back", laws: ["L16"], store: { mayWrite: () => true } },
  {
    name: "a store loses what it declares to keep",
    laws: ["L2", "L12"],
    store: { lossMax: () => 3 },
  },
  {
    name: "a commit that the store refuses eight times is taken for done",
    laws: ["L2", "L4", "L12", "L1"],
    core: () => patience(8),
    length: 400,
  },
  {
    name: "all actors of a process draw from one source of chance",
    laws: ["L13"],
    driver: { draw: draws },
    way: "elsewhere",
  },
  {
    name: "the lives of actors are counted beside the state",
    laws: ["L14"],
    broken: { nextLife: (life) => rules.nextLife(life) + lives() % 2 },
    way: "again",
  },
  { name: "frames of another run are taken", laws: ["L15"], driver: { isOurs: () => true }, way: "beside" },
  {
    name: "two runs call their journals the same",
    laws: ["L15"],
    driver: { nameOf: (_run, index) => nodeName(index) },
    way: "beside",
  },
  {
    name: "a sweep takes what another run owns",
    laws: ["L15"],
    driver: { mayCollect: () => true },
    way: "beside",
  },
];
