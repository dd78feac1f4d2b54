// What a Redis server sends, cut into pieces anywhere: values land where somebody has memory for them, and all else the
// library gets, byte for byte and in its order.
import { Buffer } from "node:buffer";
import { crc32ByTable } from "../../stores/checksum.ts";
import { type Intake, intake, type Landing } from "../../stores/redis/intake.ts";
import { assert, fc, property, test } from "../suite.ts";

type Sent =
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "value"; readonly bytes: Uint8Array }
  | { readonly kind: "list"; readonly parts: readonly Sent[] };

interface Asked {
  readonly sent: Sent;
  /** How long the memory is that somebody has for it: right, or not. */
  readonly room: "none" | "fits" | "other";
}

const encoded = (sent: Sent): Buffer => {
  if (sent.kind === "line") return Buffer.from(`${sent.text}\r\n`);
  if (sent.kind === "list") {
    return Buffer.concat([Buffer.from(`*${sent.parts.length}\r\n`), ...sent.parts.map(encoded)]);
  }
  return Buffer.concat([Buffer.from(`$${sent.bytes.length}\r\n`), sent.bytes, Buffer.from("\r\n")]);
};

/** Bytes that look like what stands around them come often. */
const misleading = fc.constantFrom(
  ...["\r\n", "$", "*1\r\n", "$3\r\n", ":7\r\n", "+OK\r\n", "-1"].map((text) => Buffer.from(text)),
);
const long = fc.integer({ min: 4_000, max: 9_000 }).map((length) => new Uint8Array(length).fill(length));
const bytes = fc.array(fc.oneof({ weight: 3, arbitrary: misleading }, fc.uint8Array({ maxLength: 60 }), long), {
  maxLength: 5,
}).map((parts) => new Uint8Array(Buffer.concat(parts)));
const line = fc.oneof(
  fc.constantFrom("+OK", "+PONG", "$-1", "*-1", "*0", ":0", ":-1", "+"),
  fc.nat().map((count) => `:${count}`),
  fc.string({ maxLength: 80 }).map((text) => `-ERR ${text.replaceAll(/[\r\n]/g, " ")}`),
).map((text): Sent => ({ kind: "line", text }));
const value = bytes.map((bytes): Sent => ({ kind: "value", bytes }));
const { sent } = fc.letrec<{ sent: Sent; list: Sent }>((tie) => ({
  sent: fc.oneof({ depthSize: "small", maxDepth: 3 }, line, value, tie("list")),
  list: fc.array(tie("sent"), { minLength: 1, maxLength: 4 }).map((parts): Sent => ({ kind: "list", parts })),
}));
const asked: fc.Arbitrary<Asked> = fc.record({
  sent: fc.oneof(value, sent),
  room: fc.constantFrom("none", "fits", "fits", "other"),
});

/** Memory for an answer, if somebody has some. */
function landingFor({ sent, room }: Asked): Landing | undefined {
  if (room === "none") return undefined;
  const length = sent.kind === "value" ? sent.bytes.length : 7;
  return { into: new Uint8Array(room === "fits" ? length : length + 1), sum: 5, bytes: 0 };
}

function taken(all: readonly Asked[], cuts: readonly number[], sentAhead: number): {
  readonly read: Buffer;
  readonly landings: readonly (Landing | undefined)[];
} {
  const read: Buffer[] = [];
  const own: Intake = intake((bytes) => read.push(Buffer.from(bytes)));
  const landings = all.map(landingFor);
  let coming: Buffer[] = [];
  let turn = 0;
  const come = (): void => {
    let rest = Buffer.concat(coming);
    coming = [];
    while (rest.length > 0) {
      const place = own.place();
      const count = Math.min(rest.length, place.length, cuts[turn++ % cuts.length]!);
      place.set(rest.subarray(0, count));
      own.came(count);
      rest = rest.subarray(count);
    }
  };
  // Some commands are sent before anything is answered, and each of the others when all before it are.
  landings.slice(0, sentAhead).forEach((landing) => own.sent(landing));
  all.forEach(({ sent }, index) => {
    if (index >= sentAhead) {
      come();
      own.sent(landings[index]);
    }
    coming.push(encoded(sent));
  });
  come();
  return { read: Buffer.concat(read), landings };
}

test("intake: values land where there is memory for them, and the library reads all else, however it is cut", () =>
  property(
    [
      fc.array(asked, { minLength: 1, maxLength: 12 }),
      fc.array(fc.oneof(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 9_000 })), {
        minLength: 1,
        maxLength: 8,
      }),
      fc.nat(12),
    ],
    (all, cuts, sentAhead) => {
      const { read, landings } = taken(all, cuts, sentAhead);
      const wanted = all.map(({ sent, room }) =>
        room === "fits" && sent.kind === "value" ? Buffer.from(`:${sent.bytes.length}\r\n`) : encoded(sent)
      );
      assert.equal(read.toString("latin1"), Buffer.concat(wanted).toString("latin1"));
      all.forEach(({ sent, room }, index) => {
        const landing = landings[index];
        if (landing === undefined) return;
        if (room !== "fits" || sent.kind !== "value") return assert.equal(landing.bytes, 0);
        assert.deepEqual(landing.into, sent.bytes);
        assert.equal(landing.bytes, sent.bytes.length);
        assert.equal(landing.sum, crc32ByTable(sent.bytes, 5));
      });
    },
    { runs: 300 },
  ));

test("intake: nothing lands after its end", () => {
  const own = intake(() => assert.fail("the library is told of what comes after the end"));
  const receive = (text: string): void => {
    own.place().set(Buffer.from(text));
    own.came(text.length);
  };
  const landing: Landing = { into: new Uint8Array(5_000), sum: 0, bytes: 0 };
  own.sent(landing);
  receive("$5000\r\nab");
  receive("cd");
  own.end();
  receive("ef");
  assert.deepEqual([...landing.into.subarray(0, 6)], [97, 98, 99, 100, 0, 0]);
});

test("intake: a large value is received where it belongs, and what was said before it began is not counted", () => {
  const read: string[] = [];
  const own = intake((bytes) => read.push(String(bytes)));
  const receive = (bytes: Uint8Array): void => {
    own.place().set(bytes);
    own.came(bytes.length);
  };
  receive(Buffer.from("+OK\r\n+PONG\r\n"));
  own.begin();
  const landing: Landing = { into: new Uint8Array(9_000), sum: 0, bytes: 0 };
  own.sent(landing);
  receive(Buffer.from("$9000\r\nab"));
  assert.equal(own.place().buffer, landing.into.buffer);
  receive(new Uint8Array(8_990).fill(1));
  // Its last bytes come with what follows.
  assert.notEqual(own.place().buffer, landing.into.buffer);
  receive(Buffer.from("12345678\r\n+OK\r\n"));
  assert.deepEqual(read, ["+OK\r\n+PONG\r\n", ":9000\r\n", "+OK\r\n"]);
  assert.deepEqual([landing.bytes, landing.into[0], landing.into[8_999]], [9_000, 97, 56]);
  assert.equal(landing.sum, crc32ByTable(landing.into));
});
