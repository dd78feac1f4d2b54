// Actors that the specs of this room place in other processes.

import { Actor, type ActorRef } from "../../runtime/mod.ts";

/** Says where it is. */
export class Here extends Actor {
  static readonly module: string = import.meta.url;
  where(): { pid: number; runtime: string } {
    return { pid: process.pid, runtime: process.versions["deno"] === undefined ? "node" : "deno" };
  }

  echo(value: unknown): unknown {
    return value;
  }

  /** Computes for so long, and hears nothing. */
  block(ms: number): number {
    const until = Date.now() + ms;
    while (Date.now() < until);
    return process.pid;
  }

  /** Asks another where that is. */
  async ask(other: ActorRef<Here>): Promise<number> {
    return (await other.ask("where")).pid;
  }

  *count(through: number): Generator<number> {
    for (let i = 0; i < through; i++) yield i;
  }

  fail(): void {
    throw new Error("as it was told to");
  }

  /** Another one, where this one is. */
  async child(): Promise<ActorRef<Here>> {
    return await this.spawn(Here);
  }

  end(code: number): void {
    process.exit(code);
  }
}

/** Has what it was constructed with. */
export class Keeper extends Actor {
  static readonly module: string = import.meta.url;
  readonly #value: number;

  constructor(value: number) {
    super();
    this.#value = value;
  }

  value(): number {
    return this.#value;
  }
}

/** Has heard what it was told, in that order. */
export class Listener extends Actor {
  static readonly module: string = import.meta.url;
  readonly #heard: number[] = [];

  hear(number: number): void {
    this.#heard.push(number);
  }

  heard(): readonly number[] {
    return this.#heard;
  }

  pid(): number {
    return process.pid;
  }
}

/** Is to outlive a power cut. */
export class Lasting extends Actor {
  static readonly module: string = import.meta.url;
  static readonly durable = "power";
  pid = 0;

  where(): number {
    return this.pid = process.pid;
  }
}
