// Members of pools that note what they do on a board, for tests to look at and to hold them.
import { Actor, type ActorRef } from "../../runtime/mod.ts";
import { type Gate, gate, quiet } from "./stage.ts";

export const timeoutMs = 8_000;

/** Works until the test lets it: tasks by number. */
export class Board {
  readonly started: number[] = [];
  readonly finished: number[] = [];
  readonly members: Map<number, ActorRef<Worker>[]> = new Map();
  readonly #gates = new Map<number, Gate>();

  at(task: number): Gate {
    let found = this.#gates.get(task);
    if (found === undefined) this.#gates.set(task, found = gate());
    return found;
  }
}

/** What a test sets anew. */
export const scene: { board: Board } = { board: new Board() };

export class Worker extends Actor<Worker> {
  async work(task: number): Promise<number> {
    scene.board.started.push(task);
    const before = scene.board.members.get(task) ?? [];
    scene.board.members.set(task, [...before, this.self]);
    await scene.board.at(task).passed;
    scene.board.finished.push(task);
    return task * 10;
  }

  square(value: number): number {
    return value * value;
  }

  async uneven(value: number): Promise<number> {
    for (let i = 0; i < value % 5; i++) await Promise.resolve();
    if (value % 7 === 3) throw new RangeError(`no ${value}`);
    return value;
  }

  me(): ActorRef<Worker> {
    return this.self;
  }

  echo(message: { value: number }): number {
    return message.value;
  }

  fail(text: string): void {
    throw new Error(text);
  }

  async endMe(): Promise<void> {
    void this.stop(this.self, { now: true });
    await new Promise(() => {});
  }
}

export class Slowpoke extends Worker {
  async stopping(): Promise<void> {
    await quiet();
    await quiet();
  }
}
