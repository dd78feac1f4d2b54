// A process that is a node of a small bank, or believes to be: accounts that pay each other by messages, on the real
// driver and journal, over a store.
import type { Logs, Position, Store } from "../../stores/store.ts";
import type { Sending } from "../delivery/events.ts";
import type { Change, StepRecord } from "../delivery/protocol.ts";
import type { Environment } from "../environment.ts";
import { type Body, openBody, plainBody } from "../nodes/body.ts";
import { type Driver, driver, type Order } from "../nodes/driver.ts";
import { journal } from "../nodes/journal.ts";
import type { State } from "../nodes/states.ts";
import { mail } from "./mail.ts";

export interface Payment {
  readonly id: number;
  readonly from: string;
  readonly to: string;
  readonly amount: number;
}

interface Message extends Payment {
  readonly do: "pay" | "deposit";
}

/** `paid` and `got` are the payments that made it what it is, in their order. */
export interface Account {
  readonly balance: number;
  readonly paid: readonly number[];
  readonly got: readonly number[];
}

export const opening: Account = { balance: 100, paid: [], got: [] };
export const nodes: readonly string[] = ["n0", "n1"];
export const accounts: readonly string[] = ["a0", "a1", "a2", "a3"];
export const homeOf = (account: string): string => nodes[Number(account.slice(1)) % nodes.length]!;

export interface ProcessParts {
  readonly node: string;
  readonly store: Store;
  readonly environment: Environment;
  readonly token: string;
  /** The store has given what no store may. */
  readonly violated: (what: string) => void;
  /** Something was committed, or settled, or has ended. */
  readonly happened: (what: "committed" | "settled" | "stopped") => void;
}

export interface Process {
  readonly node: string;
  /** Told once for each payment that it ordered and whose end it learnt. */
  readonly outcomes: ReadonlyMap<number, "done" | "failed" | "unknown">;
  readonly ordered: readonly Payment[];
  /** What its accounts have committed, as far as it was told. */
  readonly committed: ReadonlyMap<string, Account>;
  readonly isOver: boolean;
  readonly epoch: number;
  /** Rejects with Fenced where another was faster. */
  start(): Promise<void>;
  order(payment: Payment): void;
  /** It is gone in the middle of whatever it did: nothing that it waits for is heard of any more. */
  kill(): void;
  close(): Promise<void>;
}

interface Running {
  readonly order: Extract<Order, { type: "deliver" }>;
  readonly message: Message;
}

const tickMs = 50;
const pauseMs = 20;
const nobody = (): undefined => undefined;
const messageOf = (body: unknown): Message => openBody(body as Body, nobody) as Message;
/** As journals keep states: how an actor was born, which here is nowhere asked, and its fields. */
function stateOf(account: string, fields: Account): State {
  const birth = { class: "", name: account, input: plainBody(undefined), seed: 0, options: {} };
  return { birth, fields: plainBody(fields) };
}

const accountOf = (change: Change): Account =>
  "state" in change ? openBody((change.state as State).fields, nobody) as Account : opening;

const placeOf = ({ epoch, sequence }: Position): string => `${epoch}-${sequence}`;

function outOfOrder(after: Position | undefined, entries: readonly Position[]): string | undefined {
  let last = after;
  for (const one of entries) {
    const isNext = last === undefined || (one.epoch - last.epoch || one.sequence - last.sequence) > 0;
    if (!isNext) return `${placeOf(one)} behind ${placeOf(last!)}`;
    last = one;
  }
  return undefined;
}

function after(state: Account, { do: what, id, amount }: Message): Account {
  if (what === "pay") return { ...state, balance: state.balance - amount, paid: [...state.paid, id] };
  return { ...state, balance: state.balance + amount, got: [...state.got, id] };
}

