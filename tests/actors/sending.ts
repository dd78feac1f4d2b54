// Sends a value in every way that there is, and says what came of it.
import { decodeMessage, encodeMessage } from "../../runtime/messages/codec.ts";
import { copyMessage, type Passage } from "../../runtime/messages/message.ts";
import type { ShoalError } from "../../runtime/mod.ts";
import { isShoalError } from "../../runtime/mod.ts";
import { assert } from "../suite.ts";

export const bytesMax: number = 2 ** 20;

export const passing = (max: number): Passage => ({
  bytes: 0,
  tensors: undefined,
  special: false,
  bytesMax: max,
  bind: (reference) => reference,
});
export const copied = (value: unknown, max: number = bytesMax): unknown => copyMessage(value, passing(max));

/** The way between two nodes. */
export function sent(value: unknown, max: number = bytesMax): unknown {
  const passage = passing(max);
  const copy = copyMessage(value, passage);
  return decodeMessage(encodeMessage(copy, passage.special), () => assert.fail("there is no reference in it"));
}

export function refusal(value: unknown, max?: number): ShoalError {
  for (const way of [copied, sent]) {
    try {
      way(value, max);
    } catch (error) {
      if (isShoalError(error)) {
        if (way === sent) return error;
        continue;
      }
      throw new Error(`Expected an error of shoal's, got ${String(error)}`, { cause: error });
    }
    assert.fail("it was accepted");
  }
  return assert.fail("unreachable");
}

export function refused(value: unknown, path: string, max?: number): void {
  const error = refusal(value, max);
  assert.equal(error.code, "BadInput");
  assert.equal(error.outcome, "failed");
  assert.ok(error.message.includes(`${path}:`), `${error.message} does not name ${path}`);
}

export function tooLarge(value: unknown, max?: number): void {
  assert.equal(refusal(value, max).code, "TooLarge");
}

export function accepted(value: unknown, expected: unknown = value): void {
  for (const way of [copied, sent]) assert.deepStrictEqual(way(value), expected);
}

export class Point {
  readonly x = 1;
}
