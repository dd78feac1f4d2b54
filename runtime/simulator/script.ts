// What an actor that is played again did, in order: what it does now is compared with it, as it does it.

import { isForeign } from "./foreign.ts";
import { isOutput, type Line } from "./part.ts";
import { cannot } from "./written.ts";

/** Something that the actor did. */
export type Said = Pick<Line, "life" | "type" | "what" | "value" | "state" | "isError">;

export interface Difference {
  readonly expected: Line | undefined;
  readonly happened: Said | undefined;
}

export interface Script {
  /** How much of it was done. */
  readonly done: number;
  readonly next: Line | undefined;
  readonly difference: Difference | undefined;
  /** It has done more than its record says, which ends before it did. */
  readonly isBeyond: boolean;
  /** The next line is the one that is looked for; false for a question to another clock that has no answer here. */
  seek(what: string): boolean;
  /** Compares what it does with what it did next; answers that, or throws where it goes another way. */
  does(said: Said): Line;
  /** It was to have done so much, and has not. */
  lags(count: number): void;
}

export interface ScriptOptions {
  /** Its record may end before it did. */
  readonly isOpen: boolean;
  /**
   * Of a real run: what code asks of another clock or dice once in a thread it may not ask again, or here for the first
   * time. What comes of the answers is compared all the same.
   */
  readonly isLoose: boolean;
}

export function script(lines: readonly Line[], { isOpen, isLoose }: ScriptOptions): Script {
  const outputs = lines.filter(isOutput);
  let done = 0;
  let difference: Difference | undefined;
  let isBeyond = false;

  function seek(what: string): boolean {
    if (!isLoose) return true;
    let next = done;
    while (next < outputs.length && outputs[next]!.what !== what && isForeign(outputs[next]!)) next++;
    if (isForeign({ what }) && outputs[next]?.what !== what) return false;
    done = next;
    return true;
  }

  return {
    get done() {
      return done;
    },
    get next() {
      return outputs[done];
    },
    get difference() {
      return difference;
    },
    get isBeyond() {
      return isBeyond;
    },
    seek,
    does(said) {
      seek(said.what);
      const expected = outputs[done];
      const isSame = expected !== undefined && expected.life === said.life && expected.type === said.type &&
        expected.what === said.what && (expected.value === said.value || (isLoose && isForeign(said))) &&
        expected.state === said.state && expected.isError === said.isError;
      if (difference === undefined && isSame) return outputs[done++]!;
      if (expected === undefined && isOpen) {
        isBeyond = true;
        throw cannot("its record ends here");
      }
      difference ??= { expected, happened: said };
      throw cannot("it has gone another way");
    },
    lags(count) {
      if (isLoose) { while (done < count && isForeign(outputs[done]!)) done++; }
      if (done < count) difference ??= { expected: outputs[done], happened: undefined };
    },
  };
}
