// What the topics of a place hold of each run, by one look through all of them.
import { isRunName } from "../reference.ts";
import type { Owner } from "../sweep.ts";
import { idOf } from "./bodies.ts";
import type { Client } from "./client.ts";
import { type Control, goneKey } from "./control.ts";
import { scanned } from "./janitor.ts";
import { goingKey, openedKey, ownerKey, ownerOf } from "./owners.ts";
import { type Head, isCount, unpacked } from "./record.ts";
import { beginning } from "./requests.ts";
import { type Stream, streams as streamsOf } from "./streams.ts";
import type { Topics } from "./topics.ts";

export interface Found {
  readonly run: string;
  /** Begins the keys of all its records. */
  readonly space: string;
  /** Those of its keys in the control partition that say more than that a tensor is gone. */
  readonly keys: Set<string>;
  readonly owners: Owner[];
  readonly claims: Map<string, { readonly epoch: number; readonly value: string }>;
  isGoing: boolean;
  /** When somebody opened it last. */
  openedAt: number;
  /** The heads of those that stand, by their ids. */
  readonly tensors: Map<string, Head>;
  readonly streams: Map<string, Stream & { readonly partition: number }>;
}

export interface SurveyOptions {
  readonly client: Client;
  readonly of: Topics["of"];
  readonly control: Control;
}

/** All runs, by their spaces. */
export async function survey({ client, of, control }: SurveyOptions): Promise<Map<string, Found>> {
  const all = new Map<string, Found>();
  const records = new Map<string, Head>();
  const gone = new Set<string>();

  function foundOf(space: string): Found {
    const known = all.get(space);
    if (known !== undefined) return known;
    const run = space.slice(space.lastIndexOf("/") + 1);
    const made: Found = {
      run,
      space,
      keys: new Set(),
      owners: [],
      claims: new Map(),
      isGoing: false,
      openedAt: 0,
      tensors: new Map(),
      streams: new Map(),
    };
    all.set(space, made);
    return made;
  }

  function claim({ claims }: Found, { name, epoch, value }: Head): void {
    if (typeof name !== "string" || typeof epoch !== "number" || typeof value !== "string") return;
    // The first of an epoch holds.
    if ((claims.get(name)?.epoch ?? -1) < epoch) claims.set(name, { epoch, value });
  }

  await scanned(client, of.control, 0, ({ key, value }) => {
    const text = key?.toString() ?? "";
    const end = text.indexOf("\n");
    if (end <= 0 || !isRunName(text.slice(text.lastIndexOf("/", end) + 1, end))) return;
    const isGone = text.startsWith(goneKey, end + 1);
    if (value === undefined) return void (isGone ? gone.delete(text) : records.delete(text));
    if (isGone) return void gone.add(text);
    records.set(text, unpacked(value, of.control.name).head);
  });
  for (const [text, head] of records) {
    const end = text.indexOf("\n");
    const [found, key] = [foundOf(text.slice(0, end)), text.slice(end + 1)];
    found.keys.add(key);
    if (head["k"] === "claim") claim(found, head);
    const owner = key.startsWith(ownerKey) ? ownerOf(key.slice(ownerKey.length), head) : undefined;
    if (owner !== undefined) found.owners.push(owner);
    if (key === goingKey) found.isGoing = true;
    if (key === openedKey && typeof head["at"] === "number") found.openedAt = head["at"];
  }

  for (let partition = 0; partition < of.tensors.partitions; partition++) {
    const { name } = of.tensors;
    const from = async (): Promise<number> =>
      await client.leading(name, partition, "ask", () => beginning(name, partition));
    await scanned(client, of.tensors, partition, ({ key, value, offset }) => {
      if (key === undefined || value === undefined) return;
      const { head } = unpacked(value, name);
      const { k, w, i } = head;
      if (k !== "tensor" || typeof w !== "string" || !isCount(i)) return;
      const text = key.toString();
      const space = text.slice(0, text.indexOf("\n"));
      const id = idOf({ writer: w, count: i, partition, offset });
      if (!gone.has(`${space}\n${goneKey}${id}`)) foundOf(space).tensors.set(id, head);
    }, from);
  }
  for (let partition = 0; partition < of.logs.partitions; partition++) {
    const base = await control.base(partition);
    const streams = streamsOf("", "", of.logs.name, 0);
    await scanned(client, of.logs, partition, (record) => streams.fold(record), async (first) => {
      streams.seed(base?.remains ?? []);
      return Math.max(first, base?.offset ?? 0);
    });
    for (const [key, stream] of streams.all) {
      const end = key.indexOf("\n");
      const space = key.slice(0, end);
      // What was swept once leaves where its streams had come to, and nothing else.
      if (stream.pieces.length === 0 && !all.has(space)) continue;
      foundOf(space).streams.set(key.slice(end + 1), { ...stream, partition });
    }
  }
  return all;
}
