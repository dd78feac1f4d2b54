// What may be sent, and exactly what comes back.
import {
  Actor,
  type ActorRef,
  type AnyActorRef,
  type Lifetime,
  type System,
  type TensorRef,
} from "../../../runtime/mod.ts";
import { type Equal, expectType } from "../equal.ts";

interface Point {
  readonly x: number;
  readonly y?: number;
}

type Shape = { kind: "circle"; radius: number } | { kind: "square"; side: number };
type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
type Tree = { value: number; children: Tree[] };
const Color = { red: 0, blue: 1 } as const;
type Color = (typeof Color)[keyof typeof Color];
type Name = string & { readonly brand: "name" };

interface Options {
  grid: number;
  tags?: readonly string[];
  byName: Record<string, Point>;
  pair: [number, string];
  nested: { deep: { deeper: Float64Array } } | null;
}

class Child extends Actor {
  size(): number {
    return 1;
  }
}

class Everything extends Actor {
  nothing(): void {}
  async later(): Promise<void> {}
  number(value: number): number {
    return value;
  }
  async text(value: string): Promise<string> {
    return value;
  }
  optional(value?: number): number | undefined {
    return value;
  }
  byDefault(value = 5): number {
    return value;
  }
  either(value: number | undefined): boolean {
    return value === undefined;
  }
  nullable(value: Point | null): Point | null {
    return value;
  }
  options(options: Options): Options {
    return options;
  }
  readonlyOptions(options: Readonly<Options>): void {
    void options;
  }
  shape(shape: Shape): Shape["kind"] {
    return shape.kind;
  }
  tree(tree: Tree): Tree {
    return tree;
  }
  json(json: Json): Json {
    return json;
  }
  color(color: Color): Color {
    return color;
  }
  name(name: Name): Name {
    return name;
  }
  literal(way: "up" | "down"): "up" | "down" {
    return way;
  }
  tuple(pair: readonly [number, string]): readonly [number, string] {
    return pair;
  }
  bigint(value: bigint): bigint {
    return value;
  }
  array(array: Float32Array): Uint8Array {
    return new Uint8Array(array.buffer as ArrayBuffer);
  }
  unknown(value: unknown): unknown {
    return value;
  }
  generic<T>(value: T): T {
    return value;
  }
  tensor(ref: TensorRef<"float64">): TensorRef<"float64"> {
    return ref;
  }
  anyTensor(message: { refs: TensorRef[]; lifetime: Lifetime }): number {
    return message.refs.length;
  }
  async spawnChild(): Promise<ActorRef<Child>> {
    return await this.spawn(Child);
  }
  child(child: ActorRef<Child>): ActorRef<Child> {
    return child;
  }
  children(message: { list: ActorRef<Child>[]; any: AnyActorRef; byName: Record<string, ActorRef<Child>> }): number {
    return message.list.length;
  }
  maybeChild(child: ActorRef<Child> | undefined): boolean {
    return child === undefined;
  }
  made(): { child: ActorRef<Child>; field: TensorRef<"float32">; maybe?: TensorRef } {
    throw new Error("never");
  }
  union(): Promise<number> | string {
    return "x";
  }
  async *steps(count: number): AsyncGenerator<{ step: number; field: TensorRef<"float64"> }> {
    void count;
  }
  *numbers(): Generator<number, void, undefined> {
    yield 1;
  }
  async *returning(): AsyncGenerator<number, string, undefined> {
    yield 1;
    return "done";
  }
  async *asIterable(): AsyncIterable<string> {
    yield "x";
  }
  async *asIterator(options?: { from: number }): AsyncIterableIterator<string> {
    yield `${options?.from}`;
  }
  async *inferred() {
    yield 1;
    yield "x";
  }
}

