// A Kafka broker that the laws are tried on: cases share topics, a part of them each, because a topic takes longer to make
// than most cases take; and the same behind a proxy that cuts.
import { type FaultProxy, faultProxy, type Subject } from "../../stores/conformance/mod.ts";
import { inlineStore } from "../../stores/inline.ts";
import { kafkaStore } from "../../stores/kafka.ts";
import { openStore } from "../../stores/open.ts";
import { host } from "../services/broker.ts";

/** How many cases write to the same topics: what one has left the next one reads past. */
const casesMax = 12;
let topics = 0;

/** Names no other process of the machine has. */
export const prefix: string = `t${process.pid}-${Date.now().toString(36)}`;

/** Which topics a case writes to, by its place. */
export function placing(): (place: string) => string {
  const known = new Map<string, number>();
  const first = topics += 1_000;
  return (place) => {
    const at = known.get(place) ?? known.size;
    known.set(place, at);
    return `${prefix}-${first + Math.floor(at / casesMax)}`;
  };
}

/** A real broker, at a port. */
export function kafkaSubject(name: string, port: number, others: Partial<Subject> = {}): Subject {
  const topicsOf = placing();
  return {
    name,
    bounded: true,
    edgesBytes: [2 ** 16, 2 ** 20, 2 ** 21],
    unbreakable: "tried on `kafka: behind a proxy`",
    open({ place, capacity, ...options }) {
      const bounds = capacity && `?capacity=${capacity.bytes}&full=${capacity.full}&waitMs=${capacity.waitMs}`;
      return openStore(`kafka://${host}:${port}/${topicsOf(place)}/${place}${bounds ?? ""}`, options);
    },
    ...others,
  };
}

/** The same behind a proxy that cuts the nth request, before it has arrived or after. */
export async function cutKafkaSubject(
  name: string,
  port: number,
  patienceMs: number,
  topicsOf: (place: string) => string,
): Promise<{ readonly subject: Subject; readonly proxy: FaultProxy }> {
  const proxy = await faultProxy({ host, port });
  const subject = kafkaSubject(name, port, {
    async open({ place, capacity, ...options }) {
      const bounds = capacity === undefined ? {} : { ...capacity, capacityBytes: capacity.bytes };
      const waits = { connectMs: 5_000, requestMs: 10_000, patienceMs };
      const store = await kafkaStore({
        ...options,
        ...bounds,
        client: { servers: [proxy], ...waits, clientId: "test", route: () => proxy },
        clientKey: `${name} ${proxy.port}`,
        place: topicsOf(place),
        part: place,
        url: `kafka://${proxy.host}:${proxy.port}/${topicsOf(place)}`,
      });
      return inlineStore(store, options);
    },
    faults: {
      requestsMax: 5,
      sizesBytes: [5, 2 ** 20 + 5],
      arm: (_, nth, kind) => proxy.arm(nth, kind === "before" ? "before" : "after"),
      disarm: () => proxy.disarm(),
    },
  });
  return { subject, proxy };
}
