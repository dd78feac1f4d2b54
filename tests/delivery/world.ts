// A cluster in one thread and no time: nodes, their processes (and the zombies among them), a store with logs and
// claims, links that lose, repeat and reorder. A plan says what happens next; after each step the laws are asked.

import type { Command, Deliver, DeliveryLimits, Event } from "../../runtime/delivery/events.ts";
import type { ActorName, Change, Epoch, Frame, Outcome, StepRecord } from "../../runtime/delivery/protocol.ts";
import { advance, deliveryNode, type Node } from "../../runtime/delivery/node.ts";
import type { Rules } from "../../runtime/delivery/state.ts";
import {
  type AccountState,
  fold,
  initial,
  isDurable,
  type Laws,
  laws,
  meaningKey,
  type Message,
  Violation,
} from "./laws.ts";
import type { Op } from "./plan.ts";

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

/** A handler that runs: what it got, and where it is. */
interface Running {
  readonly delivery: Deliver;
  readonly run: number;
  phase: "begun" | "asking" | "answered" | "told";
  isTold: boolean;
  isRelayed: boolean;
  /** Asks that were answered. */
  asked: number;
  token: number;
  answer: { readonly outcome: Outcome; readonly threw: boolean; readonly code: string | undefined } | undefined;
}

interface Live {
  readonly name: ActorName;
  readonly durable: boolean;
  state: AccountState;
  mailbox: Deliver[];
  running: Running | undefined;
  life: number;
  loading: boolean;
  /** Asked for a snapshot, which it makes when no handler runs. */
  owesSnapshot: boolean;
}

type Request = Extract<Command, { type: "claim" | "open" | "read" | "commit" }>;

interface Process {
  readonly id: number;
  readonly index: number;
  readonly core: Node;
  alive: boolean;
  isZombie: boolean;
  ready: boolean;
  readonly requests: Request[];
  readonly actors: Map<ActorName, Live>;
  readonly numbers: Map<string, number>;
  readonly tokens: Map<number, { readonly live: Live | undefined; readonly id: string; readonly to: ActorName }>;
  readonly pins: Map<string, readonly string[]>;
  readonly timers: Map<string, ActorName>;
  readonly meanings: Map<string, Deliver>;
  /** The newest epoch of each node that anything was accepted from. */
  readonly newest: Map<string, Epoch>;
  /** Tokens that settled inside the advance that made them. */
  settledNow: Set<number>;
  failedNow: boolean;
}

interface Flight {
  readonly from: number;
  readonly to: number;
  readonly frame: Frame;
}

interface Journal {
  epoch: Epoch;
  readonly commits: { readonly epoch: Epoch; readonly number: number; readonly records: readonly StepRecord[] }[];
}

