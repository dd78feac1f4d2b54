// The programs of the simulated world: desks that order payments, accounts that make them by tells and by asks (and by
// asks inside asks), clerks that take notes, timers, snapshots, and handlers that fail.

import type { Command } from "../../runtime/delivery/events.ts";
import type { ActorName, Change } from "../../runtime/delivery/protocol.ts";
import type { Event } from "../../runtime/delivery/events.ts";
import { fold, isDurable, type Laws, meaningKey, type Message, Violation } from "./laws.ts";
import { canRun, type Live, nodeName, type Process, type Running } from "./process.ts";

/** What programs know of the world that they run in. */
export interface Stage {
  readonly nodes: number;
  readonly gone: number | undefined;
  readonly isDraining: boolean;
  readonly accounts: readonly ActorName[];
  readonly processes: readonly (Process | undefined)[];
  readonly tensors: Set<string>;
  readonly laws: Laws;
  count(what: string): void;
  trace(line: string): void;
  tell(process: Process, ...events: Event[]): void;
}

export interface Bank {
  send(process: Process, a: number, b: number): void;
  settle(process: Process, command: Extract<Command, { type: "settle" }>): void;
  /** One step of an actor: a snapshot that it owes, the beginning of a handler, or what follows. */
  runActor(process: Process, live: Live, b: number): void;
  /** `before` reaches the core in the same breath. */
  crashActor(process: Process, live: Live, before?: Event): void;
  /** Sends what no program should, or what nobody waits for. */
  sendOdd(process: Process, a: number, b: number): void;
  /** How the last handler of a process ended, which a confused driver says again. */
  readonly late: Map<number, Event>;
}

const isRelayed = (amount: number): boolean => amount % 4 === 0;

