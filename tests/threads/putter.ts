// A thread beside memory.spec.ts: opens the store of the main thread, puts tensors, hands them to other threads, and
// looks at every byte of what it is handed.
import { type MessagePort, parentPort } from "node:worker_threads";
import { realWorld } from "../../runtime/launch/world.ts";
import { openStore, type TensorRef } from "../../stores/open.ts";

export interface Work {
  readonly home: MessagePort;
  readonly others: readonly MessagePort[];
  readonly count: number;
  readonly seed: number;
  readonly leaseMs: number;
  readonly bytesMax: number;
  /** Half of the tensors go when they were read. Where a thread may end, nobody may be left to read. */
  readonly reads: boolean;
}

export interface Done {
  readonly sent: number;
  readonly seen: number;
  readonly refused: number;
  readonly faults: readonly string[];
}

type Mail = { readonly ref: TensorRef; readonly fill: number; readonly holder: string } | { readonly seen: string };

const inFlightMax = 8;

parentPort?.once("message", (work: Work) => void put(work));

async function put(work: Work): Promise<void> {
  const { home, others, count, leaseMs, bytesMax } = work;
  const store = await openStore("memory:", {
    run: "r",
    environment: realWorld,
    strict: true,
    thresholdBytes: 0,
    home,
  });
  let state = work.seed;
  const random = (below: number): number => {
    state = Math.imul(state ^ state >>> 15, 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return (state >>> 0) % below;
  };
  const faults: string[] = [];
  const open = new Map<string, TensorRef>();
  const alive = [...others];
  let [sent, seen, refused] = [0, 0, 0];
  let wake = (): void => {};

  async function look(mail: { ref: TensorRef; fill: number; holder: string }, from: MessagePort): Promise<void> {
    try {
      store.tensors.pin(mail.ref, mail.holder);
      const tensor = await store.tensors.get(mail.ref);
      const wrong = (tensor.data as Uint8Array).findIndex((byte) => byte !== mail.fill);
      if (wrong >= 0) faults.push(`${mail.ref.id} holds ${tensor.data[wrong]} at ${wrong}, expected ${mail.fill}`);
      tensor.done();
      store.tensors.unpin(mail.ref, mail.holder, false);
      seen++;
    } catch (error) {
      // Its lease may have lapsed where the machine is slow, or its maker was ended.
      if (!String(error).includes("lease has lapsed") && !String(error).includes("was released")) {
        faults.push(String(error));
      }
    }
    from.postMessage({ seen: mail.holder } satisfies Mail);
  }

  for (const other of others) {
    other.on("message", (mail: Mail) => {
      if (!("seen" in mail)) return void look(mail, other);
      const ref = open.get(mail.seen);
      open.delete(mail.seen);
      wake();
      if (ref !== undefined) store.tensors.unpin(ref, mail.seen, true);
    });
    other.on("close", () => {
      // Who has ended sees nothing any more: what was sent is let go.
      alive.splice(alive.indexOf(other), 1);
      for (const [holder, ref] of open) store.tensors.unpin(ref, holder, false);
      open.clear();
      wake();
    });
  }
  parentPort!.postMessage("ready");
  for (let number = 0; number < count && alive.length > 0; number++) {
    const fill = random(250) + 1;
    const lifetime = work.reads && random(2) === 0 ? { reads: 1 } as const : { leaseMs };
    try {
      const data = new Uint8Array(1 + random(bytesMax)).fill(fill);
      const ref = await store.tensors.put({ data }, { lifetime });
      const holder = `${work.seed}:${number}`;
      store.tensors.pin(ref, holder);
      open.set(holder, ref);
      alive[random(alive.length)]?.postMessage({ ref, fill, holder } satisfies Mail);
      sent++;
    } catch (error) {
      if (String(error).includes("Cannot allocate")) refused++;
      else faults.push(String(error));
    }
    while (open.size >= inFlightMax) await new Promise<void>((resolve) => wake = resolve);
  }
  while (open.size > 0 && alive.length > 0) await new Promise<void>((resolve) => wake = resolve);
  parentPort!.postMessage({ sent, seen, refused, faults } satisfies Done);
  await new Promise((resolve) => parentPort!.once("message", resolve));
  await store.close();
  process.exit(0);
}
