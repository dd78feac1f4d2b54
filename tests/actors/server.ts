// An actor that answers, throws, waits and forwards, for the tests of asks; and doors that its handlers wait at.
import { Actor, type ActorRef, isShoalError } from "../../runtime/mod.ts";
import { type Gate, gate, type WorldSystem } from "./world.ts";

/** What a test sets anew. */
export const scene: { door: Gate } = { door: gate() };

export const doors: Gate[] = [];

export class Server extends Actor {
  handled = 0;
  aborted: unknown = "never";
  began = 0;
  add(value: number): number {
    return this.handled += value;
  }
  async hold(value: unknown): Promise<unknown> {
    this.began++;
    await scene.door.opened;
    this.handled++;
    return value;
  }
  /** Looks at its signal from the start. */
  async watchful(): Promise<string> {
    const { signal } = this;
    signal.addEventListener("abort", () => this.aborted = signal.reason);
    await scene.door.opened;
    return "late";
  }
  /** Looks at its signal when it is over already. */
  async belated(): Promise<void> {
    await scene.door.opened;
    this.aborted = this.signal.aborted ? this.signal.reason : "not aborted";
  }
  async numbered(index: number): Promise<number> {
    await doors[index]!.opened;
    return index;
  }
  fail(what: string): never {
    if (what === "error") throw Object.assign(new RangeError("boom"), { code: "EBOOM" });
    if (what === "undefined") throw undefined;
    if (what === "text") throw "only text"; // oxlint-disable-line no-throw-literal
    if (what === "strange") throw Object.assign(new Error(), { name: Symbol("n"), message: Symbol("m") });
    throw {
      get message(): never {
        throw new Error("twice");
      },
    }; // oxlint-disable-line no-throw-literal
  }
  async failLater(): Promise<never> {
    await Promise.resolve();
    throw new Error("later");
  }
  seen(): unknown[] {
    return [this.handled, this.began];
  }
  abortedWith(): string {
    return isShoalError(this.aborted) ? `${this.aborted.code} ${this.aborted.outcome}` : String(this.aborted);
  }
  signalOfTell(): void {
    this.aborted = this.signal.aborted;
  }
}

export type Loose = {
  ask(method: string, message?: unknown, options?: object): Promise<unknown>;
  tell(method: string): PromiseLike<void>;
};
export const loose = (ref: unknown): Loose => ref as Loose;

export async function server(system: WorldSystem): Promise<ActorRef<Server>> {
  scene.door = gate();
  return await system.spawn(Server, undefined, { supervision: { on: "resume" } });
}