export function bank(stage: Stage): Bank {
  let ids = 0;
  let runs = 0;
  const late = new Map<number, Event>();

  function send(process: Process, a: number, b: number): void {
    const source = `d${process.index}`;
    const at = (offset: number): ActorName => stage.accounts[(a + offset) % stage.accounts.length]!;
    const choice = b % 8;
    const isAsk = choice === 3 || choice === 5 || choice === 7;
    const destination = choice < 6 ? at(0) : `c${b % stage.nodes}`;
    const rank = stage.accounts.indexOf(destination);
    const higher = stage.accounts[rank + 1 + (b % Math.max(1, stage.accounts.length - rank - 1))];
    const kind: Message["do"] = choice < 4
      ? "pay"
      : choice < 6 && higher !== undefined
      ? "askpay"
      : choice < 6
      ? "pay"
      : "note";
    const to = kind === "askpay" ? higher! : at(1 + b % (stage.accounts.length - 1));
    const ref = b % 4 === 1 ? `t${ids}` : "";
    if (ref !== "") stage.tensors.add(ref);
    const message = {
      id: `m${ids += 1}`,
      do: kind,
      to,
      amount: 1 + b % 9,
      era: process.core.epoch,
      n: 0,
      run: 0,
      ref,
    };
    post(process, undefined, source, destination, message, isAsk, ref);
  }

  /** Sends for a volatile source, or tells or asks for a running handler. Answers the token, 0 where it was refused. */
  function post(
    process: Process,
    live: Live | undefined,
    from: ActorName,
    to: ActorName,
    message: Message,
    isAsk: boolean,
    ref: string,
    isSilent = false,
  ): number {
    const token = isSilent ? 0 : (runs += 1);
    const stream = `${from}>${to}`;
    const n = (process.numbers.get(stream) ?? 0) + 1;
    const body: Message = { ...message, n };
    const pins = ref === "" ? [] : [ref];
    const bytes = 5 + (ref === "" ? 0 : 20);
    const lastBefore = process.core.actors.get(from)?.outbounds.get(to)?.last ?? 0;
    if (!isSilent) process.tokens.set(token, { live, id: message.id, to });
    if (isAsk && !isSilent) stage.laws.asked(token, body, to);
    process.failedNow = false;
    process.settledNow.clear();
    const sending = { from, node: nodeName(Number(to[1])), to, body, bytes, pins, token };
    stage.trace(`${from} ${isAsk ? "asks" : "tells"} ${to} to ${message.do} (${message.id}, ${message.amount})`);
    const digest = `${message.do} ${message.amount}`;
    stage.laws.numbered(from, to, message.era, n, message.id);
    stage.tell(process, isAsk ? { type: "ask", digest, ...sending } : { type: "tell", ...sending });
    if (process.settledNow.has(token) && (process.failedNow || live !== undefined)) return 0;
    if (isSilent && process.core.actors.get(from)?.outbounds.get(to)?.last === lastBefore) return 0;
    process.numbers.set(stream, n);
    return token;
  }

  function settle(process: Process, { token, outcome, threw, code, body }: Extract<Command, { type: "settle" }>): void {
    const waiter = process.tokens.get(token);
    if (waiter === undefined) throw new Violation("L4", `token ${token} was settled twice`);
    process.tokens.delete(token);
    process.settledNow.add(token);
    if (outcome === "failed") process.failedNow = true;
    stage.count(`settled ${outcome}${code === undefined ? "" : ` ${code}`}`);
    stage.trace(`${waiter.id} to ${waiter.to} is ${outcome}${code === undefined ? "" : ` (${code})`}`);
    stage.laws.settled(token, outcome, threw, body);
    if (outcome === "failed" && (code === "Timeout" || code === "Suspended")) stage.laws.withdrawn(waiter.id);
    const { live } = waiter;
    if (live?.running?.token !== token) return;
    live.running.phase = "answered";
    live.running.answer = { outcome, threw, code };
  }

  function runActor(process: Process, live: Live, b: number): void {
    if (!process.alive) return;
    if (live.owesSnapshot && live.running === undefined && !live.loading) {
      live.owesSnapshot = false;
      stage.tell(process, { type: "snapshotted", actor: live.name, state: live.state });
      return;
    }
    if (!canRun(live)) return;
    if (live.running === undefined) begin(process, live);
    else goOn(process, live, live.running, b);
  }

  function begin(process: Process, live: Live): void {
    const delivery = live.mailbox.shift()!;
    const { entry, input } = delivery;
    const message = entry?.body as Message | undefined;
    live.running = {
      delivery,
      run: runs += 1,
      phase: "begun",
      isTold: false,
      isRelayed: false,
      asked: 0,
      token: 0,
      answer: undefined,
    };
    stage.trace(`${live.name} begins ${message?.id ?? input.timer}`);
    process.meanings.set(meaningKey({ actor: live.name, input }), delivery);
    if (message !== undefined && message.ref !== "" && !stage.tensors.has(message.ref)) {
      const source = stage.processes[Number(input.source[1])];
      const hasSender = isDurable(input.source) || source?.core.epoch === message.era;
      if (hasSender && !process.isZombie) {
        throw new Violation("L9", `${message.ref} of ${message.id} is gone before its handler`);
      }
    }
    stage.tell(process, { type: "began", actor: live.name, input, chain: entry?.chain ?? [] });
    if (message?.do === "quiz") quiz(process, live, live.running, message);
    if (message?.do === "askpay" && live.durable && live.state.balance >= 2 * message.amount) {
      ask(process, live, live.running, message);
    }
  }

  /** Asks a clerk something else in each run: where an earlier run was answered, that is a conflict. */
  function quiz(process: Process, live: Live, running: Running, message: Message): void {
    const odd = { from: live.name, node: nodeName(process.index), to: live.name, body: "", pins: [], token: 0 };
    const home = nodeName(Number(message.to[1]));
    stage.tell(process, { type: "ask", digest: "", ...odd, bytes: 1 });
    stage.tell(process, { type: "ask", digest: "", ...odd, to: message.to, node: home, bytes: 1_000 });
    const question: Message = { ...message, id: `${message.id}/${running.run}`, do: "note", amount: running.run, n: 0 };
    for (let more = 1; running.run % 4 === 0 && more <= 3; more++) {
      const unheard = { ...question, id: `${question.id}.${more}` };
      post(process, live, live.name, message.to, unheard, true, "", true);
    }
    running.phase = "asking";
    running.token = post(process, live, live.name, message.to, question, true, "");
    if (running.token !== 0) return;
    running.phase = "answered";
    running.answer = { outcome: "failed", threw: false, code: undefined };
  }

  function sendOdd(process: Process, a: number, b: number): void {
    const from = `d${process.index}`;
    const account = stage.accounts[a % stage.accounts.length]!;
    const clerk = `c${b % stage.nodes}`;
    const message = { id: `m${ids += 1}`, to: clerk, amount: 1, era: process.core.epoch, n: 0, run: 0, ref: "" };
    if (b % 4 !== 0) post(process, undefined, from, account, { ...message, do: "quiz" }, b % 8 === 1, "");
    else post(process, undefined, from, clerk, { ...message, do: "note" }, true, "", true);
  }

  /** Pays in at another account, or has it pay in at a third: asks inside asks. */
  function ask(process: Process, live: Live, running: Running, { id, to, amount }: Message): void {
    const next = isRelayed(amount) ? stage.accounts[stage.accounts.indexOf(to) + 1] : undefined;
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
      stage.count("ask inside an ask");
      running.isRelayed = true;
    }
    running.phase = "asking";
    running.token = post(process, live, live.name, to, deposit, true, "");
    if (running.token === 0) {
      running.phase = "answered";
      running.answer = { outcome: process.failedNow ? "failed" : "unknown", threw: false, code: undefined };
    } else stage.count("ask inside a handler");
  }

  function goOn(process: Process, live: Live, running: Running, b: number): void {
    const { delivery, answer, run } = running;
    const { input, entry } = delivery;
    const message = entry?.body as Message | undefined;
    const life = `${process.id}.${live.life}`;
    if (answer?.outcome === "unknown" && stage.isDraining && Number(message!.to[1]) === stage.gone) {
      live.running = undefined;
      stage.tell(process, { type: "finished", actor: live.name, input, threw: true, body: 0, discard: true });
      return;
    }
    // A clerk that has ended answers no run, and this asker stops asking.
    if (answer?.outcome === "unknown" && !(message!.do === "quiz" && answer.code === "Ended")) {
      // Whether the other paid in cannot be known from here: run again, and the same ask gets the same answer.
      stage.trace(`${live.name} gives up ${message!.id}: its ask is unknown`);
      return crashActor(process, live);
    }
    if (answer?.outcome === "done" && message!.do !== "quiz") {
      running.asked += 1;
      running.answer = undefined;
      if (running.asked <= message!.amount % 2) return ask(process, live, running, message!);
    }
    const finish = (change: Change | undefined, discard: boolean, threw: boolean, more: object = {}): void => {
      live.running = undefined;
      if (change !== undefined) live.state = fold(live.state, change);
      if (!live.durable && message !== undefined) stage.laws.handled(live.name, life, delivery);
      stage.trace(`${live.name} ends ${message?.id ?? input.timer}${threw ? " with an error" : ""}`);
      const base = {
        type: "finished",
        actor: live.name,
        input,
        threw,
        body: live.state.asks,
        discard,
        ...more,
      } as const;
      const event: Event = change === undefined ? base : { ...base, change };
      late.set(process.id, event);
      stage.tell(process, event);
    };
    if (message === undefined) return finish(undefined, false, false);
    if (!live.durable) return finish(undefined, false, b % 16 === 5);
    const ref = stage.tensors.has(message.ref) ? message.ref : "";
    const asChange = (delta: number): Change => {
      const input = { input: { delta, ref, ask: entry?.kind === "call" ? 1 : 0 } };
      return live.name[0] === "b" ? input : { state: fold(live.state, input) };
    };
    const more = {
      ...(ref === "" ? {} : { pins: [ref] }),
      ...(b % 8 === 3 ? { timersSet: [{ id: `${live.name}!${run}`, at: run }] } : {}),
    };
    if (message.do === "quiz") {
      const isAnswered = answer?.outcome === "done";
      return finish(isAnswered ? asChange(0) : undefined, false, !isAnswered);
    }
    if (message.do === "deposit") return finish(asChange(message.amount), false, false, more);
    if (message.do === "askpay") {
      return finish(asChange(running.isRelayed ? 0 : -message.amount * running.asked), false, false, more);
    }
    if (running.phase !== "told") {
      running.phase = "told";
      running.isTold = sayAll(process, live, message, b, run);
      return;
    }
    if (b % 16 === 7) return finish(undefined, true, true);
    finish(asChange(running.isTold ? -message.amount : 0), false, false, more);
  }

  /** What a payment tells: a note to a clerk, now and then one that asks and does not wait, and the deposit. */
  function sayAll(process: Process, live: Live, message: Message, b: number, run: number): boolean {
    if (message.amount % 3 === 0) say(process, live, `c${b % stage.nodes}`, message, "note", run);
    if (b % 16 === 9) {
      const note: Message = { ...message, id: `${message.id}/q`, do: "note", run, ref: "" };
      post(process, live, live.name, `c${b % stage.nodes}`, note, true, "");
    }
    const canPay = live.state.balance >= message.amount && message.to !== live.name;
    return canPay && say(process, live, message.to, message, "deposit", run);
  }

  function say(process: Process, live: Live, to: ActorName, cause: Message, what: Message["do"], run: number): boolean {
    const { amount } = cause;
    const ref = stage.tensors.has(cause.ref) ? cause.ref : "";
    const id = `${cause.id}/${what === "note" ? "n" : "t"}`;
    const message: Message = { id, do: what, to, amount, era: process.core.epoch, n: 0, run, ref };
    return post(process, undefined, live.name, to, message, false, ref) !== 0;
  }

  function crashActor(process: Process, live: Live, before?: Event): void {
    stage.trace(`${live.name} crashes${live.running === undefined ? "" : " inside a handler"}`);
    live.running = undefined;
    live.mailbox = [];
    live.life += 1;
    live.loading = live.durable;
    for (const [token, waiter] of process.tokens) if (waiter.live === live) process.tokens.delete(token);
    stage.tell(process, ...(before === undefined ? [] : [before]), { type: "crashed", actor: live.name });
    // What was delivered before the crash went to the memory that is lost.
    live.mailbox = [];
  }

  return { send, settle, runActor, crashActor, sendOdd, late };
}
