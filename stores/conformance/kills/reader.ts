// The reader of the kill harness: follows all streams, gets what their frames reference, and says what it finds. What
// it has seen once must stand for ever; what it gets must be whole.
import { isShoalError } from "../../error.ts";
import type { Position, Store, Tensor } from "../../store.ts";
import { chanceFrom, type Frame, type Said, streamOf, type Task, wrongIn } from "./said.ts";

const entriesMax = 50;
const waitMs = 20;
/** Views that it has at once: its makers release and die meanwhile. */
const heldMax = 8;

interface Held {
  readonly tensor: Tensor;
  readonly frame: Frame;
}

const decoder = new TextDecoder();

export async function read({ slots, seed }: Task, store: Store, say: (line: Said) => void): Promise<void> {
  const chance = chanceFrom(seed);
  const cursors = new Map<number, Position>();
  const held: Held[] = [];

  function check({ tensor, frame }: Held, when: string): void {
    const { buffer, byteOffset, byteLength } = tensor.data;
    const wrong = wrongIn(new Uint8Array(buffer, byteOffset, byteLength), tensor.ref, frame.fill ?? 0);
    if (wrong === undefined) return;
    say({ say: "problem", what: `a reader ${when} tensor ${tensor.ref.id} of process ${frame.who}: ${wrong}` });
  }

  /** Its bytes must be what they were, whatever was released and killed meanwhile. */
  function letGo(one: Held): void {
    check(one, "still holds");
    one.tensor.done();
  }

  async function look(frame: Frame): Promise<void> {
    const { ref, fill } = frame;
    if (ref === undefined || fill === undefined) return;
    try {
      const one = { tensor: (await store.tensors.get(ref)).keep(), frame };
      check(one, "gets");
      say({ say: "got", id: ref.id });
      held.push(one);
      if (held.length > heldMax) letGo(held.splice(Math.floor(chance() * held.length), 1)[0]!);
    } catch (error) {
      if (frame.isBrief === true && isShoalError(error, "Expired")) return;
      if (!isShoalError(error, "Missing")) throw error;
      if (frame.isBrief !== true) say({ say: "missing", id: ref.id });
    }
  }

  say({ say: "ready" });
  for (let slot = 0;; slot = (slot + 1) % slots) {
    const after = cursors.get(slot);
    const entries = await store.logs.read(streamOf(slot), after, { entriesMax, waitMs });
    for (const { epoch, sequence, frame } of entries) {
      const read = JSON.parse(decoder.decode(frame)) as Frame;
      const at = { epoch, sequence };
      cursors.set(slot, at);
      say({ say: "read", slot, at, who: read.who, count: read.count });
      await look(read);
    }
    // Now and then from the start: what stood there must still stand.
    if (entries.length === 0 && chance() < 0.05) cursors.delete(slot);
  }
}
