// A program for launch.spec.ts: it closes its system while calls of every kind are under way, and must end by itself.
import { Actor, launch } from "../../runtime/mod.ts";

class Busy extends Actor<Busy> {
  started(): void {
    this.every(10, "hello");
    this.after(3_600_000, "hello");
  }

  hello(): string {
    return "hello";
  }

  async hang(): Promise<void> {
    await new Promise(() => {});
  }

  async *stream(): AsyncGenerator<number> {
    yield 1;
    await new Promise(() => {});
  }
}

const system = await launch({ limits: { mailboxMessagesMax: 2 } });
const busy = await system.spawn(Busy);
const pool = await system.pool(Busy, { size: 2 });
const read = async (): Promise<void> => {
  for await (const _ of busy.stream("stream"));
};
const other = await system.spawn(Busy);
const calls = [
  busy.ask("hang"),
  busy.ask("hello"),
  busy.ask("hello"),
  busy.ask("hello", undefined, { timeoutMs: 3_600_000 }),
  pool.map("hang", [undefined, undefined, undefined]),
  pool.ask("hello", undefined, { timeoutMs: 3_600_000 }),
  read(),
  system.watch(busy),
  system.ended,
];
const settled = Promise.allSettled(calls);
if (process.argv.includes("drain-first")) {
  // A drain that takes too long is hastened: nothing of it is left either.
  void system.stop(busy);
  void system.stop(other);
}
await system.close({ now: true });
for (const one of await settled) {
  console.log(one.status === "fulfilled" ? "done" : (one.reason as { code: string }).code);
}
