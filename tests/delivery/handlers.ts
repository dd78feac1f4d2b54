// What the actors of the simulated world do with a message: accounts pay by tells and by asks (and by asks inside
// asks), clerks take notes and yield series, timers fire, and now and then a handler fails.

import type { Deliver, Event } from "../../runtime/delivery/events.ts";
import type { ActorName, Change } from "../../runtime/delivery/protocol.ts";
import { fold, homeOf, isDurable, meaningKey, type Message } from "./laws/message.ts";
import { canRun, lifeOf, type Live, nodeName, type Process, type Running } from "./process.ts";
import type { Handlers, Post, Scene } from "./scene.ts";

interface Ways {
  readonly post: Post;
  crashActor(process: Process, live: Live): void;
  readonly late: Map<number, Event>;
}

/** A handler at work. */
interface Work {
  readonly process: Process;
  readonly live: Live;
  readonly running: Running;
  readonly message: Message | undefined;
  readonly b: number;
}

interface Ending {
  readonly change?: Change | undefined;
  readonly discard?: boolean;
  readonly threw?: boolean;
  readonly more?: object;
}

/** Whether its end says no more than that, or than a value: of several such, a driver makes one word. */
const isPlain = ({ live, message }: Work, threw: boolean): boolean => !live.durable && message !== undefined && !threw;

const saidOf = ({ actor, input: { source, epoch, sequence, bytes }, entry }: Deliver, body: unknown): Event => {
  return entry?.kind === "tell"
    ? { type: "applied", actor, source, epoch, after: sequence - 1, through: sequence, bytes }
    : { type: "replied", actor, source, epoch, replies: [{ sequence, bytes, body }] };
};

const isRelayed = (amount: number): boolean => amount % 4 === 0;
const partsMax = 3;