export function process({ node, store, environment, token, violated, happened }: ProcessParts): Process {
  let isKilled = false;
  let isOver = false;
  let tokens = 0;
  const states = new Map<string, Account>();
  const committed = new Map<string, Account>();
  const running = new Map<string, Running>();
  const mailboxes = new Map<string, Running["order"][]>();
  const waiting = new Map<number, { readonly account: string } | { readonly payment: number }>();
  const outcomes = new Map<number, "done" | "failed" | "unknown">();
  const ordered: Payment[] = [];
  const desk = `desk.${node}.${token}`;

  /** Of one that was killed no call comes back. */
  const lost = <T>(call: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      call.then((value) => isKilled || resolve(value), (error: unknown) => isKilled || reject(error));
    });
  const logs: Logs = {
    append: (...call) => lost(store.logs.append(...call)),
    async read(stream, after, options) {
      const entries = await lost(store.logs.read(stream, after, options));
      const wrong = outOfOrder(after, entries);
      if (wrong === undefined) return entries;
      const what = `L1 prefix: ${stream} is read out of order: ${wrong}`;
      violated(what);
      // Whoever reads on from there would never come to an end.
      throw new Error(what);
    },
    trim: (...call) => lost(store.logs.trim(...call)),
    streams: (prefix) => lost(store.logs.streams(prefix)),
  };
  const claims = {
    ...store.claims,
    claim: (...call: Parameters<typeof store.claims.claim>) => lost(store.claims.claim(...call)),
  };
  const keeper = journal({ node, token, logs, claims, environment });
  const others = nodes.filter((other) => other !== node);
  const pause = (): Promise<void> => new Promise((resolve) => void environment.after(pauseMs, resolve));
  const link = mail({ logs, node, others, epoch: () => own.core.epoch, pause });

  const own: Driver = driver({
    run: store.run,
    token: "",
    name: node,
    limits: {},
    environment,
    journal: keeper,
    link,
    tickMs,
    orders: {
      order: take,
      // Its mail may be here before it was spawned.
      expect(actor) {
        if (accounts.includes(actor)) own.happen({ type: "spawned", actor, durable: true });
      },
      committed: learn,
      refused() {},
      strange() {},
      turned() {},
      settled() {},
      stopped() {
        isOver = true;
        happened("stopped");
      },
    },
  });

  function take(order: Order): void {
    if (isKilled) return;
    switch (order.type) {
      case "restore": {
        const last = order.changes.at(-1);
        const state = last === undefined ? opening : accountOf(last);
        states.set(order.actor, state);
        return void committed.set(order.actor, state);
      }
      case "deliver":
        mailboxes.set(order.actor, [...mailboxes.get(order.actor) ?? [], order]);
        return begin(order.actor);
      case "reload":
        running.delete(order.actor);
        mailboxes.delete(order.actor);
        return void states.set(order.actor, committed.get(order.actor) ?? opening);
      case "snapshot": {
        const state = stateOf(order.actor, states.get(order.actor) ?? opening);
        return own.happen({ type: "snapshotted", actor: order.actor, state });
      }
      case "settle":
        return settle(order.token, order.threw ? "failed" : order.outcome);
      case "answered":
        return order.tokens.forEach((token) => settle(token, "done"));
      // Nobody here waits for these: what they tell shows in the books. Of all that are told something each is durable.
      case "deliverAll":
      case "left":
      case "gap":
      case "suspended":
      case "resumed":
      case "pin":
      case "unpin":
      case "schedule":
        return;
    }
  }

  function begin(account: string): void {
    if (running.has(account)) return;
    const [order, ...rest] = mailboxes.get(account) ?? [];
    if (order === undefined) return;
    mailboxes.set(account, rest);
    const message = messageOf(order.entry?.body);
    const { input } = order;
    running.set(account, { order, message });
    own.happen({ type: "began", actor: account, input, chain: [] });
    if (message.do === "deposit") return end(account, true);
    // Whether there is room to pass it on is known before anything is taken off.
    waiting.set(tokens += 1, { account });
    own.happen({ type: "tell", ...sendingOf(account, message.to, { ...message, do: "deposit" }, tokens) });
  }

  function sendingOf(from: string, to: string, message: Message, token: number): Sending {
    const body = plainBody(message);
    return { from, node: homeOf(to), to, body, bytes: body.text?.length ?? 0, pins: [], token };
  }

  function end(account: string, isDone: boolean): void {
    const work = running.get(account);
    if (work === undefined) return;
    running.delete(account);
    const state = after(states.get(account) ?? opening, work.message);
    const { input } = work.order;
    const base = { type: "finished", actor: account, input, body: plainBody(undefined) } as const;
    if (isDone) {
      states.set(account, state);
      own.happen({ ...base, threw: false, discard: false, change: { state: stateOf(account, state) } });
    } else own.happen({ ...base, threw: true, discard: true });
    begin(account);
  }

  function settle(token: number, outcome: "done" | "failed" | "unknown"): void {
    const waiter = waiting.get(token);
    waiting.delete(token);
    if (waiter === undefined) return;
    if ("account" in waiter) return end(waiter.account, outcome === "done");
    outcomes.set(waiter.payment, outcome);
    happened("settled");
  }

  function learn({ actor, change }: StepRecord): void {
    if (isKilled) return;
    if (change !== undefined) committed.set(actor, accountOf(change));
    happened("committed");
  }

  return {
    node,
    outcomes,
    ordered,
    committed,
    get isOver() {
      return isOver || isKilled;
    },
    get epoch() {
      return own.core.epoch;
    },
    async start() {
      await own.start(await keeper.standing());
      for (const actor of accounts) if (homeOf(actor) === node) own.happen({ type: "spawned", actor, durable: true });
      own.happen({ type: "spawned", actor: desk, durable: false });
    },
    order(payment) {
      ordered.push(payment);
      waiting.set(tokens += 1, { payment: payment.id });
      const sending = sendingOf(desk, payment.from, { ...payment, do: "pay" }, tokens);
      own.happen({ type: "ask", digest: `${payment.id}`, ...sending });
    },
    kill() {
      isKilled = true;
      void own.close();
    },
    async close() {
      if (!isKilled) await own.close();
    },
  };
}
