// The other processes of a run, seen from the one that leads it: starts them, lets them join, sees that they live, and
// puts a successor into the place of one that does not.

import { ShoalError } from "../../stores/error.ts";
import type { Member } from "../nodes/registry.ts";
import type { Room } from "../nodes/accounts.ts";
import { type Change, strangeness, takers } from "../nodes/registry.ts";
import type { Recipe } from "../nodes/recipe.ts";
import type { Services } from "../nodes/steward.ts";
import type { RunRecord } from "../run/records.ts";
import type { StopOptions } from "../system.ts";
import { alarms } from "./alarms.ts";
import { type Allotment, roomsOf } from "./allotment.ts";
import { type Crew, hostOf, shownTo } from "./crews.ts";
import { type Common, form } from "./joining.ts";
import { lodging } from "./lodging.ts";
import { graceMs } from "./patience.ts";
import { recipeBook } from "./recipes.ts";
import { type Asking, drainSlot, emptySlot, endSlot, type Slot } from "./slot.ts";
import { endOf, ofGroup, type Start, startWorker } from "./start.ts";
import { realWorld } from "./world.ts";

export interface ProcessesOptions {
  readonly common: Common;
  readonly crews: readonly Crew[];
  readonly version: string;
  /** Where sockets are made. */
  readonly folder: string;
  readonly asking: Asking;
  /** The process that leads, as it is now. */
  leader(): Member;
  /** The nodes of this process are told. */
  changed(change: Change): void;
  watch(node: string): void;
  /** Whether the store in which they meet answers. */
  answers(): Promise<boolean>;
  /** A node is about to come, on this host. */
  expect(node: string, host: string): void;
  /** A process is taken for dead. */
  forget(member: Member): void;
  /** The process that leads takes in a node whose process was given up. */
  adopt(node: string, again: readonly Recipe[]): void;
  readonly allotment: Allotment;
  /** A call to an actor in one of its own threads was given up. */
  givenUpHere(node: string): void;
  record(record: RunRecord): void;
  /** A failure went up beyond all who could judge it. */
  failed(error: ShoalError): void;
  say(text: string): void;
}

export interface Processes {
  /** Settles when all have joined; rejects with why one did not. */
  readonly joined: Promise<void>;
  /** The nodes that take actors for a kind of task. */
  nodes(task: string | undefined): Promise<readonly string[]>;
  members(): readonly Member[];
  /** What they have for actors. */
  rooms(): readonly Room[];
  has(node: string): boolean;
  /** A call to an actor there was given up: where its handler still computes, its process is ended, or its thread. */
  givenUp(node: string): void;
  /** What workers ask of the one that leads. */
  readonly services: Services;
  /** A node shows no sign of life. */
  lapsed(node: string): void;
  /** Tells the others of a change in the process that leads. */
  tell(change: Change): void;
  drain(stopping: StopOptions): Promise<void>;
  close(stopping: StopOptions): Promise<void>;
}