export default async function (system: System): Promise<void> {
  const all = await system.spawn(Everything);
  expectType<Equal<typeof all, ActorRef<Everything>>>();

  const nothing = await all.ask("nothing");
  expectType<Equal<typeof nothing, void>>();
  const later = await all.ask("later");
  expectType<Equal<typeof later, void>>();
  const number = await all.ask("number", 1);
  expectType<Equal<typeof number, number>>();
  const text = all.ask("text", "x", { timeoutMs: 5, signal: AbortSignal.timeout(5) });
  expectType<Equal<typeof text, Promise<string>>>();
  const told = all.tell("number", 1, { timeoutMs: 5 });
  expectType<Equal<typeof told, PromiseLike<void>>>();

  const optional = [await all.ask("optional"), await all.ask("optional", 1), await all.ask("optional", undefined)];
  expectType<Equal<typeof optional, (number | undefined)[]>>();
  await all.ask("optional", undefined, { timeoutMs: 5 });
  const byDefault = await all.ask("byDefault");
  expectType<Equal<typeof byDefault, number>>();
  await all.ask("byDefault", 3);
  const either = await all.ask("either", undefined);
  expectType<Equal<typeof either, boolean>>();
  await all.ask("nothing", undefined, { timeoutMs: 5 });

  const point: Point = { x: 1 };
  const nullable = await all.ask("nullable", point);
  expectType<Equal<typeof nullable, Point | null>>();
  await all.ask("nullable", null);
  const options: Options = {
    grid: 1,
    byName: { a: { x: 1, y: 2 } },
    pair: [1, "x"],
    nested: { deep: { deeper: Float64Array.of(1) } },
  };
  const back = await all.ask("options", options);
  expectType<Equal<typeof back, Options>>();
  await all.ask("options", { ...options, nested: null, tags: ["a"] });
  await all.ask("readonlyOptions", options);
  const kind = await all.ask("shape", { kind: "circle", radius: 1 });
  expectType<Equal<typeof kind, "circle" | "square">>();
  const tree = await all.ask("tree", { value: 1, children: [{ value: 2, children: [] }] });
  expectType<Equal<typeof tree, Tree>>();
  const json = await all.ask("json", { a: [1, { b: null }] });
  expectType<Equal<typeof json, Json>>();
  const color = await all.ask("color", Color.blue);
  expectType<Equal<typeof color, Color>>();
  const name = await all.ask("name", "x" as Name);
  expectType<Equal<typeof name, Name>>();
  const way = await all.ask("literal", "up");
  expectType<Equal<typeof way, "up" | "down">>();
  const tuple = await all.ask("tuple", [1, "x"]);
  expectType<Equal<typeof tuple, readonly [number, string]>>();
  const big = await all.ask("bigint", 1n);
  expectType<Equal<typeof big, bigint>>();
  await all.ask("array", Float32Array.of(1));
  const unknown = await all.ask("unknown", { a: [1, "x", null] });
  expectType<Equal<typeof unknown, unknown>>();
  await all.ask("generic", { a: 1 });

  const ref = await system.store.put({ data: Float64Array.of(1), dtype: "float64", shape: [1] });
  expectType<Equal<typeof ref, TensorRef<"float64">>>();
  const tensor = await all.ask("tensor", ref);
  expectType<Equal<typeof tensor, TensorRef<"float64">>>();
  await all.ask("anyTensor", { refs: [ref], lifetime: { reads: 1 } });
  // A message is copied: the sender may hold for read-only what the receiver may change.
  const refs: readonly TensorRef[] = [ref];
  await all.ask("anyTensor", { refs, lifetime: { reads: 1 } });

  const child = await all.ask("spawnChild");
  expectType<Equal<typeof child, ActorRef<Child>>>();
  const same = await all.ask("child", child);
  expectType<Equal<typeof same, ActorRef<Child>>>();
  await all.ask("children", { list: [child], any: all, byName: { child } });
  await all.ask("maybeChild", child);
  await all.ask("maybeChild", undefined);
  const made = await all.ask("made");
  expectType<Equal<typeof made, { child: ActorRef<Child>; field: TensorRef<"float32">; maybe?: TensorRef }>>();
  const size = await made.child.ask("size");
  expectType<Equal<typeof size, number>>();
  const union = await all.ask("union");
  expectType<Equal<typeof union, number | string>>();

  const steps = all.stream("steps", 3, { creditMax: 2, idleTimeoutMs: 5, signal: AbortSignal.timeout(5) });
  expectType<Equal<typeof steps, AsyncIterable<{ step: number; field: TensorRef<"float64"> }>>>();
  for await (const step of steps) expectType<Equal<typeof step.field, TensorRef<"float64">>>();
  const numbers = all.stream("numbers");
  expectType<Equal<typeof numbers, AsyncIterable<number>>>();
  const returning = all.stream("returning");
  expectType<Equal<typeof returning, AsyncIterable<number>>>();
  const asIterable = all.stream("asIterable");
  expectType<Equal<typeof asIterable, AsyncIterable<string>>>();
  const asIterator = all.stream("asIterator", { from: 1 });
  expectType<Equal<typeof asIterator, AsyncIterable<string>>>();
  all.stream("asIterator");
  const inferred = all.stream("inferred");
  expectType<Equal<typeof inferred, AsyncIterable<1 | "x">>>();

  // A reference of whatever class, and a list of names that are checked.
  const any: AnyActorRef = all;
  await system.stop(any, { now: true, timeoutMs: 5 });
  for (const method of ["nothing", "later"] as const) await all.ask(method);
}

/** Programs that are written over any actor that has a certain message. */
export async function measure(actor: ActorRef<{ size(): number }>): Promise<number> {
  return await actor.ask("size");
}

export async function measureChild(child: ActorRef<Child>): Promise<number> {
  return await measure(child);
}
