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
const bytes = fc.array(fc.oneof(misleading, fc.uint8Array({ maxLength: 60 })), { maxLength: 5 }).map((parts) =>
  new Uint8Array(Buffer.concat(parts))
);
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
      const count = Math.min(rest.length, cuts[turn++ % cuts.length]!);
      own.take(rest.subarray(0, count));
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
      fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 8 }),
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
  const landing: Landing = { into: new Uint8Array(4), sum: 0, bytes: 0 };
  own.sent(landing);
  own.take(Buffer.from("$4\r\nab"));
  own.end();
  own.take(Buffer.from("cd\r\n+OK\r\n"));
  assert.deepEqual([...landing.into], [97, 98, 0, 0]);
});
