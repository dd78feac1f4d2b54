// Takes away what nobody needs any more: of a partition of logs what all runs have trimmed; of those of tensors what all
// have released. A partition gives up what it holds from its beginning on, so that one old tensor keeps what is behind it.
import { ledger } from "./ledger.ts";
import type { StandingRecord } from "./kafkajs.ts";
import type { Client } from "./client.ts";
import { type Control, goneKey } from "./control.ts";
import { beginning, deleteRecords, ending, offsetAt } from "./requests.ts";
import { isCount, unpacked } from "./record.ts";
import { sender } from "./sender.ts";
import { type Remains, type Stream, type Streams, streams as streamsOf } from "./streams.ts";
import type { Topic, Topics } from "./topics.ts";
import { idOf, placeOf, putMsMax } from "./bodies.ts";

export interface JanitorOptions {
  readonly client: Client;
  readonly control: Control;
  readonly topic: Topic;
  readonly partition: number;
}

const deleteMs = 10_000;
const remainsMax = 50_000;

/** Everything that stands in a partition below an offset, from another on. */
export async function scanned(
  client: Client,
  { name: topic, batchBytesMax }: Topic,
  partition: number,
  fold: (record: StandingRecord) => void,
  origin?: (first: number) => Promise<number>,
): Promise<number> {
  const book = ledger({
    client,
    sender: sender({ client, topic, partition, batchBytesMax }),
    topic,
    partition,
    turnBytesMax: batchBytesMax,
    fold,
    ...(origin === undefined ? {} : { origin }),
  });
  await book.sync();
  return book.folded;
}

/** What a stream had come to: all that it held is trimmed. */
function remainsOf([name, { epoch, sequence, trimmed, pieces }]: [string, Stream]): Remains {
  const last = pieces.at(-1);
  if (last !== undefined) return [name, epoch, sequence, [last.epoch, last.first + last.count - 1]];
  return [name, epoch, sequence, trimmed === undefined ? null : [trimmed.epoch, trimmed.sequence]];
}

/** Takes away what all streams of a partition have trimmed. Answers from where on it stands. */
export async function tidied({ client, control, topic, partition }: JanitorOptions): Promise<number> {
  const base = await control.base(partition);
  const from = base?.offset ?? 0;
  async function account(below: number): Promise<{ readonly streams: Streams; readonly end: number }> {
    const streams = streamsOf("", "", topic.name, 0);
    const begin = async (): Promise<number> => {
      streams.seed(base?.remains ?? []);
      return from;
    };
    const end = await scanned(
      client,
      topic,
      partition,
      (record) => record.offset < below && streams.fold(record),
      begin,
    );
    return { streams, end };
  }
  const { streams, end } = await account(Infinity);
  const firsts = [...streams.all.values()].flatMap(({ pieces }) => pieces.slice(0, 1).map(({ offset }) => offset));
  const offset = Math.min(end, ...firsts);
  if (offset <= from || streams.all.size > remainsMax) return from;
  const before = await account(offset);
  // Said before it is done: whoever begins meanwhile, at whatever of the two places, knows what was there.
  await control.rebase({ partition, offset, remains: [...before.streams.all].map(remainsOf) });
  await client.leading(topic.name, partition, "ask", () => deleteRecords(topic.name, partition, offset, deleteMs));
  return offset;
}

/** Takes away what all runs have released at the beginnings of the partitions of tensors and of their chunks. */
export async function swept(client: Client, control: Control, of: Topics["of"], now: number): Promise<void> {
  const gone = new Set<string>();
  await scanned(client, of.control, 0, ({ key, value }) => {
    if (key === undefined || !key.includes(`\n${goneKey}`)) return;
    if (value === undefined) gone.delete(key.toString());
    else gone.add(key.toString());
  });
  const chunks = new Map<number, number>();
  const { name } = of.chunks;
  const limit = async (partition: number): Promise<number> => {
    // Asked first: what comes between the two questions is younger than both.
    const end = await client.leading(name, partition, "ask", () => ending(name, partition));
    const young = await client.leading(name, partition, "ask", () => offsetAt(name, partition, now - putMsMax));
    return young < 0 ? end : Math.min(young, end);
  };
  for (let partition = 0; partition < of.chunks.partitions; partition++) chunks.set(partition, await limit(partition));
  const tensors: number[] = [];
  for (let partition = 0; partition < of.tensors.partitions; partition++) {
    let first = Infinity;
    const end = await scanned(
      client,
      of.tensors,
      partition,
      ({ key, value, offset }) => {
        if (key === undefined || value === undefined) return;
        const { w, i, p } = unpacked(value, of.tensors.name).head;
        const space = key.toString().split("\n")[0]!;
        if (
          typeof w !== "string" || !isCount(i) ||
          gone.has(`${space}\n${goneKey}${idOf({ writer: w, count: i, partition, offset })}`)
        ) {
          return;
        }
        first = Math.min(first, offset);
        for (const [chunk, at] of Array.isArray(p) ? p as [number, number][] : []) {
          chunks.set(chunk, Math.min(chunks.get(chunk) ?? Infinity, at));
        }
      },
      async () => await client.leading(of.tensors.name, partition, "ask", () => beginning(of.tensors.name, partition)),
    );
    tensors.push(Math.min(first, end));
  }
  const remove = async ({ name }: Topic, partition: number, offset: number): Promise<void> => {
    if (await client.leading(name, partition, "ask", () => beginning(name, partition)) >= offset) return;
    await client.leading(name, partition, "ask", () => deleteRecords(name, partition, offset, deleteMs));
  };
  for (const [partition, offset] of tensors.entries()) await remove(of.tensors, partition, offset);
  for (const [partition, offset] of chunks) await remove(of.chunks, partition, offset);
  await control.forget([...gone].filter((key) => {
    const place = placeOf(key.slice(key.indexOf(`\n${goneKey}`) + 1 + goneKey.length));
    return place !== undefined && place.offset < (tensors[place.partition] ?? 0);
  }));
}
