// What a driver does for its core: asks the store, hands mail to actors, holds pins, and does nothing where it may not.
// Its own decisions are rules too, and the tests break them: not every law is in the core's hands.

import type { Command, Event } from "../../runtime/delivery/events.ts";
import type { ActorName, Frame, NodeName } from "../../runtime/delivery/protocol.ts";
import { fold, homeOf, initial, isDurable, type Message } from "./laws/message.ts";
import { actorIn, nodeName, type Process } from "./process.ts";
import type { Driver, DriverRules, Scene } from "./scene.ts";
import { showRecord } from "./shown.ts";
import { singly } from "./singly.ts";

export const driverRules: DriverRules = {
  isFree: (running) => running === undefined,
  endsEarly: () => false,
  draw: ({ name, state }) => (Math.imul(state.handled + 1, 0x9e3779b1) ^ name.charCodeAt(1)) >>> 8,
  isEnd: ({ isEnd }) => isEnd,
  nameOf: (run, index) => `${run}/${nodeName(index)}`,
  isOurs: (run, origin) => run === origin,
  clock: ({ skew }, now) => now + skew,
  heedsStop: () => true,
  mayCollect: (run, tensor) => tensor.startsWith(`${run}/`),
};

/** How far apart two clocks may be from the world's, and how long a lease lasts. */
export const skewMax = 2;
const leaseTicks = 12;

