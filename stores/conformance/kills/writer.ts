// The writer of the kill harness: takes over its stream by a claim, opens its epoch, and puts, appends, releases and
// claims without end. Fenced, it goes on all the same: a zombie that believes to be alive must not be able to do harm.
import { isShoalError } from "../../error.ts";
import type { Lifetime, Position, Store, TensorRef } from "../../store.ts";
import { bytesOf, chanceFrom, claimOf, fillOf, type Frame, type Said, streamOf, type Task } from "./said.ts";

const sizes = [24, 100, 1_000, 9_999, 65_537, 2 ** 20 - 1, 2 ** 20 + 5];
const standingMax = 24;
/** Longer than any harness runs, so that what is leased stays; and over at once, for a sweeper to find. */
const leases = { long: 3_600_000, short: 20 };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export async function write({ who, slot, seed }: Task, store: Store, say: (line: Said) => void): Promise<void> {
  const { tensors, logs, claims } = store;
  const chance = chanceFrom(seed);
  const upTo = (count: number): number => Math.floor(chance() * count);
  const stream = streamOf(slot);
  const standing: TensorRef[] = [];
  let count = 0;
  let epoch = 0;

  async function claim(wanted: number): Promise<boolean> {
    say({ say: "claiming", epoch: wanted });
    const answer = await claims.claim(claimOf(slot), wanted, `${who}`);
    say({ say: "claimed", epoch: wanted, held: answer.held, who: Number(answer.value), by: answer.epoch });
    return answer.held;
  }

  /** Opens the epoch, and only then reads what its predecessors left. */
  async function takeOver(): Promise<void> {
    say({ say: "appending", counts: [] });
    await logs.append(stream, epoch, []);
    const seen: Record<string, number> = {};
    for (let after: Position | undefined;;) {
      const entries = await logs.read(stream, after);
      if (entries.length === 0) break;
      for (const entry of entries) {
        const { ref, isBrief, lets } = JSON.parse(decoder.decode(entry.frame)) as Frame;
        seen[entry.epoch] = entry.sequence;
        if (ref !== undefined && isBrief !== true) standing.push(ref);
        const gone = lets === undefined ? -1 : standing.findIndex(({ id }) => id === lets);
        if (gone >= 0) standing.splice(gone, 1);
      }
      after = entries.at(-1);
    }
    say({ say: "opened", epoch, seen });
  }

  async function append(parts: readonly Partial<Frame>[]): Promise<void> {
    const frames = parts.map((part): Frame => ({ who, count: ++count, ...part }));
    const counts = frames.map((frame) => frame.count);
    say({ say: "appending", counts });
    const at = await logs.append(stream, epoch, frames.map((frame) => encoder.encode(JSON.stringify(frame))));
    say({ say: "appended", counts, at });
  }

  async function put(): Promise<void> {
    const own = Array.from({ length: 1 + upTo(3) }, () => ++count);
    const dice = chance();
    const leaseMs = dice < 0.1 ? leases.short : dice < 0.3 ? leases.long : 0;
    const lifetime: Lifetime = leaseMs > 0 ? { leaseMs } : { until: dice < 0.6 ? "run" : "release" };
    const isBrief = leaseMs === leases.short;
    say({ say: "putting", counts: own });
    const made = await Promise.all(own.map(async (number) => {
      const size = sizes[Math.floor(chance() ** 2 * sizes.length)]!;
      const fill = fillOf(who, number);
      const ref = await tensors.put({ data: bytesOf(fill, size) }, { lifetime });
      say({ say: "put", count: number, ref, isBrief });
      return { ref, fill, isBrief };
    }));
    if (isBrief) return await append(made);
    standing.push(...made.map(({ ref }) => ref));
    await append(made);
  }

  /** The frame first: who reads it later must not look for what may be gone. */
  async function release(): Promise<void> {
    const [ref] = standing.splice(upTo(standing.length), 1);
    if (ref === undefined) return;
    await append([{ lets: ref.id }]);
    say({ say: "releasing", id: ref.id });
    await tensors.release(ref);
    say({ say: "released", id: ref.id });
  }

  const fluff = (): Partial<Frame> => chance() < 0.1 ? { padding: "x".repeat(upTo(20_000)) } : {};

  say({ say: "ready" });
  epoch = ((await claims.claimed(claimOf(slot)))?.epoch ?? 0) + 1;
  // Another was faster, and leads.
  if (!await claim(epoch)) return;
  for (let isOpen = false;;) {
    try {
      if (!isOpen) await takeOver();
      isOpen = true;
      const dice = chance();
      if (standing.length > standingMax || dice < 0.25) await release();
      else if (dice < 0.7) await put();
      else if (dice < 0.95) await append(Array.from({ length: upTo(5) }, fluff));
      else await claim(epoch);
    } catch (error) {
      if (!isShoalError(error, "Fenced")) throw error;
      say({ say: "fenced" });
      isOpen = true;
      await claim(epoch);
    }
    await new Promise((resolve) => setTimeout(resolve, upTo(3)));
  }
}
