// Messages and answers that came side by side and say no more than a value each: what they have in common stands once
// for all of them.

import type { Answer, Entry } from "../delivery/protocol.ts";
import { type Body, Plain } from "./body.ts";

/** What stands once. */
export interface Common {
  readonly special: boolean;
  readonly tensors: boolean;
  readonly kind: Entry["kind"];
  readonly born: number;
  readonly chain: readonly string[];
  readonly method: string;
  readonly epoch: number;
  readonly result: Answer["result"];
}

/** What messages have for what only answers say, and the other way round. */
export const commonMessage: Pick<Common, "epoch" | "result"> = { epoch: 0, result: "value" };
export const commonAnswer: Pick<Common, "kind" | "born" | "chain" | "method"> = {
  kind: "void",
  born: 0,
  chain: [],
  method: "",
};

/** Its sender holds on to what it references until it is acknowledged. */
const noPins: readonly string[] = [];

/** One of them: a message or an answer in its stream, and its own body. */
export class Alike extends Plain implements Entry, Answer, Body {
  declare readonly sequence: number;
  declare readonly bytes: number;
  declare readonly json: unknown;
  declare readonly call: number;
  declare private readonly common: Common;

  constructor(common: Common, sequence: number, bytes: number, json: unknown, call: number) {
    super();
    this.common = common;
    this.sequence = sequence;
    this.bytes = bytes;
    this.json = json;
    this.call = call;
  }

  get body(): Body {
    return this;
  }

  override get special(): boolean {
    return this.common.special;
  }

  override get tensors(): boolean {
    return this.common.tensors;
  }

  get kind(): Entry["kind"] {
    return this.common.kind;
  }

  get born(): number {
    return this.common.born;
  }

  get chain(): readonly string[] {
    return this.common.chain;
  }

  get method(): string {
    return this.common.method;
  }

  get epoch(): number {
    return this.common.epoch;
  }

  get result(): Answer["result"] {
    return this.common.result;
  }

  get pins(): readonly string[] {
    return noPins;
  }

  get key(): string {
    return "";
  }

  get digest(): string {
    return "";
  }
}
