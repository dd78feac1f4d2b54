// What leaves a node and says no more than a value: a question, and the reply to one. Each is one object, which is what
// the delivery core takes on and its body, too.

import type { Question, Reply } from "../delivery/events.ts";
import { Bare, type Body } from "./body.ts";

const noPins: readonly string[] = [];

/** A question on its way. */
export class Single extends Bare implements Question {
  declare readonly method: string;
  declare readonly json: unknown;
  declare readonly token: number;
  declare readonly bytes: number;

  constructor(method: string, json: unknown, token: number, bytes: number) {
    super();
    this.method = method;
    this.json = json;
    this.token = token;
    this.bytes = bytes;
  }

  get body(): Body {
    return this;
  }

  get call(): number {
    return this.token;
  }

  get pins(): readonly string[] {
    return noPins;
  }

  get digest(): string {
    return "";
  }
}

/** The reply to one, which is known by the question's number in its stream. */
export class SingleReply extends Bare implements Reply {
  declare readonly sequence: number;
  declare readonly bytes: number;
  declare readonly json: unknown;

  constructor(sequence: number, bytes: number, json: unknown) {
    super();
    this.sequence = sequence;
    this.bytes = bytes;
    this.json = json;
  }

  get body(): Body {
    return this;
  }

  get method(): string {
    return "";
  }

  get call(): number {
    return 0;
  }
}