export function driver(scene: Scene): Driver {
  const { store, laws, rules } = scene;
  const nameOf = ({ index }: Process): string => rules.nameOf(scene.run, index);

  /** Whether the claim is still its own; by the clock that it read before it asked. */
  function renew(process: Process): boolean {
    process.shown = scene.now + process.skew;
    const until = process.shown + leaseTicks;
    if (!store.renew(nameOf(process), process.id, until)) return false;
    process.leaseUntil = until;
    return true;
  }

  function isHolder(process: Process): boolean {
    if (!process.ready || rules.clock(process, scene.now) < process.leaseUntil || renew(process)) return true;
    scene.count("lease found lapsed");
    scene.trace(`process ${process.id} of ${nodeName(process.index)} finds its lease gone and ends`);
    scene.bury(process);
    return false;
  }

  function claim(process: Process, epoch: number): Event {
    const name = nameOf(process);
    const before = store.standing(name);
    const isTooEarly = process.isPatient && process.skew + scene.now <= before.until + 2 * skewMax;
    const held = !isTooEarly && store.claim(name, epoch, process.id);
    if (held && process.isPatient && before.holder !== process.id) {
      scene.count("successor by lease");
      laws.presence.isOver(before.holder, `lease of ${name} went to process ${process.id}`);
    }
    if (held) renew(process);
    return { type: "claimed", held };
  }

  function append(process: Process, command: Extract<Command, { type: "commit" }>, isLate = false) {
    const { epoch, number, records } = command;
    const { meanings, generation } = process;
    const taken = (): void => {
      scene.trace(
        `journal of ${nodeName(process.index)} has commit ${epoch}.${number}: ${records.map(showRecord).join("; ")}`,
      );
      scene.mark(records);
      laws.appended(records, meanings);
    };
    return store.append(nameOf(process), generation, { epoch, number, records }, taken, isLate);
  }

  function commit(process: Process, command: Extract<Command, { type: "commit" }>, b: number): Event {
    const { number } = command;
    const unknown = (what: string): Event => {
      scene.count(`commit ${what}`);
      scene.trace(`store answers unknown to commit ${number} of process ${process.id}: ${what}`);
      return { type: "committed", number, outcome: "unknown" };
    };
    if (scene.full.has(process.index)) return unknown("refused, the store is full");
    if (b % 8 === 7 && b >= 32) {
      if (b >= 48) append(process, command, true);
      return unknown("unknown, not applied");
    }
    const outcome = append(process, command);
    if (outcome === "fenced") {
      scene.count("commit fenced");
      scene.trace(`store fences commit ${number} of process ${process.id}`);
    } else if (outcome === "known") scene.count("commit known");
    else if (b % 8 === 7) return unknown("unknown, applied");
    return { type: "committed", number, outcome: outcome === "fenced" ? "fenced" : "held" };
  }

  function read(process: Process, b: number): void {
    const { generation, readAfter } = process;
    const page = store.read(nameOf(process), generation, readAfter, b % 4 === 3 ? b % 16 >> 2 : Infinity);
    if (page === undefined) {
      scene.count("read of a journal that has changed");
      return scene.bury(process);
    }
    const records = page.commits.flatMap((one) => one.records);
    for (const record of records) scene.mustBeOurs(record, "reads a record");
    process.readAfter = page.commits.at(-1) ?? readAfter;
    const end = rules.isEnd(page);
    scene.count(page.isEnd ? "read to the end" : "read in part");
    if (!end) process.requests.unshift({ type: "read" });
    scene.tell(process, { type: "read", records, end });
  }

  function serve(process: Process, b: number): void {
    const request = process.requests.shift()!;
    if (request.type === "claim") return scene.tell(process, claim(process, request.epoch));
    if (request.type === "read") return read(process, b);
    if (request.type === "commit") return scene.tell(process, commit(process, request, b));
    const generation = store.open(nameOf(process), request.epoch);
    if (generation !== undefined) process.generation = generation;
    scene.tell(process, { type: "opened", fenced: generation === undefined });
  }

  function ready(process: Process): void {
    process.ready = true;
    scene.orphaned[process.index]!.clear();
    for (const name of scene.accounts.filter((one) => homeOf(one) === process.index)) {
      // The directory of names knows who has ended.
      actorIn(process, name, true).ended = laws.accounts.committed.get(name)!.ended;
      if (!process.core.actors.has(name)) laws.accounts.restored(name, []);
      scene.tell(process, { type: "spawned", actor: name, durable: true });
    }
    for (const name of [`c${process.index}`, `d${process.index}`]) {
      // Where nobody keeps in mind who has ended, an address is given once.
      const live = actorIn(process, name, false);
      live.ended = process.core.limits.endedActorsMax === 0 && laws.presence.hasEnded(name);
      if (live.ended) continue;
      scene.tell(process, { type: "spawned", actor: name, durable: false });
    }
    scene.trace(`process ${process.id} is ${nodeName(process.index)} under epoch ${process.core.epoch}`);
  }

  function deliver(process: Process, command: Extract<Command, { type: "deliver" }>): void {
    const { actor, input, entry } = command;
    const message = entry?.body as Message | undefined;
    process.actors.get(actor)!.mailbox.push(command);
    // An end that the store has lost, without having declared to keep it, is no end.
    laws.presence.delivered(process.id, actor, laws.order.rolledBack.has(actor) ? 0 : process.core.epoch);
    scene.trace(`${actor} gets ${message?.id ?? input.timer}`);
    if (input.timer !== "") return;
    const from = input.source[1]!;
    const newest = process.newest.get(from) ?? 0;
    laws.must(
      input.epoch >= newest,
      "L5",
      () => `${actor} gets ${message?.id} of epoch ${input.epoch} after one of ${newest}`,
    );
    process.newest.set(from, input.epoch);
  }

  function send({ index }: Process, node: NodeName, frame: Frame): void {
    scene.send({ from: index, to: homeOf(node), frame, run: scene.run });
    if (frame.type === "fenced") scene.count("told that it is fenced");
    if (frame.type !== "ack") return;
    if (frame.through > 0) scene.count("acknowledged");
    if (frame.state !== "ended") return;
    scene.count("end told");
    if (isDurable(frame.destination)) laws.presence.toldOfEnd(frame.destination, frame.epoch);
  }

  function suspension(source: ActorName, destination: ActorName, isSuspended: boolean): void {
    scene.count(isSuspended ? "suspended" : "resumed");
    if (isSuspended) scene.trace(`${source}>${destination} is suspended`);
    laws.suspended(source, destination, isSuspended);
  }

  function obey(process: Process, command: Command): void {
    switch (command.type) {
      case "claim":
      case "open":
      case "read":
      case "commit":
        process.requests.push(command);
        return;
      case "restore":
        scene.count("restored");
        laws.accounts.restored(command.actor, command.changes);
        actorIn(process, command.actor, true).state = command.changes.reduce(fold, initial);
        for (const { id } of command.timers) process.timers.set(id, command.actor);
        return;
      case "ready":
        return ready(process);
      case "send":
        return send(process, command.node, command.frame);
      case "deliver":
        return deliver(process, command);
      case "deliverAll":
      case "left":
      case "answered":
        return singly(command).forEach((one) => obey(process, one));
      case "trim":
        scene.count("journal trimmed");
        return store.trim(nameOf(process), command);
      case "reload": {
        const live = process.actors.get(command.actor);
        if (live === undefined) return;
        live.state = laws.accounts.committed.get(command.actor)!.state;
        live.loading = false;
        scene.count("actor reloaded");
        return;
      }
      case "snapshot":
        scene.count("snapshot forced");
        process.actors.get(command.actor)!.owesSnapshot = true;
        return;
      case "schedule":
        process.timers.set(command.timer.id, command.actor);
        return;
      case "settle":
        return scene.bank.settle(process, command);
      case "gap": {
        const { source, destination, through } = command;
        scene.count("gap told");
        scene.trace(`${source} is told of a gap to ${destination} through ${through}`);
        laws.losses.told(source, destination);
        return laws.order.gap(source, destination, process.core.epoch, through);
      }
      case "suspended":
        return suspension(command.source, command.destination, true);
      case "resumed":
        return suspension(command.source, command.destination, false);
      case "pin":
        process.pins.set(command.holder, command.pins);
        return;
      case "unpin":
        process.pins.delete(command.holder);
        return;
      case "stop":
        scene.count("zombie ends itself");
        scene.trace(`process ${process.id} of ${nodeName(process.index)} is fenced and ends`);
        process.requests.length = 0;
        laws.presence.isOver(process.id, "it was fenced and stopped");
        if (rules.heedsStop()) scene.bury(process);
    }
  }

  return {
    obey,
    serve,
    isHolder,
    renew,
    leaveBehind(process) {
      const commit = process.requests.find(({ type }) => type === "commit");
      if (commit?.type === "commit" && process.id % 2 === 0) append(process, commit);
    },
  };
}
