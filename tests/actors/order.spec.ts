// What each sent to each is applied in order (L1), and what it carried is free when it is over.
import { Actor, type ActorRef, isShoalError, type TensorRef } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { gate, inSystem, macrotask } from "./world.ts";
import { held, inside, scene, Sink } from "./sink.ts";

// ——— order, as a property

interface Step {
  readonly do: "tell" | "await" | "ask" | "heavy" | "slow" | "turn" | "timed";
  readonly to: number;
}
const steps = fc.array(
  fc.record<Step>({
    do: fc.constantFrom("tell", "tell", "await", "ask", "heavy", "slow", "turn", "timed"),
    to: fc.nat(1),
  }),
  { maxLength: 60 },
);

class Planner extends Actor {
  /** Carries out a plan; answers what it was told of each of its messages, by number, in the order of sending. */
  async go(
    plan: { steps: Step[]; to: ActorRef<Sink>[]; tensor: TensorRef },
  ): Promise<{ to: number; n: number; error?: string }[]> {
    const sent: { to: number; n: number; error?: string }[] = [];
    const waits: unknown[] = [];
    const numbers = plan.to.map(() => 0);
    for (const step of plan.steps) {
      const to = plan.to[step.to]!;
      const entry: { to: number; n: number; error?: string } = { to: step.to, n: numbers[step.to]!++ };
      const value = { by: this.self.id, n: entry.n };
      const failed = (error: unknown): void => {
        entry.error = isShoalError(error) ? `${error.code} ${error.outcome}` : String(error);
      };
      if (step.do === "turn") {
        numbers[step.to]!--;
        await macrotask();
        continue;
      }
      sent.push(entry);
      if (step.do === "await") await to.tell("note", value).then(undefined, failed);
      else if (step.do === "ask") waits.push(to.ask("note", value).catch(failed));
      else if (step.do === "heavy") {
        waits.push(to.tell("note", { ...value, tensor: plan.tensor }).then(undefined, failed));
      } else if (step.do === "slow") waits.push(to.ask("slow", value).catch(failed));
      else if (step.do === "timed") waits.push(to.ask("note", value, { timeoutMs: 5 }).catch(failed));
      else waits.push(to.tell("note", value).then(undefined, failed));
    }
    await Promise.all(waits);
    return sent;
  }
}

test("order: what each sent to each is applied in order, all of it but what the sender was told failed", async () => {
  const limits = fc.record({
    mailboxMessagesMax: fc.integer({ min: 1, max: 4 }),
    mailboxBytesMax: fc.constantFrom(1, 20_000, 40_000),
  });
  const faults = fc.array(fc.nat(8), { maxLength: 12 });
  await property([
    fc.array(steps, { minLength: 1, maxLength: 3 }),
    limits,
    fc.integer({ min: 0, max: 12 }),
    faults,
    fc.boolean(),
  ], async (plans, mailbox, overflowMessagesMax, waits, strict) => {
    await inSystem({ limits: { overflowMessagesMax }, strict }, async (system) => {
      const tensor = await system.store.put({ data: new Float64Array(2_000) });
      const sinks = [await held(system, mailbox), await system.spawn(Sink, undefined, { limits: mailbox })];
      const planners = await Promise.all(plans.map(() => system.spawn(Planner)));
      const runs = planners.map((planner, i) => planner.ask("go", { steps: plans[i]!, to: sinks, tensor }));
      for (const ms of waits) await system.environment.advance(ms);
      scene.door.open();
      await system.environment.settle();
      const sentBy = await Promise.all(runs);
      for (const [at, sink] of sinks.entries()) {
        const seen = await sink.ask("all") as { by: string; n: number }[];
        let count = 0;
        for (const [i, planner] of planners.entries()) {
          const own = seen.filter(({ by }) => by === planner.id).map(({ n }) => n);
          const sent = sentBy[i]!.filter(({ to }) => to === at);
          for (const { error } of sent) assert.ok(error === undefined || error.endsWith(" failed"), error);
          assert.deepEqual(own, sent.filter(({ error }) => error === undefined).map(({ n }) => n));
          count += own.length;
        }
        assert.equal(seen.length, count);
        assert.deepEqual(inside(sink), { waiting: 0, parked: 0, bytes: 0, waitingElsewhere: 0 });
      }
      for (const planner of planners) assert.equal(inside(planner).waitingElsewhere, 0);
    });
  }, { runs: 150 });
});

test("pins: what a message carried is free when the message is over, however it ended", async () => {
  for (const end of ["handled", "stopped queued", "stopped running", "crashed", "timed out", "refused"] as const) {
    await inSystem({ limits: { overflowMessagesMax: 1 } }, async (system) => {
      class Holder extends Actor {
        note(): void {}
        async hold(): Promise<void> {
          await scene.door.opened;
        }
        async crash(): Promise<void> {
          await scene.door.opened;
          throw new Error("boom");
        }
      }
      scene.door = gate();
      const holder = await system.spawn(Holder, undefined, { limits: { mailboxMessagesMax: 2 } });
      const tensors = await system.store.putMany([0, 1, 2].map(() => ({ data: new Float64Array(4_000) })), {
        lifetime: { until: "release" },
      });
      const untyped = holder as unknown as {
        tell(method: string, message: unknown, options?: object): PromiseLike<void>;
      };
      const method = end === "crashed"
        ? "crash"
        : end === "stopped running" || end === "stopped queued"
        ? "hold"
        : "note";
      if (end !== "handled" && end !== "stopped running" && end !== "crashed") void holder.tell("hold");
      await system.environment.settle();
      for (const tensor of tensors) void untyped.tell(method, { tensor }, { timeoutMs: 10 });
      if (end === "refused") { for (const tensor of tensors) void untyped.tell("note", [tensor]); }
      await system.environment.settle();
      for (const tensor of tensors) await system.store.release(tensor);
      if (end === "timed out" || end === "refused") await system.environment.advance(20);
      if (end.startsWith("stopped")) await system.stop(holder, { now: true });
      scene.door.open();
      await system.environment.settle();
      assert.equal(system.tensorStore.statistics().tensors, 0, `${end}: tensors are still pinned`);
    });
  }
});
