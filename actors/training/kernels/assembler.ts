// Writes small WebAssembly modules: what the kernels need of the instruction set, as functions that return code.
// A kernel is written for its shape when the shape is first met, so that sizes are constants in it.

import { setFlagsFromString } from "node:v8";

/** Instructions, as nested lists of bytes. */
export type Code = readonly (number | Code)[];

/** The types of values, by their byte. */
export const i32 = 0x7f;
export const v128 = 0x7b;
export type Type = typeof i32 | typeof v128;

/** A variable of a function. */
export interface Local {
  readonly get: Code;
  set(value: Code): Code;
}

/** A function of the module: addresses and counts in, nothing out. */
export interface Routine {
  readonly name: string;
  readonly parameters: number;
  readonly locals: readonly Type[];
  readonly body: Code;
}

/** Writes a function; `write` is given its parameters and makes its variables. */
export function routine(
  name: string,
  parameters: number,
  write: (parameters: readonly Local[], local: (type?: Type) => Local) => Code,
): Routine {
  const locals: Type[] = [];
  const at = (index: number): Local => ({
    get: [0x20, unsigned(index)],
    set: (value) => [value, 0x21, unsigned(index)],
  });
  const local = (type: Type = i32): Local => at(parameters + locals.push(type) - 1);
  const body = write(Array.from({ length: parameters }, (_, index) => at(index)), local);
  return { name, parameters, locals, body };
}

function unsigned(value: number): Code {
  const bytes: number[] = [];
  do {
    const rest = Math.floor(value / 128);
    bytes.push((value % 128) | (rest > 0 ? 128 : 0));
    value = rest;
  } while (value > 0);
  return bytes;
}

/** A whole number of 32 bits. */
export function constant(value: number): Code {
  const bytes: number[] = [0x41];
  for (;;) {
    const low = value & 127;
    value >>= 7;
    const isLast = (value === 0 && (low & 64) === 0) || (value === -1 && (low & 64) !== 0);
    bytes.push(isLast ? low : low | 128);
    if (isLast) return bytes;
  }
}

const simd = (operation: number): Code => [0xfd, unsigned(operation)];

export const add = (a: Code, b: Code): Code => [a, b, 0x6a];
export const subtract = (a: Code, b: Code): Code => [a, b, 0x6b];
export const multiply = (a: Code, b: Code): Code => [a, b, 0x6c];
/** Adds a number known now; nothing where it is 0. */
export const plus = (a: Code, value: number): Code => value === 0 ? a : add(a, constant(value));
/** Multiplies by a number known now. */
export const scaled = (a: Code, value: number): Code => value === 1 ? a : multiply(a, constant(value));

export const zero: Code = [simd(0x0c), Array<number>(16).fill(0)];
/** The sum, lane by lane. */
export const sum = (a: Code, b: Code): Code => [a, b, simd(0xe4)];
/** a·b + c: in one instruction where there is one, which rounds once. */
export const productSum = (a: Code, b: Code, c: Code): Code =>
  isFused() ? [a, b, c, simd(0x105)] : [c, a, b, simd(0xe6), simd(0xe4)];
export const product = (a: Code, b: Code): Code => [a, b, simd(0xe6)];
export const quotient = (a: Code, b: Code): Code => [a, b, simd(0xe7)];
export const root = (a: Code): Code => [a, simd(0xe3)];
/** The lanes that are above zero; NaN stays NaN. */
export const positive = (a: Code): Code => [a, zero, simd(0xe9)];
/** The lanes of `a` where `b` is above zero; 0 elsewhere. */
export const where = (a: Code, b: Code): Code => [a, b, zero, simd(0x44), simd(0x4e)];
/** The lanes turned by some, so that this one comes first. */
export const turned = (a: Local, lane: number): Code =>
  lane === 0 ? a.get : [
    a.get,
    a.get,
    simd(0x0d),
    [0, 1, 2, 3].flatMap((each) => [0, 1, 2, 3].map((byte) => ((each + lane) & 3) * 4 + byte)),
  ];
/** One lane, in each lane. */
export const spreadLane = (a: Local, lane: number): Code => [
  a.get,
  a.get,
  simd(0x0d),
  [0, 1, 2, 3].flatMap(() => [0, 1, 2, 3].map((byte) => lane * 4 + byte)),
];
/** All lanes added up, in each lane. */
export const across = (a: Local): Code => [
  a.set(sum(a.get, turned(a, 2))),
  a.set(sum(a.get, turned(a, 1))),
];

