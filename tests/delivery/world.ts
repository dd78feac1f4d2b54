// A cluster in one thread and no time: nodes, their processes (and the zombies among them), a store with logs and
// claims, links that lose, repeat and reorder. A plan says what happens next; after each step the laws are asked.

import type { Command, DeliveryLimits, Event } from "../../runtime/delivery/events.ts";
import { advance, deliveryNode } from "../../runtime/delivery/node.ts";
import type { ActorName } from "../../runtime/delivery/protocol.ts";
import type { Rules } from "../../runtime/delivery/state.ts";
import { type Bank, bank } from "./bank.ts";
import { fold, initial, type Laws, laws, type Message, Violation } from "./laws.ts";
import type { Op } from "./plan.ts";
import { actorIn, canRun, type Live, newProcess, nodeName, type Process, type Request } from "./process.ts";
import { sayOdd } from "./odd.ts";
import { type Flight, showFlight } from "./shown.ts";
import { simulatedStore, type Store } from "./store.ts";

export interface WorldOptions {
  readonly nodes: number;
  readonly rules: Rules;
  readonly limits?: Partial<DeliveryLimits>;
  /** A node that never comes back once faults stop. */
  readonly gone?: number;
  /** Told each thing that happens, for the table of a failing schedule. */
  readonly trace?: (line: string) => void;
  /** Told each operation before it is done; none when faults stop. */
  readonly onStep?: (op: Op | undefined) => void;
  /** The core, or something in its place. */
  readonly advance?: typeof advance;
  /** How often each thing happened. */
  readonly counts?: Map<string, number>;
}

const smallLimits: DeliveryLimits = {
  mailboxMessagesMax: 3,
  mailboxBytesMax: 60,
  outboxMessagesMax: 8,
  outboxBytesMax: 120,
  messageBytesMax: 40,
  frameMessagesMax: 3,
  firstMessagesMax: 2,
  callsMax: 3,
  answersMax: 12,
  resendTicksMax: 4,
  suspendProbesMax: 3,
  commitRecordsMax: 3,
  replayMessagesMax: 4,
  replayBytesMax: 100,
};

export class World {
  readonly processes: (Process | undefined)[] = [];
  readonly zombies: Process[] = [];
  readonly flights: Flight[] = [];
  readonly laws: Laws;
  readonly #options: WorldOptions;
  readonly #store: Store;
  readonly #bank: Bank;
  readonly #cut = new Set<number>();
  readonly tensors: Set<string> = new Set();
  /** Pins of processes that died, until their successor runs. */
  readonly #orphaned: Map<string, readonly string[]>[] = [];
  readonly accounts: ActorName[] = [];
  readonly nodes: number;
  readonly gone: number | undefined;
  isDraining: boolean = false;
  #processIds = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.nodes = options.nodes;
    this.gone = options.gone;
    for (let index = 0; index < options.nodes; index++) {
      this.#orphaned.push(new Map());
      this.accounts.push(`a${index}`);
      if (index === 0) this.accounts.push("b0");
    }
    // A node that has asked for a snapshot lets nothing more in, but what is in the mailbox, or comes as no message, ends.
    this.laws = laws(this.accounts, smallLimits.replayMessagesMax + smallLimits.mailboxMessagesMax);
    this.#store = simulatedStore(options.nodes, this);
    this.#bank = bank(this);
    for (let index = 0; index < options.nodes; index++) {
      this.#start(index);
      while (this.processes[index]!.requests.length > 0) {
        this.tell(this.processes[index]!, this.#store.serve(this.processes[index]!, 0));
      }
    }
  }

  count(what: string): void {
    const { counts } = this.#options;
    if (counts !== undefined) counts.set(what, (counts.get(what) ?? 0) + 1);
  }

  trace(line: string): void {
    this.#options.trace?.(line);
  }