/** How often in a row a successor must fail to join, at least, before its node is given up. */
const failuresMin = 3;
/** The wait before another one is tried; it doubles. */
const [retryMs, retryMsMax] = [250, 10_000];

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function processes(options: ProcessesOptions): Processes {
  const { common, asking } = options;
  const { leaseMs, joinTimeoutMs, replaceTimeoutMs, stopTimeoutMs } = common.limits;
  const ending = { asking, stopTimeoutMs, changed: options.changed };
  const recipes = recipeBook(common.supervision, options.failed);
  const slots = new Map<string, Slot>();
  const { allotment } = options;
  const lodgings = lodging({ ...options, ...allotment, slots, recipes, tell });
  const { after, clear } = alarms();
  let isClosing = false;

  async function start(slot: Slot): Promise<void> {
    const { number, node, crew } = slot;
    const host = hostOf(crew, number, slot.failures);
    slot.isIn = false;
    options.expect(node, host);
    let made: Start;
    try {
      const { version, folder } = options;
      const { threads, name, takes } = crew;
      const group = takes === undefined ? undefined : { name, takes };
      const leader = options.leader();
      const kept = { again: recipes.of(node), guests: [...slot.guests], isFirst: slot.starts++ === 0 };
      const told = { ...common, ...kept, version, form, node, threads, folder, group, leader };
      made = startWorker({ crew, shown: shownTo(crew, number), number, host, told, joinTimeoutMs });
    } catch (error) {
      const text = `Cannot start node ${node}${ofGroup(crew.name)}: ${textOf(error)}`;
      throw new ShoalError("Unavailable", text, { cause: error });
    }
    slot.start = made;
    void made.process.ended.then((end) => {
      const why = `process ${made.process.pid}`;
      if (isClosing) return;
      if (slot.start !== made) options.say(`${why}, which was node ${node}, ${endOf(end)}`);
      else if (slot.isIn) dead(slot, `${why} ${endOf(end)}`);
    });
    try {
      await made.joined;
    } catch (error) {
      if (slot.start === made) slot.start = undefined;
      throw error;
    }
  }

  function lapsed(node: string): void {
    const slot = slots.get(node);
    if (slot?.isIn !== true || isClosing) return;
    // It may come back, and is told then that it is not the node any more.
    dead(slot, `process ${slot.member?.pid} shows no sign of life for ${leaseMs} ms`);
  }

  /** Somebody must be the node: what is under way to it is settled by whoever is it next. */
  function dead(slot: Slot, why: string): void {
    const { node } = slot;
    slot.isIn = false;
    slot.start = undefined;
    if (slot.member !== undefined) options.forget(slot.member);
    const error = new ShoalError("Lost", `Node ${node} is lost: ${why}`, { outcome: "unknown" });
    options.say(`${error.message}; another process${ofGroup(slot.crew.name)} takes its place`);
    options.record({ at: realWorld.date(), type: "NodeLost", node, epoch: slot.member?.epoch ?? 0, why });
    recipes.lost(node, error);
    allotment.lost(slot.member?.places.map((place) => place.node) ?? [], recipes.of(node));
    replace(slot);
  }

  function replace(slot: Slot): void {
    if (isClosing) return;
    start(slot).then(() => {
      slot.failures = 0;
    }, async (error: ShoalError) => {
      const at = realWorld.now();
      slot.failures += 1;
      if (slot.failures === 1) slot.failingSince = at;
      options.say(error.message);
      // While the store is away nobody can join, and that says nothing of the node.
      if (!await options.answers()) slot.failingSince = realWorld.now();
      if (isClosing) return;
      if (slot.failures < failuresMin || at - slot.failingSince < replaceTimeoutMs) {
        return void after(Math.min(retryMs * 2 ** slot.failures, retryMsMax), () => replace(slot));
      }
      const given = `node ${slot.node}${ofGroup(slot.crew.name)} is given up`;
      options.say(`${given}: ${slot.failures} processes in a row did not join`);
      slots.delete(slot.node);
      lodgings.giveUp(slot);
    });
  }

  /** All nodes are told, and those of this process first. */
  function tell(change: Change): void {
    options.changed(change);
    pass(change);
  }

  /** The nodes of the other processes are told. */
  function pass(change: Change): void {
    for (const { node, isIn } of slots.values()) {
      if (isIn && node !== change.member.node) asking.note(node, "changed", change);
    }
  }

  /** Of a process that has never been there no more is known than its node. */
  const awaited = (node: string, like: Member): Member => ({ ...like, node, ticket: "", places: [{ node, path: "" }] });

  /** A worker asks to be let in. */
  function join_(member: Member): readonly Member[] {
    const slot = slots.get(member.node);
    const { version } = options;
    const { ticket = "", askedAt = 0 } = slot?.start ?? {};
    const expected = { version, ticket, askedAt, heardAt: realWorld.date() };
    const strange = isClosing
      ? new ShoalError("ShuttingDown", `Cannot let ${member.node} join: the system is closing`)
      : strangeness(member, expected);
    if (slot === undefined || strange !== undefined) {
      const error = strange ?? new ShoalError("Conflict", `Cannot let ${member.node} join: nobody has asked for it`);
      if (member.ticket === ticket) slot?.start?.settle(error);
      throw error;
    }
    const lost = slot.member?.places.map((place) => place.node) ?? [];
    slot.member = member;
    slot.isIn = true;
    options.watch(member.node);
    const { node, epoch, pid, machine } = member;
    const group = slot.crew.name === undefined ? {} : { group: slot.crew.name };
    options.record({ at: realWorld.date(), type: "NodeJoined", node, epoch, pid, machine, ...group });
    // It knows all others before they send it anything; what is sent to those that are still to come waits.
    const others = [...lodgings.departed.values(), options.leader()];
    for (const one of slots.values()) if (one !== slot) others.push(one.member ?? awaited(one.node, member));
    tell({ type: "here", member, lost });
    slot.start?.settle();
    return others;
  }

  /** The process that a node belongs to. */
  function slotOf(node: string): Slot | undefined {
    const slot = slots.get(node);
    if (slot !== undefined) return slot;
    for (const one of slots.values()) if (one.member?.places.some((place) => place.node === node) === true) return one;
    return undefined;
  }

  function givenUp(of: string): void {
    const slot = slotOf(of);
    const { start: its, node } = slot ?? {};
    if (slot?.isIn !== true || its === undefined || isClosing) return;
    if (of !== node) return asking.note(slot.node, "givenUp", { node: of });
    const over = after(graceMs, () => {
      if (isClosing || slot.start !== its) return;
      options.say(
        `node ${of} computes on after a call to it was given up: its process is ended, and its actors with it`,
      );
      its.process.signal("SIGKILL");
    });
    // Is answered as soon as no handler computes.
    asking.reached(of).then(over, over);
  }

  const services: Services = {
    join: join_,
    records(records: readonly RunRecord[]) {
      for (const record of records) options.record(record);
    },
    moved({ member, lost }: Pick<Change, "member" | "lost">) {
      const slot = slots.get(member.node);
      if (slot?.isIn !== true || slot.start?.ticket !== member.ticket) return;
      slot.member = member;
      allotment.lost(lost, recipes.of(member.node));
      tell({ type: "here", member, lost });
    },
    givenUp: ({ node }: { node: string }) => slotOf(node) === undefined ? options.givenUpHere(node) : givenUp(node),
    recipe: ({ node, recipe }: { node: string; recipe: Recipe }) => recipes.spawned(node, recipe),
    over: ({ node, id }: { node: string; id: string }) => recipes.ended(node, id),
    failed: ({ code, message }: { code: ShoalError["code"]; message: string }) =>
      options.failed(new ShoalError(code, message)),
  };

  const places = options.crews.flatMap((crew) =>
    Array.from({ length: crew.count - crew.first }, (_, index) => ({ crew, number: crew.first + index }))
  );
  const first = places.map(({ crew, number }, index): Promise<void> => {
    const slot = emptySlot(`n${index + 2}`, crew, number);
    slots.set(slot.node, slot);
    return start(slot);
  });
  const joined = Promise.all(first).then(() => {});
  joined.catch(() => {});

  return {
    joined,
    services,
    lapsed,
    givenUp,
    tell: pass,
    async nodes(task) {
      await joined;
      return [...slots.values()].flatMap(({ member }) => member === undefined ? [] : takers(member, task));
    },
    members() {
      const there = [...slots.values()].flatMap(({ member }) => member === undefined ? [] : [member]);
      return [...lodgings.departed.values(), ...there];
    },
    rooms: () => roomsOf(slots.values()),
    has: (node) => slotOf(node) !== undefined || lodgings.has(node),
    async drain(stopping) {
      isClosing = true;
      await Promise.all([...slots.values()].map((slot) => drainSlot(slot, ending, stopping)));
    },
    async close(stopping) {
      isClosing = true;
      clear();
      await Promise.all([...slots.values()].map((slot) => endSlot(slot, ending, stopping)));
      // Those that were taken for dead are not to come back when nobody is there any more.
      await Promise.all([...new Set(options.crews.map(({ launcher }) => launcher))].map((one) => one.close(0)));
    },
  };
}
