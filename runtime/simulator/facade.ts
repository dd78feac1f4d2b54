// What an actor stands on, before a port: each thing that it can do to the world goes through, with the real ground
// behind it while it is recorded, and with nothing behind it when it is played again.

import type { Ground, Log, LogFields } from "../actor.ts";
import type { Environment } from "../environment.ts";
import type { Work } from "../pool.ts";
import type { Random } from "../random.ts";
import type { AskOptions, StreamOptions, TellOptions } from "../ref.ts";
import { Reference, type Sender, type Source, type Target } from "../reference.ts";
import type { Result } from "../system.ts";
import { type Form, iterableOver, type Port } from "./part.ts";
import { words } from "./foreign.ts";
import { tensorsOver } from "./handled.ts";
import { sharingOver, topicOver } from "./topics.ts";
import { readError, writeError } from "./written.ts";

/** Options as far as they are data. */
function plain(options: object | undefined): unknown {
  if (options === undefined) return null;
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([key, value]) => [key, value instanceof AbortSignal ? "signal" : value]));
}

const given = (...all: unknown[]): unknown => all.map((one) => one ?? null);

/** A reference whose sends go through a port. */
export class PlayedReference extends Reference implements Sender {
  readonly #port: () => Port;
  readonly #real: Sender | undefined;

  constructor(target: Target, source: Source, life: number, port: () => Port, real?: Sender) {
    super(target, source, life);
    this.#port = port;
    this.#real = real;
  }

  tell(method: string, message?: unknown, options?: TellOptions): PromiseLike<void> {
    const what = `tells ${this.id} ${method}`;
    return this.#port().later(what, given(message, plain(options)), () => this.#real!.tell(method, message, options));
  }

  ask(method: string, message?: unknown, options?: AskOptions): Promise<never> {
    const what = `asks ${this.id} ${method}`;
    return this.#port().later(what, given(message, plain(options)), () => this.#real!.ask(method, message, options));
  }

  stream(method: string, message?: unknown, options?: StreamOptions): AsyncIterable<never> {
    const port = this.#port();
    const what = `stream of ${this.id} ${method}`;
    let flow: AsyncIterable<never> | undefined;
    port.act(`makes a ${what}`, given(message, plain(options)), () => {
      flow = this.#real!.stream(method, message, options);
    });
    return iterableOver(port, what, () => flow!, { keep: (step) => step, make: (kept) => kept as never });
  }
}

export function randomOver(port: Port, name: string, real?: () => Random): Random {
  const draw = <T>(what: string, from: unknown, call: (random: Random) => T): T =>
    port.now(`draws ${name}.${what}`, from, () => call(real!()));
  return {
    next: () => draw("next", null, (random) => random.next()),
    below: (bound) => draw("below", bound, (random) => random.below(bound)),
    hex: (digits) => draw("hex", digits, (random) => random.hex(digits)),
    shuffled(values) {
      const order = draw("shuffled", values.length, (random) => random.shuffled(values.map((_, index) => index)));
      return order.map((index) => values[index]!);
    },
    fork(label) {
      const forked = real?.().fork(label);
      return randomOver(port, `${name}.fork(${label})`, () => forked!);
    },
  };
}

/** The clock and the timers that are not the runtime's, which a simulation answers from its world. */
export function clockOver(port: Port, real?: Environment): Pick<Environment, "now" | "date" | "after"> {
  return {
    now: () => port.now(words.now, null, () => real!.now()),
    date: () => port.now(words.date, null, () => real!.date()),
    after: (delayMs, call) => port.once(words.timeout, delayMs, (ring) => real!.after(delayMs, ring), call),
  };
}

function logOver(port: Port, real: Log | undefined): Log {
  const level = (name: keyof Log) => (text: string, fields?: LogFields): void =>
    port.act(`logs ${name}`, given(text, fields), () => real![name](text, fields));
  return { debug: level("debug"), info: level("info"), warn: level("warn"), error: level("error") };
}