  /** One operation; then every law that can be asked at any time. */
  step([kind, a, b]: Op): void {
    switch (kind) {
      case "send":
        {
          const process = this.#pick(a, ({ ready }) => ready);
          if (process !== undefined) this.#bank.send(process, a, b);
        }
        break;
      case "deliver":
        this.#arrive(b % 8 === 0 ? a : 0, false, b % 4 === 3 ? 4 : 1);
        break;
      case "repeat":
        this.#arrive(a, true);
        break;
      case "drop":
        if (this.flights.length > 0) {
          const [flight] = this.flights.splice(a % this.flights.length, 1);
          this.count("drop");
          this.trace(`link loses ${showFlight(flight!)}`);
        }
        break;
      case "run":
        this.#run(a, b);
        break;
      case "store": {
        const process = this.#pick(a, ({ requests }) => requests.length > 0);
        if (process !== undefined) this.#serve(process, b);
        break;
      }
      case "tick": {
        const process = this.#pick(a, () => true);
        if (process !== undefined) this.tell(process, { type: "tick" });
        break;
      }
      case "cut": {
        const way = a % (this.nodes ** 2);
        if (this.#cut.delete(way)) this.trace(`way ${way} heals`);
        else {
          this.#cut.add(way);
          this.count("cut one way");
          this.trace(`way ${way} is cut`);
        }
        break;
      }
      case "kill":
        this.#kill(a % this.nodes);
        break;
      case "restart":
        this.#restart(a % this.nodes);
        break;
      case "zombie":
        this.#haunt(a % this.nodes);
        break;
      case "crash":
        this.#crash(a, b);
        break;
      case "expire":
        this.#expire(a, b);
        break;
      case "lose":
        if (this.flights.length > 1) {
          const { from, to } = this.flights[a % this.flights.length]!;
          const kept = this.flights.filter((flight) => flight.from !== from || flight.to !== to);
          this.flights.splice(0, this.flights.length, ...kept);
          this.count("store loses a mail log");
          this.trace(`store loses the mail log ${from}>${to}`);
        }
        break;
      case "link": {
        const process = this.#pick(a, ({ ready }) => ready);
        if (process !== undefined) this.tell(process, { type: "linked", node: nodeName(b % this.nodes) });
        break;
      }
      case "collect":
        this.#collect();
        break;
      case "fire":
        this.#fire(a, b);
        break;
      case "end": {
        const process = this.#pick(a, ({ ready }) => ready);
        const live = process?.actors.get(`c${process.index}`);
        if (process === undefined || live === undefined || b % 2 === 0) break;
        this.count("actor ended");
        this.trace(`${live.name} ends for good`);
        live.mailbox = [];
        live.running = undefined;
        this.tell(process, { type: "ended", actor: live.name });
        break;
      }
      case "odd": {
        if (a % 16 === 15) return this.#haunt(b % this.nodes, true);
        const process = this.#pick(b, ({ ready }) => ready);
        const tell = this.tell.bind(this);
        if (process !== undefined) sayOdd({ flights: this.flights, bank: this.#bank, tell }, process, a, b);
        break;
      }
      case "peer": {
        const process = this.#pick(a, ({ ready }) => ready);
        if (process === undefined) break;
        const index = b % this.nodes;
        this.tell(process, { type: "peer", node: nodeName(index), epoch: this.#store.standing(index) });
        break;
      }
    }
    this.#watch();
  }

  /** Faults stop: every node has one process that runs, links carry, the store answers. Then everything must end. */
  drain(roundsMax: number): void {
    const gone = this.gone ?? -1;
    this.trace(gone < 0 ? "faults stop" : `faults stop, and ${nodeName(gone)} is gone for good`);
    this.#cut.clear();
    if (gone >= 0) {
      this.#kill(gone);
      for (const zombie of this.zombies) if (zombie.index === gone && zombie.alive) this.#bury(zombie);
    }
    this.isDraining = true;
    for (let round = 0; round < roundsMax; round++) {
      for (let index = 0; index < this.nodes; index++) {
        if (index !== gone && this.processes[index] === undefined) this.#start(index);
      }
      for (const process of [...this.processes, ...this.zombies]) {
        while (process !== undefined && process.alive && process.requests.length > 0) {
          this.tell(process, this.#store.serve(process, 0));
        }
      }
      for (let count = this.flights.length; count > 0; count--) this.#arrive(0, false);
      for (const process of this.processes) {
        if (process === undefined) continue;
        for (const live of process.actors.values()) this.#bank.runActor(process, live, 0);
        for (const timer of process.timers.keys()) this.#fireTimer(process, timer);
      }
      this.#collect();
      if (this.#isQuiet()) break;
      for (const process of this.processes) if (process?.alive) this.tell(process, { type: "tick" });
      this.#watch();
    }
    this.#watch();
    this.#judge();
  }

  #isQuiet(): boolean {
    const gone = this.gone ?? -1;
    return this.flights.length === 0 &&
      this.processes.every((process, index) =>
        index === gone || process !== undefined && process.ready && process.requests.length === 0 &&
          [...process.core.active].every((out) => out.suspended && Number(out.node.slice(1)) === gone) &&
          [...process.actors.values()].every(({ mailbox, running, loading }) =>
            mailbox.length === 0 && running === undefined && !loading
          )
      );
  }

  #judge(): void {
    const gone = this.gone ?? -1;
    const isGone = (actor: ActorName): boolean => Number(actor[1]) === gone;
    for (const [index, process] of this.processes.entries()) {
      if (index === gone) continue;
      if (process === undefined || !process.ready) throw new Violation("L3", "a node never comes back");
      this.laws.openCalls(process.tokens.keys());
      for (const live of process.actors.values()) {
        if (live.running !== undefined || live.mailbox.length > 0) {
          throw new Violation("L3", `${live.name} stands still`);
        }
      }
      for (const actor of process.core.actors.values()) {
        for (const { acked, last, destination, calls } of actor.outbounds.values()) {
          const isReported = isGone(destination) && calls.length === 0 &&
            this.laws.isSuspended(actor.name, destination);
          if ((acked !== last || calls.length > 0) && !isReported) {
            throw new Violation(
              "L3",
              `${actor.name}>${destination} stands at ${acked} of ${last}, ${calls.length} calls open`,
            );
          }
        }
      }
    }
    this.laws.end(isGone);
  }

  #watch(): void {
    for (const process of this.processes) if (process?.alive) this.laws.watch(process.core);
    for (const { alive, core } of this.zombies) if (alive) this.laws.watch(core);
  }

  #pick(a: number, suits: (process: Process) => boolean): Process | undefined {
    const able = [...this.processes, ...this.zombies].filter((process): process is Process =>
      process !== undefined && process.alive && suits(process)
    );
    return able[a % Math.max(1, able.length)];
  }

  // Processes and their store.

  #start(index: number): void {
    const core = deliveryNode(nodeName(index), { ...smallLimits, ...this.#options.limits }, this.#options.rules);
    const process = newProcess(this.#processIds += 1, index, core);
    this.processes[index] = process;
    this.trace(`${nodeName(index)} starts as process ${process.id}`);
    this.tell(process, { type: "started", standing: this.#store.standing(index) });
  }

  #kill(index: number): void {
    const process = this.processes[index];
    if (process === undefined) return;
    const inHandler = [...process.actors.values()].some(({ running }) => running !== undefined);
    this.count(inHandler ? "kill inside a handler" : "kill between steps");
    if (!process.ready) this.count("kill during a takeover");
    if (process.requests.some(({ type }) => type === "commit")) this.count("kill during a commit");
    this.trace(`process ${process.id} of ${nodeName(index)} is killed${inHandler ? " inside a handler" : ""}`);
    this.#bury(process);
  }

  #bury(process: Process): void {
    process.alive = false;
    for (const [holder, pins] of process.pins) this.#orphaned[process.index]!.set(`${process.id}/${holder}`, pins);
    // What the process had asked of the store may still happen.
    const commit = process.requests.find(({ type }) => type === "commit");
    if (commit !== undefined && process.id % 2 === 0) {
      this.#store.append(process, commit as Extract<Request, { type: "commit" }>);
    }
    if (this.processes[process.index] === process) this.processes[process.index] = undefined;
  }

  #restart(index: number): void {
    if (this.processes[index] !== undefined) return;
    this.count("restart");
    this.#start(index);
  }

  /** The lease lapsed, and the process that held it lives: its successor starts beside it. */
  #haunt(index: number, early = false): void {
    const process = this.processes[index];
    if (process === undefined || (!process.ready && !early) || this.zombies.length >= 2) return;
    process.isZombie = true;
    this.zombies.push(process);
    this.count("zombie");
    this.trace(`process ${process.id} of ${nodeName(index)} becomes a zombie`);
    this.#start(index);
  }

  /** A journal is read at once or in two parts. */
  #serve(process: Process, b: number): void {
    const event = this.#store.serve(process, b);
    if (event.type !== "read" || b % 2 === 0) return this.tell(process, event);
    const half = event.records.length >> 1;
    const parts = [event.records.slice(0, half), event.records.slice(half)];
    this.tell(process, ...parts.map((records, part): Event => ({ type: "read", records, end: part === 1 })));
  }

  tell(process: Process, ...events: Event[]): void {
    const commands = (this.#options.advance ?? advance)(process.core, events);
    for (const command of commands) this.#obey(process, command);
  }

  #obey(process: Process, command: Command): void {
    switch (command.type) {
      case "claim":
      case "open":
      case "read":
      case "commit":
        process.requests.push(command);
        return;
      case "restore": {
        this.count("restored");
        this.laws.restored(command.actor, command.changes);
        actorIn(process, command.actor, true).state = command.changes.reduce(fold, initial);
        for (const { id } of command.timers) process.timers.set(id, command.actor);
        return;
      }
      case "ready":
        return this.#ready(process);
      case "send": {
        const to = Number(command.node.slice(1));
        this.flights.push({ from: process.index, to, frame: command.frame });
        if (command.frame.type === "fenced") this.count("told that it is fenced");
        return;
      }
      case "deliver": {
        const live = process.actors.get(command.actor)!;
        live.mailbox.push(command);
        const message = command.entry?.body as Message | undefined;
        const { source, epoch, timer } = command.input;
        const newest = process.newest.get(source[1]!) ?? 0;
        if (timer === "" && epoch < newest) {
          throw new Violation("L5", `${command.actor} gets ${message?.id} of epoch ${epoch} after one of ${newest}`);
        }
        if (timer === "") process.newest.set(source[1]!, epoch);
        this.trace(`${command.actor} gets ${message?.id ?? command.input.timer}`);
        return;
      }
      case "trim":
        return this.#store.trim(process.index, command);
      case "reload": {
        const live = process.actors.get(command.actor);
        if (live === undefined) return;
        live.state = this.laws.accounts.get(command.actor)!.state;
        live.loading = false;
        this.count("actor reloaded");
        return;
      }
      case "snapshot": {
        this.count("snapshot forced");
        process.actors.get(command.actor)!.owesSnapshot = true;
        return;
      }
      case "schedule":
        process.timers.set(command.timer.id, command.actor);
        return;
      case "settle":
        return this.#bank.settle(process, command);
      case "gap":
        this.count("gap told");
        this.trace(`${command.source} is told of a gap to ${command.destination} through ${command.through}`);
        this.laws.gap(command.source, command.destination, process.core.epoch, command.through);
        return;
      case "suspended":
        this.count("suspended");
        this.laws.suspended(command.source, command.destination, true);
        this.trace(`${command.source}>${command.destination} is suspended`);
        return;
      case "resumed":
        this.count("resumed");
        this.laws.suspended(command.source, command.destination, false);
        return;
      case "pin":
        process.pins.set(command.holder, command.pins);
        return;
      case "unpin":
        process.pins.delete(command.holder);
        return;
      case "stop":
        this.count("zombie ends itself");
        this.trace(`process ${process.id} of ${nodeName(process.index)} is fenced and ends`);
        process.requests.length = 0;
        this.#bury(process);
    }
  }

  #ready(process: Process): void {
    process.ready = true;
    this.#orphaned[process.index]!.clear();
    const names = this.accounts.filter((name) => Number(name[1]) === process.index);
    for (const name of names) {
      actorIn(process, name, true);
      if (!process.core.actors.has(name)) this.laws.restored(name, []);
      this.tell(process, { type: "spawned", actor: name, durable: true });
    }
    for (const name of [`c${process.index}`, `d${process.index}`]) {
      actorIn(process, name, false);
      this.tell(process, { type: "spawned", actor: name, durable: false });
    }
    this.trace(`process ${process.id} is ${nodeName(process.index)} under epoch ${process.core.epoch}`);
  }

  // Links.

  /** One frame arrives, or a burst: those that follow it to the same node, which its driver hands over at once. */
  #arrive(a: number, keep: boolean, burstMax = 1): void {
    if (this.flights.length === 0) return;
    const index = a % this.flights.length;
    const first = this.flights[index]!;
    if (index > 0) this.count("reorder");
    if (keep) this.count("repeat");
    const { from, to } = first;
    if (this.#cut.has(from * this.nodes + to)) {
      if (!keep) this.flights.push(...this.flights.splice(index, 1));
      this.count("delay");
      return;
    }
    let length = 1;
    for (let next = this.flights[index + 1]; length < burstMax; next = this.flights[index + length]) {
      if (next === undefined || next.to !== to || this.#cut.has(next.from * this.nodes + to)) break;
      length += 1;
    }
    if (length > 1) this.count("burst");
    const burst = keep ? [first] : this.flights.splice(index, length);
    for (const flight of burst) this.trace(`${keep ? "again " : ""}${showFlight(flight)}`);
    const readers = [this.processes[to], ...this.zombies.filter((zombie) => zombie.index === to && zombie.alive)];
    for (const process of readers) {
      if (process?.alive === true) this.tell(process, ...burst.map(({ frame }): Event => ({ type: "frame", frame })));
    }
  }

  #run(a: number, b: number): void {
    const able: [Process, Live][] = [];
    for (const process of [...this.processes, ...this.zombies]) {
      if (process === undefined || !process.alive) continue;
      for (const live of process.actors.values()) if (canRun(live)) able.push([process, live]);
    }
    const chosen = able[a % Math.max(1, able.length)];
    if (chosen !== undefined) this.#bank.runActor(chosen[0], chosen[1], b);
  }

