// Topics, typed end to end: what is published is what is read, and what a pool's members take.
import { Actor, type System, type TensorRef, type TopicCursor } from "../../../runtime/mod.ts";
import { type Equal, expectType } from "../equal.ts";

interface Frame {
  readonly step: number;
  readonly field: TensorRef<"float64">;
}

class Member extends Actor {
  look(frame: Frame): string {
    return frame.field.id;
  }
}

export class Trainer extends Actor {
  cursor: TopicCursor = {};
  async train(): Promise<number> {
    const topic = this.topic<Frame>("frames", { creditBytes: 1e6 });
    let steps = 0;
    for await (const { value } of topic.read({ from: this.cursor, publishers: 2 })) steps += value.step;
    return steps;
  }
}

export async function program(system: System, frame: Frame): Promise<void> {
  const topic = system.topic<Frame>("frames");
  await topic.publish(frame, { timeoutMs: 5 });
  const pool = await system.pool(Member, { size: 2 });
  for await (const { value } of pool.share("look", topic.read())) expectType<Equal<typeof value, string | undefined>>();
  const [entry] = await topic.read({ from: "now", lost: ({ through }) => void through }).take(3, { waitMs: 5 });
  expectType<Equal<NonNullable<typeof entry>["value"], Frame>>();
}
