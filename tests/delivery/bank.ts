// The programs of the simulated world: desks that order payments, accounts that make them (handlers.ts), and what
// becomes of their messages: who waits for what, and what it came to.

import type { Command, Event } from "../../runtime/delivery/events.ts";
import type { ActorName } from "../../runtime/delivery/protocol.ts";
import { handlers } from "./handlers.ts";
import { homeOf, type Message } from "./laws/message.ts";
import { type Live, nodeName, type Process } from "./process.ts";
import type { Bank, Posting, Scene } from "./scene.ts";

export function bank(scene: Scene): Bank {
  let ids = 0;
  let tokens = 0;
  let orders: number | undefined;
  const late = new Map<number, Event>();
  const nextId = (): string => `m${ids += 1}`;

  function post(process: Process, { from, to, message, isAsk, ref = "", live, isSilent = false }: Posting): number {
    // Whoever has ended says nothing: what a reference of theirs is asked to do is refused.
    if (process.actors.get(from)?.ended === true) return 0;
    const token = isSilent ? 0 : (tokens += 1);
    const stream = `${from}>${to}`;
    const n = (process.numbers.get(stream) ?? 0) + 1;
    const body: Message = { ...message, n };
    const pins = ref === "" ? [] : [ref];
    const bytes = 5 + (ref === "" ? 0 : 20);
    const lastBefore = process.core.actors.get(from)?.outbounds.get(to)?.last ?? 0;
    if (!isSilent) process.tokens.set(token, { live, id: message.id, to });
    if (isAsk && !isSilent) scene.laws.asked(token, body, to);
    process.failedNow = false;
    process.refusedNow = undefined;
    process.settledNow.clear();
    const sending = { from, node: nodeName(homeOf(to)), to, body, bytes, pins, token };
    scene.trace(`${from} ${isAsk ? "asks" : "tells"} ${to} to ${message.do} (${message.id}, ${message.amount})`);
    const digest = `${message.do} ${message.amount}`;
    scene.laws.order.numbered(from, to, message.era, n, message.id);
    // What is sent comes to the core alone or, were there more, with its neighbours.
    const isAlone = token % 2 === 0;
    const letters = [{ ...sending, digest }];
    const asks: Event = isAlone ? { type: "ask", digest, ...sending } : { type: "asks", ...sending, letters };
    const tells: Event = isAlone ? { type: "tell", ...sending } : { type: "tells", ...sending, letters };
    scene.tell(process, isAsk ? asks : tells);
    if (process.settledNow.has(token) && (process.failedNow || live !== undefined)) return 0;
    if (isSilent && process.core.actors.get(from)?.outbounds.get(to)?.last === lastBefore) return 0;
    process.numbers.set(stream, n);
    return token;
  }

  function send(process: Process, a: number, b: number): void {
    if (orders !== undefined) return sendOrder();
    const { accounts } = scene;
    const at = (offset: number): ActorName => accounts[(a + offset) % accounts.length]!;
    const choice = b % 8;
    const isAsk = choice === 3 || choice === 5 || choice === 7;
    const to = choice < 6 ? at(0) : `c${b % scene.nodes}`;
    const rank = accounts.indexOf(to);
    const higher = accounts[rank + 1 + (b % Math.max(1, accounts.length - rank - 1))];
    const isAskpay = choice >= 4 && choice < 6 && higher !== undefined;
    const kind: Message["do"] = choice >= 6 ? (b % 16 >= 8 ? "series" : "note") : isAskpay ? "askpay" : "pay";
    const payee = isAskpay ? higher : at(1 + b % (accounts.length - 1));
    const ref = b % 4 === 1 ? `${scene.run}/t${ids}` : "";
    if (ref !== "") scene.store.write(ref);
    const base = { to: payee, amount: 1 + b % 9, era: process.core.epoch, n: 0, run: 0 };
    const message: Message = { id: nextId(), do: kind, ref, ...base };
    post(process, { from: `d${process.index}`, to, message, isAsk, ref });
  }

  function sendOrder(): void {
    const process = scene.processes[0];
    const to = scene.accounts[0]!;
    if (process?.ready !== true || orders === undefined || orders === 0) return;
    const id = `m${ids + 1}`;
    const message: Message = { id, do: "relay", to, amount: 1, era: process.core.epoch, n: 0, run: 0, ref: "" };
    if (post(process, { from: "d0", to, message, isAsk: false }) === 0) return;
    ids += 1;
    orders -= 1;
  }

  function settle(process: Process, { token, outcome, threw, code, body }: Extract<Command, { type: "settle" }>): void {
    const waiter = process.tokens.get(token);
    scene.laws.must(waiter !== undefined, "L4", () => `token ${token} was settled twice`);
    if (waiter === undefined) return;
    process.tokens.delete(token);
    process.settledNow.add(token);
    if (outcome === "failed") process.failedNow = true;
    process.refusedNow = code;
    scene.count(`settled ${outcome}${code === undefined ? "" : ` ${code}`}`);
    scene.trace(`${waiter.id} to ${waiter.to} is ${outcome}${code === undefined ? "" : ` (${code})`}`);
    scene.laws.settled(token, outcome, threw, body, code);
    const isWithdrawn = outcome === "failed" && (code === "Timeout" || code === "Suspended");
    if (isWithdrawn) scene.laws.order.withdrawn(waiter.id);
    const { live } = waiter;
    const running = live === undefined ? undefined : [live.running, ...live.aside].find((one) => one?.token === token);
    if (running === undefined) return;
    running.phase = "answered";
    running.answer = { outcome, threw, code };
  }

  function forgetMemory(process: Process, live: Live): void {
    live.running = undefined;
    live.aside.length = 0;
    live.mailbox = [];
    live.life += 1;
    for (const [token, waiter] of process.tokens) if (waiter.live === live) process.tokens.delete(token);
  }

  function crashActor(process: Process, live: Live, before?: Event): void {
    if (live.ended) return;
    scene.trace(`${live.name} crashes${live.running === undefined ? "" : " inside a handler"}`);
    forgetMemory(process, live);
    live.loading = live.durable;
    scene.tell(process, ...(before === undefined ? [] : [before]), { type: "crashed", actor: live.name });
    // What was delivered before the crash went to the memory that is lost.
    live.mailbox = [];
  }

  function endActor(process: Process, live: Live): void {
    if (live.ended || live.loading) return;
    forgetMemory(process, live);
    live.ended = true;
    live.owesSnapshot = false;
    scene.laws.presence.ended(process.id, live.name);
    scene.tell(process, { type: "ended", actor: live.name });
  }

  return {
    send,
    order: (count) => void (orders = count),
    hasOrders() {
      if (orders === undefined) return false;
      for (let before = -1; orders !== before; sendOrder()) before = orders;
      return orders > 0;
    },
    settle,
    runActor: handlers(scene, { post, crashActor, late }).runActor,
    crashActor,
    endActor,
    sendOdd(process, a, b) {
      const from = `d${process.index}`;
      const account = scene.accounts[a % scene.accounts.length]!;
      const to = `c${b % scene.nodes}`;
      const message = { id: nextId(), to, amount: 1, era: process.core.epoch, n: 0, run: 0, ref: "" };
      if (b % 4 === 0) post(process, { from, to, message: { ...message, do: "note" }, isAsk: true, isSilent: true });
      else post(process, { from, to: account, message: { ...message, do: "quiz" }, isAsk: b % 8 === 1 });
    },
    late,
  };
}