  #crash(a: number, b: number): void {
    const process = this.#pick(a, ({ ready }) => ready);
    if (process === undefined) return;
    const lives = [...process.actors.values()];
    const live = lives[b % lives.length]!;
    if (live.name[0] === "d" || live.loading) return;
    this.count(live.running === undefined ? "actor crash between handlers" : "actor crash inside a handler");
    this.#bank.crashActor(process, live);
  }

  #expire(a: number, b: number): void {
    const process = this.#pick(a, ({ tokens, ready }) => ready && tokens.size > 0);
    if (process === undefined) return;
    const waiting = [...process.tokens];
    const [token, { to, live }] = waiting[b % waiting.length]!;
    this.count(live === undefined ? "expire" : "expire inside a handler");
    this.tell(process, { type: "expired", actor: live?.name ?? `d${process.index}`, destination: to, token });
  }

  #fire(a: number, b: number): void {
    const process = this.#pick(a, ({ timers }) => timers.size > 0);
    if (process === undefined) return;
    const ids = [...process.timers.keys()];
    this.count("timer");
    this.#fireTimer(process, ids[b % ids.length]!, b >= 32);
  }

  #fireTimer(process: Process, timer: string, again = false): void {
    const actor = process.timers.get(timer)!;
    if (process.actors.get(actor)!.loading) return;
    if (!again) process.timers.delete(timer);
    this.tell(process, { type: "fired", actor, timer });
  }

  /** Sweeps what nobody pins, as a collector that runs at the worst moment would. */
  #collect(): void {
    const held = new Set<string>();
    const hold = (pins: Map<string, readonly string[]>): void => {
      for (const ids of pins.values()) for (const id of ids) held.add(id);
    };
    for (const process of [...this.processes, ...this.zombies]) if (process?.alive) hold(process.pins);
    for (const pins of this.#orphaned) hold(pins);
    for (const id of this.tensors) {
      if (held.has(id)) continue;
      this.tensors.delete(id);
      this.count("tensor collected");
    }
    for (const [name, { state }] of this.laws.accounts) {
      if (state.ref === "" || this.tensors.has(state.ref)) continue;
      throw new Violation("L9", `${state.ref} is gone, and the state of ${name} has it`);
    }
  }
}

/** Runs a plan to its end and past it. Throws the violation, if there is one. */
export function runPlan(plan: readonly Op[], options: WorldOptions): void {
  const world = new World(options);
  for (const op of plan) {
    options.onStep?.(op);
    world.step(op);
  }
  options.onStep?.(undefined);
  world.drain(300);
}
