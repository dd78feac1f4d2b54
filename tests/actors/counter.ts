// Actors that count and that do nothing, for the tests of how actors begin and end.
import { Actor } from "../../runtime/mod.ts";
import { quiet } from "./stage.ts";

export const timeoutMs = 8_000;

export class Counter extends Actor {
  count = 0;

  add(value: number): number {
    return this.count += value;
  }

  async addSlowly(value: number): Promise<number> {
    await quiet();
    return this.count += value;
  }

  async hang(): Promise<void> {
    await new Promise(() => {});
  }

  fail(): void {
    throw new Error("wrong");
  }
}

export class Other extends Actor {
  hello(): string {
    return "hello";
  }
}
