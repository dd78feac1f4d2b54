// Messages that must not be sent: names, arguments, and what may not travel.
import { Actor, type ActorRef, type System } from "../../../runtime/mod.ts";

class Item {
  size = 1;
  grow(): void {
    this.size++;
  }
}

interface Point {
  x: number;
  y: number;
}

class Counter extends Actor {
  count = 0;
  #secret = 0;

  async add(value: number): Promise<number> {
    return this.count += value + this.#secret;
  }
  get(): number {
    return this.count;
  }
  put(point: Point): void {
    this.count += point.x;
  }
  maybe(value?: number): void {
    this.count += value ?? 0;
  }
  anything(value: unknown): void {
    this.count += Number(value);
  }
  two(one: number, two: number): void {
    this.count += one + two;
  }
  call(back: () => void): void {
    back();
  }
  deep(message: { list: { done?: () => void }[] }): void {
    this.count += message.list.length;
  }
  item(item: Item): void {
    this.count += item.size;
  }
  date(at: Date): void {
    this.count += at.getTime();
  }
  map(entries: Map<string, number>): void {
    this.count += entries.size;
  }
  set(members: Set<string>): void {
    this.count += members.size;
  }
  sign(symbol: symbol): void {
    this.count += String(symbol).length;
  }
  wait(later: Promise<number>): void {
    void later;
  }
  bytes(buffer: ArrayBuffer): void {
    this.count += buffer.byteLength;
  }
  pattern(pattern: RegExp): void {
    this.count += pattern.source.length;
  }
  error(error: Error): void {
    this.count += error.message.length;
  }
  async *values(count: number): AsyncGenerator<number> {
    for (let i = 0; i < count; i++) yield i;
  }
  *numbers(): Generator<number> {
    yield 1;
  }
  async started(): Promise<void> {}
  async stopping(): Promise<void> {}
  snapshot(): number {
    return this.count;
  }
  restore(count: number): void {
    this.count = count;
  }
  private hidden(): void {}
  protected guarded(): void {}
  #own(): void {}
  use(): void {
    this.hidden();
    this.guarded();
    this.#own();
  }
}

class Other extends Actor {
  hello(): string {
    return "hello";
  }
}

class Holder extends Actor {
  take(counter: ActorRef<Counter>): void {
    void counter.tell("get");
  }
  takeAll(message: { counters: ActorRef<Counter>[] }): void {
    void message;
  }
}

export default async function (system: System, counter: ActorRef<Counter>): Promise<void> {
  // Names
  await counter.ask("ad", 1); // rejected: no such method
  await counter.tell("ad", 1); // rejected: no such method
  counter.stream("value", 1); // rejected: no such method
  await counter.ask("count"); // rejected: a field is no message
  await counter.ask("two", 1); // rejected: a message is one value
  await counter.ask("hidden"); // rejected: private
  await counter.ask("guarded"); // rejected: protected
  await counter.ask("#own"); // rejected: #private
  await counter.ask("#secret"); // rejected: #private
  counter.hidden(); // rejected: a reference has no methods of the actor
  counter.add(1); // rejected: a reference has no methods of the actor
  const name: string = "add";
  await counter.ask(name, 1); // rejected: any text is not a name

  // Life-cycle methods and what actors are made of
  await counter.ask("constructor"); // rejected: life cycle
  await counter.ask("started"); // rejected: life cycle
  await counter.tell("stopping"); // rejected: life cycle
  await counter.ask("snapshot"); // rejected: life cycle
  await counter.ask("restore", 1); // rejected: life cycle
  await counter.ask("spawn", Other); // rejected: what actors are made of
  await counter.tell("stop", counter); // rejected: what actors are made of
  await counter.ask("now"); // rejected: what actors are made of
  await counter.ask("after", 1); // rejected: what actors are made of

  // Arguments
  await counter.ask("add", "1"); // rejected: wrong argument
  await counter.tell("add", { value: 1 }); // rejected: wrong argument
  await counter.ask("add"); // rejected: missing argument
  await counter.tell("add"); // rejected: missing argument
  await counter.ask("add", undefined); // rejected: missing argument
  await counter.ask("get", 1); // rejected: takes none
  await counter.ask("put", { x: 1 }); // rejected: missing member
  await counter.ask("put", { x: 1, y: 2, z: 3 }); // rejected: member too many
  await counter.ask("maybe", "1"); // rejected: wrong optional argument
  await counter.ask("add", 1, { timeout: 5 }); // rejected: unknown option
  await counter.tell("add", 1, { signal: AbortSignal.timeout(1) }); // rejected: a tell has no signal
  await counter.ask("add", 1, 5); // rejected: no options

  // Answers
  const told: number = await counter.tell("add", 1); // rejected: a tell answers nothing
  const text: string = await counter.ask("add", 1); // rejected: wrong type of answer
  const promise: number = counter.ask("add", 1); // rejected: not awaited
  void [told, text, promise];

  // What cannot travel
  await counter.ask("call", () => {}); // rejected: a function
  // rejected: a function deep inside
  await counter.ask("deep", { list: [{ done: () => {} }] });
  await counter.ask("item", new Item()); // rejected: an instance with methods
  await counter.tell("date", new Date()); // rejected: a Date
  await counter.tell("map", new Map()); // rejected: a Map
  await counter.tell("set", new Set(["a"])); // rejected: a Set
  await counter.tell("sign", Symbol("x")); // rejected: a symbol
  await counter.tell("wait", Promise.resolve(1)); // rejected: a promise
  await counter.tell("bytes", new ArrayBuffer(8)); // rejected: a buffer without a type
  await counter.tell("pattern", /x/); // rejected: a RegExp
  await counter.tell("error", new Error("x")); // rejected: an Error

  // Streams
  await counter.ask("values", 3); // rejected: ask of a generator
  await counter.ask("numbers"); // rejected: ask of a generator
  await counter.tell("values", 3); // rejected: tell of a generator
  counter.stream("add", 1); // rejected: stream of a plain method
  counter.stream("get"); // rejected: stream of a plain method
  counter.stream("values", "3"); // rejected: wrong argument
  counter.stream("values"); // rejected: missing argument
  counter.stream("values", 3, { credit: 1 }); // rejected: unknown option
  for await (const value of counter.stream("values", 3)) {
    const text: string = value; // rejected: wrong element
    void text;
  }

  // References
  const other = await system.spawn(Other);
  const holder = await system.spawn(Holder);
  await holder.ask("take", other); // rejected: a reference to another class
  await holder.ask("takeAll", { counters: [counter, other] }); // rejected: a reference to another class
  const wrong: ActorRef<Counter> = other; // rejected: a reference to another class
  await holder.ask("take", { ref: "actor", id: "main/1" }); // rejected: no reference that sends
  void wrong;
}
