// A cluster in one thread and no time: nodes, their processes (and the zombies among them), a store with logs and
// claims, links that lose, repeat and reorder. A plan says what happens next; after each step the laws are asked.

import type { Event } from "../../runtime/delivery/events.ts";
import { advance, deliveryNode, type Node } from "../../runtime/delivery/node.ts";
import type { ActorName } from "../../runtime/delivery/protocol.ts";
import { bank } from "./bank.ts";
import { drain } from "./drain.ts";
import { driver, driverRules } from "./driver.ts";
import { type Laws, laws } from "./laws.ts";
import { type Faults, faults } from "./faults.ts";
import { type Links, links } from "./links.ts";
import { sayOdd } from "./odd.ts";
import { smallLimits, type WorldOptions } from "./options.ts";
import type { Op } from "./plan.ts";
import { newProcess, nodeName, type Process } from "./process.ts";
import type { Bank, Driver, DriverRules, Scene } from "./scene.ts";
import type { Flight } from "./shown.ts";
import { isKept, simulatedStore, type Store, storeRules } from "./store.ts";
import { collect } from "./sweeper.ts";

/** Whose things are whose, for L15. */
const origins = new WeakMap<object, string>();

export class World implements Scene {
  readonly run: string;
  readonly nodes: number;
  readonly gone: number | undefined;
  readonly processes: (Process | undefined)[] = [];
  readonly zombies: Process[] = [];
  readonly flights: Flight[] = [];
  readonly cut: Set<number> = new Set();
  readonly full: Set<number> = new Set();
  readonly stalled: Set<number> = new Set();
  readonly orphaned: Map<string, readonly string[]>[] = [];
  readonly accounts: ActorName[] = [];
  readonly laws: Laws;
  readonly store: Store;
  readonly rules: DriverRules;
  readonly bank: Bank;
  readonly driver: Driver;
  readonly #links: Links;
  readonly #faults: Faults;
  readonly #options: WorldOptions;
  isDraining: boolean = false;
  now: number = 0;
  #processIds: number;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#processIds = options.beside === undefined ? 0 : 1_000;
    this.run = options.run ?? "r";
    this.nodes = options.nodes;
    this.gone = options.gone;
    for (let index = 0; index < options.nodes; index++) {
      this.orphaned.push(new Map());
      this.accounts.push(`a${index}`);
      if (index === 0) this.accounts.push("b0");
    }
    // A node that has asked for a snapshot lets nothing more in, but what is in the mailbox, or comes as no message, ends.
    const replayMax = smallLimits.replayMessagesMax + smallLimits.mailboxMessagesMax;
    this.laws = laws(this.accounts, replayMax, options.asked);
    this.rules = { ...driverRules, ...options.driver };
    this.store = options.beside?.store ?? simulatedStore({ ...storeRules, ...options.store }, this.laws.presence);
    this.bank = bank(this);
    this.driver = driver(this);
    this.#links = links(this);
    const isMeasured = options.counts !== undefined;
    const { survives = "power" } = options;
    const { lossMax } = { ...storeRules, ...options.store };
    this.#faults = faults(this, {
      isMeasured,
      lossMax: (end) => lossMax(survives, end),
      isDeclared: (end) => !isKept(survives, end),
    });
    for (let index = 0; index < options.nodes; index++) {
      this.start(index);
      for (const first = this.processes[index]; first?.alive && first.requests.length > 0;) this.driver.serve(first, 0);
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
    const ready = (): Process | undefined => this.pick(a, (process) => process.ready);
    const tell = (process: Process | undefined, event: Event): void => {
      if (process !== undefined) this.tell(process, event);
    };
    switch (kind) {
      case "send": {
        const process = ready();
        if (process !== undefined && this.acts(process)) this.bank.send(process, a, b);
        break;
      }
      case "deliver":
        this.#links.arrive(b % 8 === 0 ? a : 0, false, b % 4 === 3 ? 4 : 1);
        break;
      case "repeat":
        this.#links.arrive(a, true);
        break;
      case "drop":
        this.#links.drop(a);
        break;
      case "run":
        this.#faults.run(a, b);
        break;
      case "store": {
        const process = this.pick(a, ({ requests, index }) => requests.length > 0 && !this.stalled.has(index));
        if (process !== undefined) this.driver.serve(process, b);
        break;
      }
      case "tick": {
        const process = this.pick(a, () => true);
        if (process !== undefined) this.driver.renew(process);
        tell(process, { type: "tick" });
        break;
      }
      case "cut":
        this.#links.cut(a);
        break;
      case "kill":
        this.#faults.kill(a % this.nodes);
        break;
      case "restart":
        if (this.processes[a % this.nodes] !== undefined) break;
        this.count("restart");
        this.start(a % this.nodes);
        break;
      case "zombie":
        this.#faults.haunt(a % this.nodes, false, b % 3 === 0);
        break;
      case "crash":
        this.#faults.crash(a, b);
        break;
      case "expire":
        this.#faults.expire(a, b);
        break;
      case "lose":
        this.#links.lose(a);
        break;
      case "link":
        tell(ready(), { type: "linked", node: nodeName(b % this.nodes) });
        break;
      case "collect":
        collect(this);
        break;
      case "fire":
        this.#faults.fire(a, b);
        break;
      case "end":
        this.#faults.end(ready(), b);
        break;
      case "wait":
        this.now += 1 + b % 16;
        break;
      case "full":
        this.#faults.toggle(this.full, a, "store full");
        break;
      case "stall":
        this.#faults.toggle(this.stalled, a, "store stalls");
        break;
      case "echo":
        this.count("echo");
        this.trace("a copy of an earlier write reaches the store");
        this.store.echo(a * 64 + b);
        break;
      case "power":
        this.#faults.failPower(a % this.nodes, b);
        break;
      case "host":
        this.#faults.endHost(a % this.nodes);
        break;
      case "server":
        this.#faults.endServer(b);
        break;
      case "odd": {
        if (a % 16 === 15) return this.#faults.haunt(b % this.nodes, true, false);
        const process = this.pick(b, (one) => one.ready);
        if (process !== undefined) {
          sayOdd({ flights: this.flights, bank: this.bank, tell: this.tell.bind(this) }, process, a, b);
        }
        break;
      }
      case "peer": {
        const index = b % this.nodes;
        const { epoch } = this.store.standing(this.rules.nameOf(this.run, index));
        tell(ready(), { type: "peer", node: nodeName(index), epoch });
        break;
      }
    }
    this.#watch();
  }

  /** Faults stop, and everything must end. */
  drain(roundsMax: number): void {
    const { gone } = this;
    this.trace(gone === undefined ? "faults stop" : `faults stop, and ${nodeName(gone)} is gone for good`);
    for (const fault of [this.cut, this.full, this.stalled]) fault.clear();
    if (gone !== undefined) {
      this.#faults.kill(gone);
      for (const zombie of this.zombies) if (zombie.index === gone && zombie.alive) this.bury(zombie);
    }
    this.isDraining = true;
    const fire = (process: Process, timer: string): void => this.#faults.fireTimer(process, timer);
    drain(this, this.#links, { fire, collect: () => collect(this), watch: () => this.#watch() }, roundsMax);
  }

  /** A frame of another run comes here. */
  stray(flight: Flight): void {
    this.#links.stray(flight);
    this.#watch();
  }

  tell(process: Process, ...events: Event[]): void {
    if (!this.acts(process)) return;
    this.laws.presence.acted(process.id);
    const commands = (this.#options.advance ?? advance)(process.core, events);
    this.#options.heard?.(process, events, commands);
    for (const command of commands) this.driver.obey(process, command);
  }

  send(flight: Flight): void {
    origins.set(flight.frame, this.run);
    this.flights.push(flight);
  }

  mark(things: readonly object[]): void {
    for (const thing of things) origins.set(thing, this.run);
  }

  mustBeOurs(thing: object, does: string): void {
    const origin = origins.get(thing) ?? this.run;
    this.laws.must(origin === this.run, "L15", () => `a process of run ${this.run} ${does} of run ${origin}`);
  }

  start(index: number, isPatient = false): void {
    const core = this.newCore(index);
    const id = this.#processIds += 1;
    const process = newProcess(id, index, core, (id * 3 + index) % 5 - 2, isPatient);
    this.processes[index] = process;
    this.trace(`${nodeName(index)} starts as process ${process.id}`);
    this.tell(process, { type: "started", standing: this.store.standing(this.rules.nameOf(this.run, index)).epoch });
  }

  newCore(index: number): Node {
    return deliveryNode(nodeName(index), { ...smallLimits, ...this.#options.limits }, this.#options.rules);
  }

  bury(process: Process): void {
    process.alive = false;
    for (const [holder, pins] of process.pins) this.orphaned[process.index]!.set(`${process.id}/${holder}`, pins);
    this.driver.leaveBehind(process);
    if (this.processes[process.index] === process) this.processes[process.index] = undefined;
  }

  /** A process looks at its lease before it does anything. */
  acts(process: Process): boolean {
    return process.alive && this.driver.isHolder(process);
  }

  #watch(): void {
    for (const process of this.processes) if (process?.alive) this.laws.watch(process.core);
    for (const { alive, core } of this.zombies) if (alive) this.laws.watch(core);
  }

  pick(a: number, suits: (process: Process) => boolean): Process | undefined {
    const able = [...this.processes, ...this.zombies].filter((process): process is Process =>
      process !== undefined && process.alive && suits(process)
    );
    return able[a % Math.max(1, able.length)];
  }
}

/** Runs a plan to its end and past it. Throws the violation, if there is one. */
export function runPlan(plan: readonly Op[], options: WorldOptions): World {
  const world = new World(options);
  for (const op of plan) {
    options.onStep?.(op);
    world.step(op);
  }
  options.onStep?.(undefined);
  world.drain(300);
  return world;
}
