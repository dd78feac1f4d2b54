// Partial results between nodes: values go one way, credit the other, as notes between the two stewards. What ends a
// stream comes behind its last value.

import { ShoalError } from "../../stores/error.ts";
import { Parcel } from "../cells/call.ts";
import type { Cell } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import { nodeOf } from "../cells/posted.ts";
import { creditMaxDefault, openStream } from "../cells/sending.ts";
import type { StreamOptions } from "../ref.ts";
import type { Reference } from "../reference.ts";
import { Flow, type Yielded } from "../stream.ts";
import { bodyOfError, errorOf, openBody } from "./body.ts";
import type { Delivered } from "./calls.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Steward } from "./steward.ts";

export interface Streams {
  read(from: Reference, method: string, message: unknown, options: StreamOptions): AsyncIterable<never>;
  /** Sends what a generator yields to the caller of this message. */
  serve(delivered: Delivered, credit: number): void;
  lost(node: string): void;
  /** The nodes of those streams that are read. */
  expecting(): Iterable<string>;
  readonly services: {
    value(note: { readonly stream: number; readonly value: unknown }): void;
    over(note: { readonly stream: number; readonly error: unknown }): void;
    credit(note: { readonly reader: string; readonly stream: number; readonly values: number }): void;
    left(note: { readonly reader: string; readonly stream: number }): void;
  };
}

interface Reading {
  readonly node: string;
  readonly flow: Flow;
  readonly push: (value: unknown) => void;
}

interface Producing {
  readonly node: string;
  credit(values: number): void;
  left(): void;
}

export function streams(engine: Engine, parts: { outgoing(): Outgoing; steward(): Steward }): Streams {
  const { home } = engine;
  const readings = new Map<number, Reading>();
  const producings = new Map<string, Producing>();

  function read(from: Reference, method: string, message: unknown, options: StreamOptions): AsyncIterable<never> {
    const source = from.source as Cell;
    if (source.terms.durable) {
      const text =
        `Cannot stream ${method} of ${from.toString()}: a durable actor's step may run twice, and a stream cannot`;
      throw new ShoalError("BadInput", `${text}; ask for the values, or read them in an actor that is not durable`);
    }
    const credit = options.creditMax ?? creditMaxDefault;
    const node = nodeOf(from.id);
    return new Flow(credit, (flow) => {
      let stream = 0;
      const opened = openStream(from, method, options, flow, (_, failed) => {
        const { signal } = options;
        const call = parts.outgoing().open(
          from,
          method,
          message,
          Number.POSITIVE_INFINITY,
          signal,
          credit,
          // Its values may still be under way: its end comes behind them.
          () => {},
          (error) => {
            if (error instanceof ShoalError && error.outcome === "done") return;
            readings.delete(stream);
            failed(error);
          },
        );
        if (call === undefined) return undefined;
        stream = call.token;
        readings.set(stream, { node, flow, push: (value) => flow.push(yielded(from, stream, credit, value)) });
        return call;
      });
      return {
        waits: opened.waits,
        left() {
          taken.delete(stream);
          if (readings.delete(stream)) parts.steward().note(node, "left", { reader: source.id, stream });
          opened.left();
        },
      };
    });
  }

  const taken = new Map<number, number>();

  /** A value as its reader gets it: when that asks for the next, its producer may send another. */
  function yielded(from: Reference, stream: number, credit: number, value: unknown): Yielded {
    const source = from.source as Cell;
    const passage = home.passage(source, from.life);
    const passed = home.pass(value, passage);
    const { tensors } = passage;
    const parcel = tensors === undefined ? undefined : new Parcel(from, tensors, home.hold(tensors));
    if (parcel !== undefined) parcel.countsRead = false;
    return {
      value: passed,
      done() {
        if (parcel !== undefined) home.over(parcel, true);
        const values = (taken.get(stream) ?? 0) + 1;
        const reading = readings.get(stream);
        if (values * 2 < credit && reading !== undefined) return void taken.set(stream, values);
        taken.delete(stream);
        if (reading === undefined) return;
        parts.steward().note(reading.node, "credit", { reader: source.id, stream, values });
      },
    };
  }

  function serve(delivered: Delivered, credit: number): void {
    const { source } = delivered.input;
    const node = nodeOf(source);
    const stream = delivered.number;
    const flow = new Flow(credit, () => ({ waits() {}, left() {} }));
    delivered.flow = flow;
    let room = credit;
    let wake: (() => void) | undefined;
    const key = `${source}#${stream}`;
    producings.set(key, {
      node,
      credit(values) {
        room += values;
        wake?.();
      },
      left() {
        room = Number.POSITIVE_INFINITY;
        flow.end();
        flow.drop();
        wake?.();
      },
    });
    void send();

    async function send(): Promise<void> {
      const iterator = flow[Symbol.asyncIterator]();
      let error: unknown = null;
      try {
        while (true) {
          while (room === 0) await new Promise<void>((resolve) => wake = resolve);
          const { done, value } = await iterator.next();
          if (done === true) break;
          room--;
          parts.steward().note(node, "value", { stream, value });
        }
      } catch (thrown) {
        error = openBody(bodyOfError(thrown), () => undefined);
      }
      producings.delete(key);
      parts.steward().note(node, "over", { stream, error });
    }
  }

  return {
    read,
    serve,
    expecting: () => [...readings.values()].map(({ node }) => node),
    lost(node) {
      for (const [stream, { node: at, flow }] of readings) {
        if (at !== node) continue;
        readings.delete(stream);
        flow.end(new ShoalError("Lost", "Cannot read the stream on: the process that made it is gone"));
      }
      for (const [key, { node: at, left }] of producings) {
        if (at !== node) continue;
        producings.delete(key);
        left();
      }
    },
    services: {
      value: ({ stream, value }) => readings.get(stream)?.push(value),
      over({ stream, error }) {
        const reading = readings.get(stream);
        readings.delete(stream);
        taken.delete(stream);
        reading?.flow.end(error === null ? undefined : errorOf({ ...noBody, json: error }));
      },
      credit: ({ reader, stream, values }) => producings.get(`${reader}#${stream}`)?.credit(values),
      left: ({ reader, stream }) => producings.get(`${reader}#${stream}`)?.left(),
    },
  };
}

const noBody = {
  method: "",
  text: undefined,
  special: false,
  tensors: false,
  arrays: new Uint8Array(0),
  call: 0,
  credit: 0,
  at: 0,
};