/** How many numbers of memory a vector holds: four, or one beside three zeros. */
export type Lanes = 1 | 4;

export const load = (lanes: Lanes, address: Code, offset = 0): Code => [
  address,
  simd(lanes === 4 ? 0x00 : 0x5c),
  2,
  unsigned(offset),
];
/** One number of memory, in each lane. */
export const spread = (address: Code, offset = 0): Code => [address, simd(0x09), 2, unsigned(offset)];
export const store = (lanes: Lanes, address: Code, value: Code, offset = 0): Code => [
  address,
  value,
  lanes === 4 ? [simd(0x0b), 2, unsigned(offset)] : [simd(0x5a), 2, unsigned(offset), 0],
];
export const copyBytes = (to: Code, from: Code, bytes: Code): Code => [to, from, bytes, 0xfc, 10, 0, 0];
export const zeroBytes = (to: Code, bytes: Code): Code => [to, constant(0), bytes, 0xfc, 11, 0];

/** Runs the body for as long as `variable` + `room` ≤ `end`, adding `step` each time; the variable keeps where it was. */
export function advance(variable: Local, end: Code, step: number, body: Code, room: number = step): Code {
  const isOver: Code = [plus(variable.get, room), end, 0x4b];
  return [
    [0x02, 0x40, 0x03, 0x40, isOver, 0x0d, 1],
    body,
    variable.set(plus(variable.get, step)),
    [0x0c, 0, 0x0b, 0x0b],
  ];
}

/** Runs the body where the number at the address, or some of four, is not zero. */
export const whereNotZero = (lanes: Lanes, address: Code, body: Code, offset = 0): Code => [
  lanes === 1 ? [address, 0x28, 2, unsigned(offset)] : [load(4, address, offset), simd(0x53)],
  [0x04, 0x40, body, 0x0b],
];

/** Counts a variable from 0 up to `end`. */
export const count = (variable: Local, end: Code, body: Code): Code => [
  variable.set(constant(0)),
  advance(variable, end, 1, body),
];

let fused: boolean | undefined;

/** Whether products and sums can be one instruction: twice as fast where they can. Node 20 knows it, but has it off. */
function isFused(): boolean {
  if (fused !== undefined) return fused;
  const { WebAssembly } = globalThis as typeof globalThis & {
    readonly WebAssembly: { validate(bytes: Uint8Array): boolean };
  };
  const body = [zero, zero, zero, simd(0x105), 0x1a];
  const probe = assemble([{ name: "probe", parameters: 0, locals: [], body }]);
  if (!WebAssembly.validate(probe)) setFlagsFromString("--experimental-wasm-relaxed-simd");
  return fused = WebAssembly.validate(probe);
}

const section = (id: number, ...contents: Code[]): Code => {
  const bytes = flat(contents);
  return [id, unsigned(bytes.length), bytes];
};
const list = (items: readonly Code[]): Code => [unsigned(items.length), ...items];
const text = (value: string): Code => list([...new TextEncoder().encode(value)].map((byte) => [byte]));

function flat(code: Code): number[] {
  const bytes: number[] = [];
  const visit = (part: Code): void => {
    for (const each of part) {
      if (typeof each === "number") bytes.push(each);
      else visit(each);
    }
  };
  visit(code);
  return bytes;
}

/** The bytes of a module that works in the memory of another and exports the routines. */
export function assemble(routines: readonly Routine[]): Uint8Array {
  const bodies = routines.map(({ locals, body }) => {
    const bytes = flat([list(locals.map((type) => [1, type])), body, 0x0b]);
    return [unsigned(bytes.length), bytes];
  });
  return Uint8Array.from(flat([
    [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    section(1, list(routines.map(({ parameters }) => [0x60, list(Array<Code>(parameters).fill([i32])), 0]))),
    section(2, list([[text("host"), text("memory"), 0x02, 0x00, 0]])),
    section(3, list(routines.map((_, index) => unsigned(index)))),
    section(7, list(routines.map(({ name }, index) => [text(name), 0x00, unsigned(index)]))),
    section(10, list(bodies)),
  ]));
}