export class World {
  readonly processes: (Process | undefined)[] = [];
  readonly zombies: Process[] = [];
  readonly flights: Flight[] = [];
  readonly laws: Laws;
  readonly #options: WorldOptions;
  readonly #claims: { epoch: Epoch; holder: number }[] = [];
  readonly #journals: Journal[] = [];
  readonly #cut = new Set<number>();
  readonly #tensors = new Set<string>();
  /** Pins of processes that died, until their successor runs. */
  readonly #orphaned: Map<string, readonly string[]>[] = [];
  readonly #accounts: ActorName[] = [];
  #ids = 0;
  #isDraining = false;
  #runs = 0;
  #processIds = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    for (let index = 0; index < options.nodes; index++) {
      this.#claims.push({ epoch: 0, holder: 0 });
      this.#journals.push({ epoch: 0, commits: [] });
      this.#orphaned.push(new Map());
      this.#accounts.push(`a${index}`);
      if (index === 0) this.#accounts.push("b0");
    }
    // A node that has asked for a snapshot lets nothing more in, but what is in the mailbox, or comes as no message, ends.
    this.laws = laws(this.#accounts, smallLimits.replayMessagesMax + smallLimits.mailboxMessagesMax);
    for (let index = 0; index < options.nodes; index++) {
      this.#start(index);
      while (this.processes[index]!.requests.length > 0) this.#serve(this.processes[index]!, 0);
    }
  }

  #count(what: string): void {
    const { counts } = this.#options;
    if (counts !== undefined) counts.set(what, (counts.get(what) ?? 0) + 1);
  }

  #trace(line: string): void {
    this.#options.trace?.(line);
  }

  /** One operation; then every law that can be asked at any time. */
  step([kind, a, b]: Op): void {
    switch (kind) {
      case "send":
        this.#send(a, b);
        break;
      case "deliver":
        this.#arrive(b % 8 === 0 ? a : 0, false);
        break;
      case "repeat":
        this.#arrive(a, true);
        break;
      case "drop":
        if (this.flights.length > 0) {
          const [flight] = this.flights.splice(a % this.flights.length, 1);
          this.#count("drop");
          this.#trace(`link loses ${show(flight!)}`);
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
        if (process !== undefined) this.#tell(process, { type: "tick" });
        break;
      }
      case "cut": {
        const way = a % (this.#options.nodes ** 2);
        if (this.#cut.delete(way)) this.#trace(`way ${way} heals`);
        else {
          this.#cut.add(way);
          this.#count("cut one way");
          this.#trace(`way ${way} is cut`);
        }
        break;
      }
      case "kill":
        this.#kill(a % this.#options.nodes);
        break;
      case "restart":
        this.#restart(a % this.#options.nodes);
        break;
      case "zombie":
        this.#haunt(a % this.#options.nodes);
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
          this.#count("store loses a mail log");
          this.#trace(`store loses the mail log ${from}>${to}`);
        }
        break;
      case "link": {
        const process = this.#pick(a, ({ ready }) => ready);
        if (process !== undefined) this.#tell(process, { type: "linked", node: nodeName(b % this.#options.nodes) });
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
        this.#count("actor ended");
        this.#trace(`${live.name} ends for good`);
        live.mailbox = [];
        live.running = undefined;
        this.#tell(process, { type: "ended", actor: live.name });
        break;
      }
      case "peer": {
        const process = this.#pick(a, ({ ready }) => ready);
        if (process === undefined) break;
        const index = b % this.#options.nodes;
        this.#tell(process, { type: "peer", node: nodeName(index), epoch: this.#claims[index]!.epoch });
        break;
      }
    }
    this.#watch();
  }

  /** Faults stop: every node has one process that runs, links carry, the store answers. Then everything must end. */
  drain(roundsMax: number): void {
    const gone = this.#options.gone ?? -1;
    this.#trace(gone < 0 ? "faults stop" : `faults stop, and ${nodeName(gone)} is gone for good`);
    this.#cut.clear();
    if (gone >= 0) {
      this.#kill(gone);
      for (const zombie of this.zombies) if (zombie.index === gone && zombie.alive) this.#bury(zombie);
    }
    this.#isDraining = true;
    for (let round = 0; round < roundsMax; round++) {
      for (let index = 0; index < this.#options.nodes; index++) {
        if (index !== gone && this.processes[index] === undefined) this.#start(index);
      }
      for (const process of [...this.processes, ...this.zombies]) {
        while (process !== undefined && process.alive && process.requests.length > 0) this.#serve(process, 0);
      }
      for (let count = this.flights.length; count > 0; count--) this.#arrive(0, false);
      for (const process of this.processes) {
        if (process === undefined) continue;
        for (const live of process.actors.values()) this.#runActor(process, live, 0);
        for (const timer of [...process.timers.keys()]) this.#fireTimer(process, timer);
      }
      this.#collect();
      if (this.#isQuiet()) break;
      for (const process of [...this.processes]) if (process?.alive) this.#tell(process, { type: "tick" });
      this.#watch();
    }
    this.#watch();
    this.#judge();
  }

  #isQuiet(): boolean {
    const gone = this.#options.gone ?? -1;
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
    const gone = this.#options.gone ?? -1;
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
    const process: Process = {
      id: this.#processIds += 1,
      index,
      core,
      alive: true,
      isZombie: false,
      ready: false,
      requests: [],
      actors: new Map(),
      numbers: new Map(),
      tokens: new Map(),
      pins: new Map(),
      timers: new Map(),
      meanings: new Map(),
      newest: new Map(),
      settledNow: new Set(),
      failedNow: false,
    };
    this.processes[index] = process;
    this.#trace(`${nodeName(index)} starts as process ${process.id}`);
    this.#tell(process, { type: "started", standing: this.#claims[index]!.epoch });
  }

  #kill(index: number): void {
    const process = this.processes[index];
    if (process === undefined) return;
    const inHandler = [...process.actors.values()].some(({ running }) => running !== undefined);
    this.#count(inHandler ? "kill inside a handler" : "kill between steps");
    if (!process.ready) this.#count("kill during a takeover");
    if (process.requests.some(({ type }) => type === "commit")) this.#count("kill during a commit");
    this.#trace(`process ${process.id} of ${nodeName(index)} is killed${inHandler ? " inside a handler" : ""}`);
    this.#bury(process);
  }

  #bury(process: Process): void {
    process.alive = false;
    for (const [holder, pins] of process.pins) this.#orphaned[process.index]!.set(`${process.id}/${holder}`, pins);
    // What the process had asked of the store may still happen.
    const commit = process.requests.find(({ type }) => type === "commit");
    if (commit !== undefined && process.id % 2 === 0) {
      this.#append(process, commit as Extract<Request, { type: "commit" }>);
    }
    if (this.processes[process.index] === process) this.processes[process.index] = undefined;
  }

  #restart(index: number): void {
    if (this.processes[index] !== undefined) return;
    this.#count("restart");
    this.#start(index);
  }

  /** The lease lapsed, and the process that held it lives: its successor starts beside it. */
  #haunt(index: number): void {
    const process = this.processes[index];
    if (process === undefined || !process.ready || this.zombies.length >= 2) return;
    process.isZombie = true;
    this.zombies.push(process);
    this.#count("zombie");
    this.#trace(`process ${process.id} of ${nodeName(index)} becomes a zombie`);
    this.#start(index);
  }

  #serve(process: Process, b: number): void {
    const request = process.requests.shift()!;
    const claim = this.#claims[process.index]!;
    const journal = this.#journals[process.index]!;
    const isLost = b % 8 === 7;
    switch (request.type) {
      case "claim": {
        const held = request.epoch > claim.epoch || (request.epoch === claim.epoch && claim.holder === process.id);
        if (held) Object.assign(claim, { epoch: request.epoch, holder: process.id });
        return this.#tell(process, { type: "claimed", held });
      }
      case "open": {
        const fenced = request.epoch < journal.epoch;
        if (!fenced) journal.epoch = request.epoch;
        return this.#tell(process, { type: "opened", fenced });
      }
      case "read": {
        const records = journal.commits.flatMap((commit) => commit.records);
        return this.#tell(process, { type: "read", records, end: true });
      }
      case "commit": {
        if (isLost && b >= 32) {
          this.#count("commit unknown, not applied");
          this.#trace(`store answers unknown to commit ${request.number} of process ${process.id}, not applied`);
          return this.#tell(process, { type: "committed", number: request.number, outcome: "unknown" });
        }
        const outcome = this.#append(process, request);
        if (!isLost || outcome === "fenced") {
          return this.#tell(process, { type: "committed", number: request.number, outcome });
        }
        this.#count("commit unknown, applied");
        this.#trace(`store answers unknown to commit ${request.number} of process ${process.id}, applied`);
        return this.#tell(process, { type: "committed", number: request.number, outcome: "unknown" });
      }
    }
  }

  #append(process: Process, { epoch, number, records }: Extract<Request, { type: "commit" }>): "held" | "fenced" {
    const journal = this.#journals[process.index]!;
    if (epoch < journal.epoch) {
      this.#count("commit fenced");
      this.#trace(`store fences commit ${number} of process ${process.id}`);
      return "fenced";
    }
    if (journal.commits.some((commit) => commit.epoch === epoch && commit.number === number)) return "held";
    journal.commits.push({ epoch, number, records });
    this.#trace(
      `journal of ${nodeName(process.index)} has commit ${epoch}.${number}: ${records.map(showRecord).join("; ")}`,
    );
    this.laws.appended(nodeName(process.index), records, process.meanings);
    return "held";
  }

  #tell(process: Process, event: Event): void {
    const commands = (this.#options.advance ?? advance)(process.core, [event]);
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
        this.#count("restored");
        this.laws.restored(command.actor, command.changes);
        this.#actor(process, command.actor, true).state = command.changes.reduce(fold, initial);
        for (const { id } of command.timers) process.timers.set(id, command.actor);
        return;
      }
      case "ready":
        return this.#ready(process);
      case "send": {
        const to = Number(command.node.slice(1));
        this.flights.push({ from: process.index, to, frame: command.frame });
        if (command.frame.type === "fenced") this.#count("told that it is fenced");
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
        this.#trace(`${command.actor} gets ${message?.id ?? command.input.timer}`);
        return;
      }
      case "trim": {
        const journal = this.#journals[process.index]!;
        const kept = journal.commits.filter(({ epoch, number }) =>
          epoch > command.epoch || (epoch === command.epoch && number > command.through)
        );
        if (kept.length < journal.commits.length) this.#count("journal trimmed");
        journal.commits.splice(0, journal.commits.length, ...kept);
        return;
      }
      case "reload": {
        const live = process.actors.get(command.actor)!;
        live.state = this.laws.accounts.get(command.actor)!.state;
        live.loading = false;
        this.#count("actor reloaded");
        return;
      }
      case "snapshot": {
        this.#count("snapshot forced");
        process.actors.get(command.actor)!.owesSnapshot = true;
        return;
      }
      case "schedule":
        process.timers.set(command.timer.id, command.actor);
        return;
      case "settle":
        return this.#settle(process, command);
      case "gap":
        this.#count("gap told");
        this.#trace(`${command.source} is told of a gap to ${command.destination} through ${command.through}`);
        this.laws.gap(command.source, command.destination, process.core.epoch, command.through);
        return;
      case "suspended":
        this.#count("suspended");
        this.laws.suspended(command.source, command.destination, true);
        this.#trace(`${command.source}>${command.destination} is suspended`);
        return;
      case "resumed":
        this.#count("resumed");
        this.laws.suspended(command.source, command.destination, false);
        return;
      case "pin":
        process.pins.set(command.holder, command.pins);
        return;
      case "unpin":
        process.pins.delete(command.holder);
        return;
      case "stop":
        this.#count("zombie ends itself");
        this.#trace(`process ${process.id} of ${nodeName(process.index)} is fenced and ends`);
        process.requests.length = 0;
        this.#bury(process);
    }
  }

  #actor(process: Process, name: ActorName, durable: boolean): Live {
    const known = process.actors.get(name);
    if (known !== undefined) return known;
    const live: Live = {
      name,
      durable,
      state: initial,
      mailbox: [],
      running: undefined,
      life: 0,
      loading: false,
      owesSnapshot: false,
    };
    process.actors.set(name, live);
    return live;
  }

  #ready(process: Process): void {
    process.ready = true;
    this.#orphaned[process.index]!.clear();
    const names = this.#accounts.filter((name) => Number(name[1]) === process.index);
    for (const name of names) {
      this.#actor(process, name, true);
      if (!process.core.actors.has(name)) this.laws.restored(name, []);
      this.#tell(process, { type: "spawned", actor: name, durable: true });
    }
    for (const name of [`c${process.index}`, `d${process.index}`]) {
      this.#actor(process, name, false);
      this.#tell(process, { type: "spawned", actor: name, durable: false });
    }
    this.#trace(`process ${process.id} is ${nodeName(process.index)} under epoch ${process.core.epoch}`);
  }

  // Links.

  #arrive(a: number, keep: boolean): void {
    if (this.flights.length === 0) return;
    const index = a % this.flights.length;
    const flight = this.flights[index]!;
    if (index > 0) this.#count("reorder");
    if (keep) this.#count("repeat");
    const { from, to, frame } = flight;
    if (this.#cut.has(from * this.#options.nodes + to)) {
      if (!keep) this.flights.push(...this.flights.splice(index, 1));
      this.#count("delay");
      return;
    }
    if (!keep) this.flights.splice(index, 1);
    this.#trace(`${keep ? "again " : ""}${show(flight)}`);
    const readers = [this.processes[to], ...this.zombies.filter((zombie) => zombie.index === to && zombie.alive)];
    for (const process of readers) if (process?.alive === true) this.#tell(process, { type: "frame", frame });
  }

  // Programs.

  #send(a: number, b: number): void {
    const process = this.#pick(a, ({ ready }) => ready);
    if (process === undefined) return;
    const source = `d${process.index}`;
    const at = (offset: number): ActorName => this.#accounts[(a + offset) % this.#accounts.length]!;
    const choice = b % 8;
    const isAsk = choice === 3 || choice === 5 || choice === 7;
    const destination = choice < 6 ? at(0) : `c${b % this.#options.nodes}`;
    const rank = this.#accounts.indexOf(destination);
    const higher = this.#accounts[rank + 1 + (b % Math.max(1, this.#accounts.length - rank - 1))];
    const kind: Message["do"] = choice < 4
      ? "pay"
      : choice < 6 && higher !== undefined
      ? "askpay"
      : choice < 6
      ? "pay"
      : "note";
    const to = kind === "askpay" ? higher! : at(1 + b % (this.#accounts.length - 1));
    const ref = b % 4 === 1 ? `t${this.#ids}` : "";
    if (ref !== "") this.#tensors.add(ref);
    const message = {
      id: `m${this.#ids += 1}`,
      do: kind,
      to,
      amount: 1 + b % 9,
      era: process.core.epoch,
      n: 0,
      run: 0,
      ref,
    };
    this.#post(process, undefined, source, destination, message, isAsk, ref);
  }

  /** Sends for a volatile source, or tells or asks for a running handler. Answers the token, 0 where it was refused. */
  #post(
    process: Process,
    live: Live | undefined,
    from: ActorName,
    to: ActorName,
    message: Message,
    isAsk: boolean,
    ref: string,
  ): number {
    const token = (this.#runs += 1);
    const stream = `${from}>${to}`;
    const n = (process.numbers.get(stream) ?? 0) + 1;
    const body: Message = { ...message, n };
    const pins = ref === "" ? [] : [ref];
    const bytes = 5 + (ref === "" ? 0 : 20);
    process.tokens.set(token, { live, id: message.id, to });
    if (isAsk) this.laws.asked(token, body, to);
    process.failedNow = false;
    process.settledNow.clear();
    const sending = { from, node: nodeName(Number(to[1])), to, body, bytes, pins, token };
    this.#trace(`${from} ${isAsk ? "asks" : "tells"} ${to} to ${message.do} (${message.id}, ${message.amount})`);
    const digest = `${message.do} ${message.amount}`;
    this.laws.numbered(from, to, message.era, n, message.id);
    this.#tell(process, isAsk ? { type: "ask", digest, ...sending } : { type: "tell", ...sending });
    if (process.settledNow.has(token) && (process.failedNow || live !== undefined)) return 0;
    process.numbers.set(stream, n);
    return token;
  }

  #settle(process: Process, { token, outcome, threw, code }: Extract<Command, { type: "settle" }>): void {
    const waiter = process.tokens.get(token);
    if (waiter === undefined) throw new Violation("L4", `token ${token} was settled twice`);
    process.tokens.delete(token);
    process.settledNow.add(token);
    if (outcome === "failed") process.failedNow = true;
    this.#count(`settled ${outcome}${code === undefined ? "" : ` ${code}`}`);
    this.#trace(`${waiter.id} to ${waiter.to} is ${outcome}${code === undefined ? "" : ` (${code})`}`);
    this.laws.settled(token, outcome, threw);
    if (outcome === "failed" && (code === "Timeout" || code === "Suspended")) this.laws.withdrawn(waiter.id);
    const { live } = waiter;
    if (live?.running?.token !== token) return;
    live.running.phase = "answered";
    live.running.answer = { outcome, threw, code };
  }

  #run(a: number, b: number): void {
    const able: [Process, Live][] = [];
    for (const process of [...this.processes, ...this.zombies]) {
      if (process === undefined || !process.alive) continue;
      for (const live of process.actors.values()) if (canRun(live)) able.push([process, live]);
    }
    const chosen = able[a % Math.max(1, able.length)];
    if (chosen !== undefined) this.#runActor(chosen[0], chosen[1], b);
  }

  #runActor(process: Process, live: Live, b: number): void {
    if (!process.alive) return;
    if (live.owesSnapshot && live.running === undefined && !live.loading) {
      live.owesSnapshot = false;
      this.#tell(process, { type: "snapshotted", actor: live.name, state: live.state });
      return;
    }
    if (!canRun(live)) return;
    if (live.running === undefined) this.#begin(process, live);
    else this.#goOn(process, live, live.running, b);
  }

  #begin(process: Process, live: Live): void {
    const delivery = live.mailbox.shift()!;
    const { entry, input } = delivery;
    const message = entry?.body as Message | undefined;
    live.running = {
      delivery,
      run: this.#runs += 1,
      phase: "begun",
      isTold: false,
      isRelayed: false,
      asked: 0,
      token: 0,
      answer: undefined,
    };
    this.#trace(`${live.name} begins ${message?.id ?? input.timer}`);
    process.meanings.set(meaningKey({ actor: live.name, input }), delivery);
    if (message !== undefined && message.ref !== "" && !this.#tensors.has(message.ref)) {
      const source = this.processes[Number(input.source[1])];
      const hasSender = isDurable(input.source) || source?.core.epoch === message.era;
      if (hasSender && !process.isZombie) {
        throw new Violation("L9", `${message.ref} of ${message.id} is gone before its handler`);
      }
    }
    this.#tell(process, { type: "began", actor: live.name, input, chain: entry?.chain ?? [] });
    if (message?.do === "askpay" && live.durable && live.state.balance >= 2 * message.amount) {
      this.#ask(process, live, live.running, message);
    }
  }

  /** Pays in at another account, or has it pay in at a third: asks inside asks. */
  #ask(process: Process, live: Live, running: Running, { id, to, amount }: Message): void {
    const next = isRelayed(amount) ? this.#accounts[this.#accounts.indexOf(to) + 1] : undefined;
    const deposit: Message = {
      id: `${id}/${running.asked + 1}`,
      do: next === undefined ? "deposit" : "askpay",
      to: next ?? to,
      amount,
      era: process.core.epoch,
      n: 0,
      run: 0,
      ref: "",
    };
    if (next !== undefined) {
      this.#count("ask inside an ask");
      running.isRelayed = true;
    }
    running.phase = "asking";
    running.token = this.#post(process, live, live.name, to, deposit, true, "");
    if (running.token === 0) {
      running.phase = "answered";
      running.answer = { outcome: process.failedNow ? "failed" : "unknown", threw: false, code: undefined };
    } else this.#count("ask inside a handler");
  }

  #goOn(process: Process, live: Live, running: Running, b: number): void {
    const { delivery, answer, run } = running;
    const { input, entry } = delivery;
    const message = entry?.body as Message | undefined;
    const life = `${process.id}.${live.life}`;
    if (answer?.outcome === "unknown" && this.#isDraining && Number(message!.to[1]) === this.#options.gone) {
      live.running = undefined;
      this.#tell(process, { type: "finished", actor: live.name, input, threw: true, body: 0, discard: true });
      return;
    }
    if (answer?.outcome === "unknown") {
      // Whether the other paid in cannot be known from here: run again, and the same ask gets the same answer.
      this.#trace(`${live.name} gives up ${message!.id}: its ask is unknown`);
      return this.#crashActor(process, live);
    }
    if (answer?.outcome === "done") {
      running.asked += 1;
      running.answer = undefined;
      if (running.asked <= message!.amount % 2) return this.#ask(process, live, running, message!);
    }
    const finish = (change: Change | undefined, discard: boolean, threw: boolean, more: object = {}): void => {
      live.running = undefined;
      if (change !== undefined) live.state = fold(live.state, change);
      if (!live.durable && message !== undefined) this.laws.handled(live.name, life, delivery);
      this.#trace(`${live.name} ends ${message?.id ?? input.timer}${threw ? " with an error" : ""}`);
      const base = {
        type: "finished",
        actor: live.name,
        input,
        threw,
        body: live.state.balance,
        discard,
        ...more,
      } as const;
      this.#tell(process, change === undefined ? base : { ...base, change });
    };
    if (message === undefined) return finish(undefined, false, false);
    if (!live.durable) return finish(undefined, false, b % 16 === 5);
    const ref = this.#tensors.has(message.ref) ? message.ref : "";
    const asChange = (delta: number): Change => {
      const input = { input: { delta, ref } };
      return live.name[0] === "b" ? input : { state: fold(live.state, input) };
    };
    const more = {
      ...(ref === "" ? {} : { pins: [ref] }),
      ...(b % 8 === 3 ? { timersSet: [{ id: `${live.name}!${run}`, at: run }] } : {}),
    };
    if (message.do === "deposit") return finish(asChange(message.amount), false, false, more);
    if (message.do === "askpay") {
      return finish(asChange(running.isRelayed ? 0 : -message.amount * running.asked), false, false, more);
    }
    if (running.phase !== "told") {
      running.phase = "told";
      running.isTold = this.#sayAll(process, live, message, b, run);
      return;
    }
    if (b % 16 === 7) return finish(undefined, true, true);
    finish(asChange(running.isTold ? -message.amount : 0), false, false, more);
  }

  /** What a payment tells: a note to a clerk, now and then one that asks and does not wait, and the deposit. */
  #sayAll(process: Process, live: Live, message: Message, b: number, run: number): boolean {
    if (message.amount % 3 === 0) this.#say(process, live, `c${b % this.#options.nodes}`, message, "note", run);
    if (b % 16 === 9) {
      const note: Message = { ...message, id: `${message.id}/q`, do: "note", run, ref: "" };
      this.#post(process, live, live.name, `c${b % this.#options.nodes}`, note, true, "");
    }
    const canPay = live.state.balance >= message.amount && message.to !== live.name;
    return canPay && this.#say(process, live, message.to, message, "deposit", run);
  }

  #say(process: Process, live: Live, to: ActorName, cause: Message, what: Message["do"], run: number): boolean {
    const { amount } = cause;
    const ref = this.#tensors.has(cause.ref) ? cause.ref : "";
    const id = `${cause.id}/${what === "note" ? "n" : "t"}`;
    const message: Message = { id, do: what, to, amount, era: process.core.epoch, n: 0, run, ref };
    return this.#post(process, undefined, live.name, to, message, false, ref) !== 0;
  }

  #crash(a: number, b: number): void {
    const process = this.#pick(a, ({ ready }) => ready);
    if (process === undefined) return;
    const lives = [...process.actors.values()];
    const live = lives[b % lives.length]!;
    if (live.name[0] === "d" || live.loading) return;
    this.#count(live.running === undefined ? "actor crash between handlers" : "actor crash inside a handler");
    this.#crashActor(process, live);
  }

  #crashActor(process: Process, live: Live): void {
    this.#trace(`${live.name} crashes${live.running === undefined ? "" : " inside a handler"}`);
    live.running = undefined;
    live.mailbox = [];
    live.life += 1;
    live.loading = live.durable;
    for (const [token, waiter] of process.tokens) if (waiter.live === live) process.tokens.delete(token);
    this.#tell(process, { type: "crashed", actor: live.name });
  }

  #expire(a: number, b: number): void {
    const process = this.#pick(a, ({ tokens, ready }) => ready && tokens.size > 0);
    if (process === undefined) return;
    const waiting = [...process.tokens];
    const [token, { to, live }] = waiting[b % waiting.length]!;
    this.#count(live === undefined ? "expire" : "expire inside a handler");
    this.#tell(process, { type: "expired", actor: live?.name ?? `d${process.index}`, destination: to, token });
  }

  #fire(a: number, b: number): void {
    const process = this.#pick(a, ({ timers }) => timers.size > 0);
    if (process === undefined) return;
    const ids = [...process.timers.keys()];
    this.#count("timer");
    this.#fireTimer(process, ids[b % ids.length]!, b >= 32);
  }

  #fireTimer(process: Process, timer: string, again = false): void {
    const actor = process.timers.get(timer)!;
    if (process.actors.get(actor)!.loading) return;
    if (!again) process.timers.delete(timer);
    this.#tell(process, { type: "fired", actor, timer });
  }

  /** Sweeps what nobody pins, as a collector that runs at the worst moment would. */
  #collect(): void {
    const held = new Set<string>();
    const hold = (pins: Map<string, readonly string[]>): void => {
      for (const ids of pins.values()) for (const id of ids) held.add(id);
    };
    for (const process of [...this.processes, ...this.zombies]) if (process?.alive) hold(process.pins);
    for (const pins of this.#orphaned) hold(pins);
    for (const id of this.#tensors) {
      if (held.has(id)) continue;
      this.#tensors.delete(id);
      this.#count("tensor collected");
    }
    for (const [name, { state }] of this.laws.accounts) {
      if (state.ref === "" || this.#tensors.has(state.ref)) continue;
      throw new Violation("L9", `${state.ref} is gone, and the state of ${name} has it`);
    }
  }
}

