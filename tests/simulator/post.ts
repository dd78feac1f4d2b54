// Actors on several nodes that send each other numbered messages, and a witness outside of all of them who compares
// what was said with what was heard: the laws of delivery, over whole systems.
import { Actor } from "../../runtime/actor.ts";
import type { ActorRef } from "../../runtime/ref.ts";
import type { Simulated } from "../../runtime/simulator/mod.ts";
import type { TensorRef } from "../../stores/store.ts";
import { isShoalError } from "../../stores/error.ts";
import { persistently, spawned } from "./bank.ts";

/** One thing that somebody is to say. */
export interface Act {
  /** 0 is the program itself, the others speak from nodes. */
  readonly from: number;
  readonly to: number;
  readonly how: "tell" | "ask" | "tensor";
  readonly timeoutMs: number;
  readonly isAwaited: boolean;
}

interface Said {
  readonly from: string;
  readonly number: number;
  readonly tensor: TensorRef<"float64"> | null;
}

interface Told {
  readonly to: ActorRef<Volatile> | ActorRef<Durable>;
  readonly listener: number;
  readonly how: Act["how"];
  readonly timeoutMs: number;
}

interface Message {
  readonly key: string;
  readonly from: string;
  readonly listener: number;
  readonly number: number;
  readonly how: Act["how"];
  outcome: string | undefined;
  /** Whether it was done before the listeners were asked what they had heard. */
  isDue: boolean;
}

/** What really happened. */
export class Witness {
  readonly messages: Map<string, Message> = new Map();
  /** What each life of a volatile listener has heard, in order. */
  readonly lives: Map<object, { readonly listener: number; readonly heard: string[] }> = new Map();
  readonly faults: string[] = [];
  readonly counts: Map<string, number> = new Map();
  readonly #numbers = new Map<string, number>();

