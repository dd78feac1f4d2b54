// How one thread controls another: calls by Comlink, over a port of their own. What Comlink leaves open is closed here:
// a call to a thread that has ended is settled, and an error keeps its code and outcome.

import type { MessagePort } from "node:worker_threads";
import { type Endpoint, expose, transfer, transferHandlers, wrap } from "comlink";
import { type ErrorCode, isErrorCode, isShoalError, type Outcome, ShoalError } from "../../stores/error.ts";

export { transfer };

/** What another thread offers: each call is answered, or rejects with what ended that thread. */
export type Remote<T> = {
  readonly [K in keyof T]: T[K] extends (...given: infer G) => infer R ? (...given: G) => Promise<Awaited<R>> : never;
};

interface Thrown {
  readonly code: string | undefined;
  readonly outcome: Outcome;
  readonly message: string;
}

const usual = transferHandlers.get("throw");
if (usual !== undefined) {
  transferHandlers.set("throw", {
    canHandle: usual.canHandle,
    serialize(thrown: unknown) {
      const { value } = thrown as { readonly value: unknown };
      const error: Thrown = isShoalError(value)
        ? { code: value.code, outcome: value.outcome, message: value.message }
        : { code: undefined, outcome: "unknown", message: value instanceof Error ? value.message : String(value) };
      return [error, []];
    },
    deserialize(given: unknown): never {
      const { code, outcome, message } = given as Thrown;
      const known: ErrorCode = isErrorCode(code) ? code : "Unavailable";
      throw new ShoalError(known, message, { outcome });
    },
  });
}

/** Lets the thread at the other end of a port call these. */
export function offer(api: object, port: MessagePort): void {
  expose(api, endpoint(port));
}

/** The calls that the thread at the other end offers, until it has ended: `ended` then resolves with why. */
export function remote<T extends object>(
  port: MessagePort,
  names: readonly (keyof T)[],
  ended: Promise<Error>,
): Remote<T> {
  const proxy = wrap<{ [name: string]: (...given: unknown[]) => unknown }>(endpoint(port));
  // A race with the end would hold on to every call until then.
  const waiting = new Set<(error: Error) => void>();
  let over: Error | undefined;
  void ended.then((error) => {
    over = error;
    for (const reject of waiting) reject(error);
    waiting.clear();
  });

  function until<R>(call: PromiseLike<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      if (over !== undefined) return reject(over);
      waiting.add(reject);
      call.then(resolve, reject).then(() => waiting.delete(reject));
    });
  }

  const calls = names.map((name) => [name, async (...given: unknown[]) => {
    const call: unknown = proxy[String(name)];
    if (typeof call !== "function") throw new TypeError(`Cannot call ${String(name)}: it is not offered`);
    return await until(Reflect.apply(call, undefined, given) as PromiseLike<unknown>);
  }]);
  return Object.fromEntries(calls) as Remote<T>;
}

/** A port as Comlink wants it: an object of events, and no more of Node than that. */
function endpoint(port: MessagePort): Endpoint {
  const heard = new Map<object, (message: unknown) => void>();
  return {
    postMessage: (message, carried = []) => port.postMessage(message, carried as MessagePort[]),
    addEventListener(_type, listener) {
      const hear = (data: unknown): void => {
        const event = { data } as MessageEvent;
        if ("handleEvent" in listener) listener.handleEvent(event);
        else listener(event);
      };
      heard.set(listener, hear);
      port.on("message", hear);
    },
    removeEventListener(_type, listener) {
      const hear = heard.get(listener);
      if (hear !== undefined) port.off("message", hear);
      heard.delete(listener);
    },
    start: () => port.start(),
  };
}