const results: Form<IteratorResult<Result<never>, undefined>> = {
  keep({ done = false, value }) {
    if (value?.error === undefined) return { done, value };
    return { done, index: value.index, error: writeError(value.error) };
  },
  make(kept) {
    const { error, index, ...step } = kept as IteratorResult<Result<never>> & { error?: string; index: number };
    return error === undefined ? step : { done: false, value: { index, error: readError(error) } };
  },
};

function poolOver(port: Port, name: string, real: Work | undefined): Work {
  const what = (verb: string, method: string): string => `has ${name} ${verb} ${method}`;
  return {
    get size() {
      return port.now(`looks how many ${name} has`, null, () => real!.size);
    },
    ask: (method, message, options) =>
      port.later(what("do", method), given(message, plain(options)), () => real!.ask(method, message, options)),
    map: (method, inputs, options) =>
      port.later(what("map", method), given(listed(inputs), plain(options)), () => real!.map(method, inputs, options)),
    results: (method, inputs, options) => {
      port.act(what("begin", method), given(listed(inputs), plain(options)), () => {});
      return iterableOver(port, what("do", method), () => real!.results(method, inputs, options), results);
    },
    share: (method, reading, options) =>
      sharingOver(port, what("share", method), () => real!.share(method, reading, options)),
    stop: (options) => port.later(`stops ${name}`, plain(options), () => real!.stop(options)),
  };
}

/** Inputs that are made as they are wanted are not taken out for the record. */
const listed = (inputs: Iterable<unknown>): unknown => Array.isArray(inputs) ? inputs : "as they are wanted";

/** The ground of one life. `self` is the actor as it sees itself. */
export function groundOver(port: Port, self: Reference, real?: Ground): Ground {
  let pools = 0;
  return {
    self,
    store: tensorsOver(port, real?.store),
    log: logOver(port, real?.log),
    get random() {
      const own = real?.random;
      if (port.random !== undefined) return port.random(own);
      return randomOver(port, "random", own && (() => own));
    },
    get signal() {
      const signal = real?.signal;
      const isOver = port.now("looks at its signal", null, () => signal!.aborted);
      const controller = new AbortController();
      if (isOver) controller.abort(signal?.reason);
      else {
        port.once(
          "waits for its signal",
          null,
          (call) => {
            signal!.addEventListener("abort", call, { once: true });
            return () => signal!.removeEventListener("abort", call);
          },
          () => controller.abort(signal?.reason),
        );
      }
      return signal ?? controller.signal;
    },
    now: () => port.now("reads the clock", null, () => real!.now()),
    spawn: (Class, input, options) =>
      port.later(`spawns ${Class.name}`, given(input, plain(options)), () => real!.spawn(Class, input, options)),
    async pool(Class, options) {
      const name = `pool ${++pools} of ${Class.name}`;
      const { supervision: _supervision, ...rest } = options;
      const pool = await port.later<unknown>(
        `makes ${name}`,
        plain(rest),
        () => real!.pool(Class, options),
        { keep: () => null, make: () => undefined },
      );
      return poolOver(port, name, pool as Work | undefined);
    },
    find: (Class, name) => port.later(`finds ${Class.name}`, name, () => real!.find(Class, name)),
    topic: (name, options) => topicOver(port, name, options, real && (() => real.topic(name, options))),
    timer(delayMs, repeat, method, message) {
      let timer: { cancel(): void } | undefined;
      const what = `timer for ${method}`;
      port.act(`sets a ${what}`, given(delayMs, repeat, message), () => {
        timer = real!.timer(delayMs, repeat, method, message);
      });
      return { cancel: () => port.act(`cancels a ${what}`, null, () => timer!.cancel()) };
    },
    watch: (actor, method) => port.act(`watches ${actor.id}`, method, () => real!.watch(actor, method)),
    stop: (actor, options) => port.later(`stops ${actor.id}`, plain(options), () => real!.stop(actor, options)),
  };
}