  say(from: string, listener: number, how: Act["how"]): Message {
    const stream = `${from}>${listener}`;
    const number = (this.#numbers.get(stream) ?? 0) + 1;
    this.#numbers.set(stream, number);
    const message = {
      key: keyOf(from, listener, number),
      from,
      listener,
      number,
      how,
      outcome: undefined,
      isDue: false,
    };
    this.messages.set(message.key, message);
    return message;
  }

  hear(life: object, listener: number, { from, number }: Said): void {
    const known = this.lives.get(life) ?? { listener, heard: [] };
    this.lives.set(life, known);
    known.heard.push(keyOf(from, listener, number));
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}

const keyOf = (from: string, listener: number, number: number): string => `${from}>${listener}#${number}`;

let witness = new Witness();

async function settled(message: Message, call: PromiseLike<unknown>): Promise<void> {
  try {
    await call;
    message.outcome = "done";
  } catch (error) {
    if (!isShoalError(error)) throw error;
    message.outcome = error.outcome;
    witness.count(`${message.how} ${error.code} ${error.outcome}`);
  }
}

async function speak(from: string, told: Told, put: (number: number) => Promise<TensorRef<"float64">>): Promise<void> {
  const { to, listener, how, timeoutMs } = told;
  const listening = to as ActorRef<Volatile>;
  // A store that fails fails the put, before anything is said.
  const tensor = how === "tensor" ? await put(listener).catch(() => undefined) : null;
  if (tensor === undefined) return;
  const message = witness.say(from, listener, how);
  const said: Said = { from, number: message.number, tensor };
  await settled(
    message,
    how === "ask" ? listening.ask("hear", said, { timeoutMs }) : listening.tell("hear", said, { timeoutMs }),
  );
}

const elements = 1_500;

class Speaker extends Actor<Speaker> {
  async say(told: Told): Promise<void> {
    await speak(
      this.self.id,
      told,
      (number) =>
        this.store.put({ data: new Float64Array(elements).fill(number), dtype: "float64" }, { lifetime: { reads: 1 } }),
    );
  }
}

/** What is wrong with a tensor that a message brings, if anything. */
async function look(actor: Actor, listener: number, { tensor, from, number }: Said): Promise<string | undefined> {
  if (tensor === null) return undefined;
  try {
    const { data } = await actor.store.get(tensor);
    witness.count("tensor read");
    return data.length === elements && data[0] === listener ? undefined : `L9: ${from} ${number} holds ${data[0]}`;
  } catch (error) {
    if (!isShoalError(error)) throw error;
    // The store's own fault, or that of a handler whose life has ended or whose asker waits no more.
    const isExcused = ["Unavailable", "ShuttingDown", "Fenced"].includes(error.code) || actor.signal.aborted;
    return isExcused ? undefined : `L9: ${from} ${number}: ${error.code}`;
  }
}

class Volatile extends Actor {
  readonly #listener: number;

  constructor(listener: number) {
    super();
    this.#listener = listener;
  }

  async hear(said: Said): Promise<number> {
    witness.hear(this, this.#listener, said);
    const fault = await look(this, this.#listener, said);
    if (fault !== undefined) witness.faults.push(fault);
    return said.number;
  }
}

export interface Heard {
  readonly heard: readonly string[];
  readonly fold: number;
  /** In the state, since a zombie's handler may miss what its successor has had. */
  readonly faults: readonly string[];
}

class Durable extends Actor {
  static readonly durable = true;
  listener: number;
  heard: string[] = [];
  fold = 0;
  faults: string[] = [];

  constructor(listener: number) {
    super();
    this.listener = listener;
  }

  async hear(said: Said): Promise<number> {
    const key = keyOf(said.from, this.listener, said.number);
    this.heard.push(key);
    const fault = await look(this, this.listener, said);
    if (fault !== undefined) this.faults.push(fault);
    this.fold = folded(this.fold, key);
    return said.number;
  }

  look(): Heard {
    const { heard, fold, faults } = this;
    return { heard, fold, faults };
  }
}

export function folded(fold: number, key: string): number {
  for (let at = 0; at < key.length; at++) fold = (Math.imul(fold, 31) + key.charCodeAt(at)) | 0;
  return fold;
}

export const listeners = ["volatile", "durable", "volatile", "durable"] as const;

/** Says all of it, waits until the program's own messages have settled, and answers what the durable ones have heard. */
export function post(acts: readonly Act[], quietMs = 3_600_000): { program: Simulated<Heard[]>; witness: Witness } {
  const own = new Witness();
  const program: Simulated<Heard[]> = async (system, world) => {
    witness = own;
    const node = (index: number): string => `n${1 + index % 3}`;
    const options = (index: number): { name: string; node: string } => ({
      name: `listener-${index}`,
      node: node(index),
    });
    const all = await Promise.all(listeners.map((kind, index) =>
      persistently<ActorRef<Volatile> | ActorRef<Durable>>(
        async () =>
          kind === "volatile" ? await system.spawn(Volatile, index, { node: node(index) }) : await spawned(
            () => system.spawn(Durable, index, options(index)),
            () => system.find(Durable, options(index).name),
          ),
        world,
        quietMs,
      )
    ));
    const speakers = new Map<number, ActorRef<Speaker>>();
    const calls: Promise<void>[] = [];
    for (const { from, to, how, timeoutMs, isAwaited } of acts) {
      const told: Told = { to: all[to]!, listener: to, how, timeoutMs };
      const call = from === 0
        ? speak(
          "main",
          told,
          (number) =>
            system.store.put({ data: new Float64Array(elements).fill(number), dtype: "float64" }, {
              lifetime: { reads: 1 },
            }),
        )
        : (async () => {
          const speaker = speakers.get(from) ?? await system.spawn(Speaker, undefined, { node: node(from) });
          speakers.set(from, speaker);
          await speaker.ask("say", told);
        })().catch((error: unknown) => {
          if (!isShoalError(error)) throw error;
          // The next to speak from there is another.
          speakers.delete(from);
        });
      calls.push(call);
      if (isAwaited) await call;
    }
    await Promise.all(calls);
    // Those whom the program could not reach any more may still speak.
    for (const message of own.messages.values()) message.isDue = message.outcome === "done";
    return await Promise.all(
      all.filter((_, index) => listeners[index] === "durable").map((listener) =>
        persistently(
          () => (listener as ActorRef<Durable>).ask("look", undefined, { timeoutMs: 60_000 }),
          world,
          quietMs,
        )
      ),
    );
  };
  return { program, witness: own };
}

/** What breaks a law, in words. Of what a volatile actor misses, zombies are an excuse. */
export function violations(
  { messages, lives, faults }: Witness,
  durable: readonly Heard[],
  hasZombies: boolean,
): string[] {
  const found = [...(hasZombies ? [] : faults), ...durable.flatMap((one) => one.faults)];
  const times = new Map<string, number>();
  const sequences = [
    ...[...lives.values()].map(({ heard }) => ({ heard, isKept: false })),
    ...durable.map(({ heard }) => ({ heard, isKept: true })),
  ];
  for (const { heard } of sequences) {
    const last = new Map<string, number>();
    const epochs = new Map<string, number>();
    for (const key of heard) {
      times.set(key, (times.get(key) ?? 0) + 1);
      const message = messages.get(key);
      if (message === undefined) {
        found.push(`L1: ${key} was never said`);
        continue;
      }
      const { from, listener, number } = message;
      const stream = `${from}>${listener}`;
      const before = last.get(stream) ?? 0;
      if (number <= before) found.push(`L1: ${key} was heard after ${before}`);
      for (let missing = before + 1; before > 0 && missing < number; missing++) {
        const skipped = messages.get(keyOf(from, listener, missing))!;
        // What never left is no hole, nor what its asker did not wait for any more.
        const isGivenUp = skipped.outcome === "failed" || (skipped.how === "ask" && skipped.outcome === "unknown");
        if (!isGivenUp) found.push(`L1: ${skipped.key} (${skipped.outcome}) was passed over for ${number}`);
      }
      last.set(stream, Math.max(before, number));
      const [, node = "", epoch = "1"] = /^([a-z0-9]+)(?:\.(\d+))?\//.exec(from) ?? [];
      if (node === "") continue;
      if (Number(epoch) < (epochs.get(node) ?? 0)) {
        found.push(`L5: ${key} was heard after epoch ${epochs.get(node)} of ${node}`);
      }
      epochs.set(node, Math.max(Number(epoch), epochs.get(node) ?? 0));
    }
  }
  for (const { heard, fold } of durable) {
    const expected = heard.reduce(folded, 0);
    if (expected !== fold) found.push(`L12: the state is not the fold of ${heard.length} messages`);
  }
  for (const { key, from, listener, outcome, how, isDue } of messages.values()) {
    const heard = times.get(key) ?? 0;
    const isKept = listeners[listener] === "durable";
    if (heard > 1) found.push(`L1: ${key} was heard ${heard} times`);
    if (outcome === "failed" && heard > 0) found.push(`L4: ${key} was said to have failed, and was heard`);
    if (isDue && how === "ask" && heard === 0) found.push(`L4: ${key} was answered, and not heard`);
    if (isDue && isKept && from === "main" && heard === 0) found.push(`L2: ${key} was lost`);
    if (outcome === undefined && from === "main") found.push(`L3: ${key} never settled`);
  }
  return found;
}