export function handlers(scene: Scene, { post, crashActor, late }: Ways): Handlers {
  const { accounts, store, laws, rules } = scene;
  let runs = 0;

  function runActor(process: Process, live: Live, b: number): void {
    if (!process.alive || live.ended || !canRun(live, rules)) return;
    if (live.owesSnapshot && live.running === undefined) {
      live.owesSnapshot = false;
      scene.tell(process, { type: "snapshotted", actor: live.name, state: live.state });
      return;
    }
    if (live.mailbox.length > 0 && rules.isFree(live.running) && (live.aside.length === 0 || b % 2 === 0)) {
      return begin(process, live);
    }
    const running = live.running ?? live.aside[0]!;
    const message = running.delivery.entry?.body as Message | undefined;
    const life = lifeOf(process, live);
    laws.presence.stepped(life, running.run, false);
    laws.presence.acted(process.id);
    goOn({ process, live, running, message, b });
  }

  function begin(process: Process, live: Live): void {
    const delivery = live.mailbox.shift()!;
    const { entry, input } = delivery;
    const message = entry?.body as Message | undefined;
    const running: Running = {
      delivery,
      run: runs += 1,
      phase: "begun",
      isTold: false,
      isRelayed: false,
      asked: 0,
      token: 0,
      answer: undefined,
      yielded: 0,
      isOver: false,
    };
    if (live.running !== undefined) live.aside.push(live.running);
    live.running = running;
    scene.trace(`${live.name} begins ${message?.id ?? input.timer}`);
    laws.presence.stepped(lifeOf(process, live), running.run, false);
    laws.presence.acted(process.id);
    process.meanings.set(meaningKey({ actor: live.name, input }), delivery);
    scene.count("handler begun");
    if (message !== undefined && message.ref !== "") scene.count("reference handed over");
    if (message !== undefined && message.ref !== "" && !store.tensors.has(message.ref) && !process.isZombie) {
      const source = scene.processes[homeOf(input.source)];
      const hasSender = isDurable(input.source) || source?.core.epoch === message.era;
      const isKept = !hasSender || laws.order.rolledBack.size > 0;
      laws.must(isKept, "L9", () => `${message.ref} of ${message.id} is gone before its handler`);
    }
    scene.tell(process, { type: "began", actor: live.name, input, chain: entry?.chain ?? [] });
    if (message === undefined || !process.alive) return;
    const work = { process, live, running, message, b: 0 };
    if (message.do === "quiz") quiz(work, message);
    if (message.do === "askpay" && live.durable && live.state.balance >= 2 * message.amount) ask(work, message);
  }

  function end(work: Work, { change, discard = false, threw = false, more = {} }: Ending = {}): void {
    const { process, live, running, message } = work;
    const { input } = running.delivery;
    const before = live.aside.findIndex(({ isOver }) => !isOver);
    live.running = before < 0 ? undefined : live.aside.splice(before, 1)[0];
    running.isOver = true;
    if (change !== undefined) live.state = fold(live.state, change);
    if (!live.durable && message !== undefined) {
      laws.order.handled(live.name, `${process.id}.${live.life}`, running.delivery);
    }
    laws.presence.stepped(lifeOf(process, live), running.run, !rules.endsEarly() || message?.do !== "series");
    scene.trace(`${live.name} ends ${message?.id ?? input.timer}${threw ? " with an error" : ""}`);
    const base = {
      type: "finished",
      actor: live.name,
      input,
      threw,
      body: live.state.asks,
      discard,
      ...more,
    } as const;
    const event: Event = isPlain(work, threw) && running.run % 2 === 0
      ? saidOf(running.delivery, live.state.asks)
      : change === undefined
      ? base
      : { ...base, change };
    late.set(process.id, event);
    scene.tell(process, event);
  }

  /** Asks a clerk something else in each run: where an earlier run was answered, that is a conflict. */
  function quiz({ process, live, running }: Work, message: Message): void {
    const odd = { from: live.name, node: nodeName(process.index), to: live.name, body: "", pins: [], token: 0 };
    const home = nodeName(homeOf(message.to));
    scene.tell(process, { type: "ask", digest: "", ...odd, bytes: 1 });
    scene.tell(process, { type: "ask", digest: "", ...odd, to: message.to, node: home, bytes: 1_000 });
    const question: Message = { ...message, id: `${message.id}/${running.run}`, do: "note", amount: running.run, n: 0 };
    const sending = { from: live.name, to: message.to, isAsk: true, live };
    for (let more = 1; running.run % 4 === 0 && more <= 3; more++) {
      post(process, { ...sending, message: { ...question, id: `${question.id}.${more}` }, isSilent: true });
    }
    running.phase = "asking";
    running.token = post(process, { ...sending, message: question });
    if (running.token !== 0) return;
    running.phase = "answered";
    running.answer = { outcome: "failed", threw: false, code: undefined };
  }

  /** Pays in at another account, or has it pay in at a third: asks inside asks. */
  function ask({ process, live, running }: Work, { id, to, amount }: Message): void {
    const next = isRelayed(amount) ? accounts[accounts.indexOf(to) + 1] : undefined;
    const era = process.core.epoch;
    const base = { id: `${id}/${running.asked + 1}`, amount, era, n: 0, run: 0, ref: "" };
    const message: Message = { ...base, do: next === undefined ? "deposit" : "askpay", to: next ?? to };
    if (next !== undefined) {
      scene.count("ask inside an ask");
      running.isRelayed = true;
    }
    running.phase = "asking";
    running.token = post(process, { from: live.name, to, message, isAsk: true, live });
    if (running.token === 0) {
      running.phase = "answered";
      const code = process.refusedNow;
      running.answer = { outcome: process.failedNow ? "failed" : "unknown", threw: false, code };
    } else scene.count("ask inside a handler");
  }

  function goOn(work: Work): void {
    const { process, live, running, message, b } = work;
    const { answer } = running;
    if (answer?.outcome === "unknown") {
      // Whether the other did it cannot be known from here: run again, and the same ask gets the same answer. But of
      // one that has ended, or is gone for good, no run would ever hear more.
      const isEnded = answer.code === "Ended";
      if (!isEnded && !(scene.isDraining && homeOf(message!.to) === scene.gone)) {
        scene.trace(`${live.name} gives up ${message!.id}: its ask is unknown`);
        return crashActor(process, live);
      }
      scene.count("ask given up for good");
      if (message!.do !== "quiz" || !isEnded) return end(work, { threw: true, discard: true });
    }
    if (answer?.outcome === "done" && message!.do !== "quiz") {
      running.asked += 1;
      running.answer = undefined;
      if (running.asked <= message!.amount % 2) return ask(work, message!);
    }
    if (message === undefined) return end(work);
    if (message.do === "series") return yieldNext(work);
    if (!live.durable) return end(work, { threw: b % 16 === 5 });
    conclude(work, message);
  }

  /** A part of a series, and another each time, until there are enough. */
  function yieldNext(work: Work): void {
    const { process, live, running, message } = work;
    running.phase = "yielding";
    running.yielded += 1;
    scene.trace(`${live.name} yields part ${running.yielded} of ${message!.id}`);
    if (running.yielded === 1 && rules.endsEarly()) {
      end(work);
      if (process.alive && !live.ended) live.aside.push(running);
      return;
    }
    if (running.yielded < partsMax) return;
    if (!running.isOver) return end(work);
    live.aside.splice(live.aside.indexOf(running), 1);
    laws.presence.stepped(lifeOf(process, live), running.run, true);
  }

  function conclude(work: Work, message: Message): void {
    const { process, live, running, b } = work;
    const ref = store.tensors.has(message.ref) ? message.ref : "";
    const asChange = (delta: number): Change => {
      const input = { input: { delta, ref, ask: running.delivery.entry?.kind === "call" ? 1 : 0 } };
      return live.name[0] === "b" ? input : { state: fold(live.state, input) };
    };
    const more = {
      ...(ref === "" ? {} : { pins: [ref] }),
      ...(b % 8 === 3 ? { timersSet: [{ id: `${live.name}!${running.run}`, at: running.run }] } : {}),
    };
    const { amount } = message;
    if (message.do === "quiz") {
      const isAnswered = running.answer?.outcome === "done";
      return end(work, { change: isAnswered ? asChange(0) : undefined, threw: !isAnswered });
    }
    if (message.do === "deposit") return end(work, { change: asChange(amount), more });
    if (message.do === "askpay") {
      return end(work, { change: asChange(running.isRelayed ? 0 : -amount * running.asked), more });
    }
    if (running.phase !== "told") {
      // A payment that is passed on waits until there is room for it.
      const isTold = message.do === "relay" ? relay(work, message) : sayAll(work, message);
      if (message.do === "relay" && !isTold) return;
      running.phase = "told";
      running.isTold = isTold;
      return;
    }
    if (message.do === "relay") return end(work, { change: asChange(0) });
    if (b % 16 === 7) return end(work, { discard: true, threw: true });
    end(work, { change: asChange(running.isTold ? -amount : 0), more });
    if (process.alive && running.isTold) scene.count("payment told");
  }

  /** Passes a payment on to the next account, of an amount drawn by chance. */
  function relay(work: Work, cause: Message): boolean {
    const { live, process } = work;
    const to = accounts[accounts.indexOf(live.name) + 1];
    if (to === undefined) return true;
    return say(work, to, { ...cause, amount: 1 + rules.draw(live, process) % 9 }, "relay");
  }

  /** What a payment tells: a note to a clerk, now and then one that asks and does not wait, and the deposit. */
  function sayAll(work: Work, message: Message): boolean {
    const { process, live, running: { run }, b } = work;
    const clerk: ActorName = `c${b % scene.nodes}`;
    if (message.amount % 3 === 0) say(work, clerk, message, "note");
    if (b % 16 === 9) {
      const note: Message = { ...message, id: `${message.id}/q`, do: "note", run, ref: "" };
      post(process, { from: live.name, to: clerk, message: note, isAsk: true, live });
    }
    const canPay = live.state.balance >= message.amount && message.to !== live.name;
    return canPay && say(work, message.to, message, "deposit");
  }

  function say({ process, live, running }: Work, to: ActorName, cause: Message, what: Message["do"]): boolean {
    const { amount } = cause;
    const ref = store.tensors.has(cause.ref) ? cause.ref : "";
    const id = `${cause.id}/${what === "note" ? "n" : "t"}`;
    const era = process.core.epoch;
    const message: Message = { id, do: what, to, amount, era, n: 0, run: running.run, ref };
    return post(process, { from: live.name, to, message, isAsk: false, ref }) !== 0;
  }

  return { runActor };
}
