// An actor that takes what comes, one that sends, and how much of it waits.
import { Actor, type ActorRef } from "../../runtime/mod.ts";
import { type Gate, gate, type WorldSystem } from "./world.ts";

/** What a test sets anew. */
export const scene: { door: Gate } = { door: gate() };

/** What the mailbox of an actor holds, from behind the reference. */
export function inside(ref: unknown): { waiting: number; parked: number; bytes: number; waitingElsewhere: number } {
  const { target } = ref as {
    target: { mailbox?: { length: number; bytes: number; parkedLength: number }; waitingElsewhere: number };
  };
  const { length = 0, bytes = 0, parkedLength = 0 } = target.mailbox ?? {};
  return { waiting: length, bytes, parked: parkedLength, waitingElsewhere: target.waitingElsewhere };
}

/** How many messages of the program wait for room. */
export const programWaits = (ref: unknown): number =>
  (ref as { source: { waitingElsewhere: number } }).source.waitingElsewhere;

export class Sink extends Actor {
  readonly seen: unknown[] = [];
  async hold(): Promise<void> {
    await scene.door.opened;
  }
  note(value: unknown): unknown {
    this.seen.push(value);
    return value;
  }
  async slow(value: unknown): Promise<void> {
    await Promise.resolve();
    this.seen.push(value);
  }
  all(): unknown {
    return this.seen;
  }
}

export class Sender extends Actor {
  /** Sends without waiting; answers what was refused, by number. */
  async flood(plan: { to: ActorRef<Sink>; from: number; count: number }): Promise<number[]> {
    const refused: number[] = [];
    const calls = [];
    for (let i = plan.from; i < plan.from + plan.count; i++) {
      calls.push(plan.to.tell("note", `${this.self.id}:${i}`).then(undefined, () => refused.push(i)));
    }
    await Promise.all(calls);
    return refused;
  }
  async wait(plan: { to: ActorRef<Sink>; count: number }): Promise<void> {
    for (let i = 0; i < plan.count; i++) await plan.to.tell("note", `${this.self.id}:${i}`);
  }
  drop(plan: { to: ActorRef<Sink>; count: number }): void {
    for (let i = 0; i < plan.count; i++) void plan.to.tell("note", `${this.self.id}:${i}`);
  }
  ping(): string {
    return "pong";
  }
}

/** A sink whose one running handler waits at the scene.door. */
export async function held(
  system: WorldSystem,
  limits: { mailboxMessagesMax?: number; mailboxBytesMax?: number } = {},
): Promise<ActorRef<Sink>> {
  scene.door = gate();
  const sink = await system.spawn(Sink, undefined, { limits });
  void sink.tell("hold");
  await system.environment.settle();
  return sink;
}