const canRun = ({ mailbox, running, loading, owesSnapshot }: Live): boolean =>
  !loading && (running === undefined ? mailbox.length > 0 || owesSnapshot : running.phase !== "asking");

const isRelayed = (amount: number): boolean => amount % 4 === 0;

const nodeName = (index: number): string => `n${index}`;

function show({ from, to, frame }: Flight): string {
  const way = `n${from}>n${to}`;
  if (frame.type === "fenced") return `${way} fenced ${frame.stale}`;
  const stream = `${frame.source}>${frame.destination}`;
  if (frame.type === "ack") {
    return `${way} ack ${stream} ${frame.state} through ${frame.through}, accepted ${frame.accepted}`;
  }
  if (frame.type === "answer") {
    return `${way} answer ${stream} ${frame.answers.map(({ sequence }) => sequence).join(" ")}`;
  }
  const entries = frame.entries.map(({ sequence, body }) =>
    `${sequence}=${(body as Message | undefined)?.id ?? "void"}`
  );
  return `${way} mail ${stream} epoch ${frame.epoch}: ${entries.join(" ") || "probe"}`;
}

function showRecord({ actor, cursors, sent, whole }: StepRecord): string {
  const moved = cursors.map(({ source, sequence }) => `${source}=${sequence}`).join(" ");
  const told = sent.map(({ destination, last }) => `>${destination}=${last}`).join(" ");
  return `${actor}${whole ? " whole" : ""} ${moved} ${told}`.trim();
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
