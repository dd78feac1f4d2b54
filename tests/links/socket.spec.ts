// Sockets between processes: who may talk, in what order it comes, and what happens when one breaks.

import { lstat, mkdir, readdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { socketEnds } from "../../runtime/links/socket.ts";
import type { Packet } from "../../runtime/links/link.ts";
import { assert, fc, property, test } from "../suite.ts";
import { end, eventually, framed, inFolder, pair, stranger } from "./place.ts";

test(
  "socketEnds: what is sent comes in order, as text or bytes, the same on the other side",
  () =>
    inFolder(async (folder) => {
      const [a, b] = await pair(folder);
      const packet = fc.oneof(
        fc.string({ unit: "grapheme", maxLength: 300 }),
        fc.uint8Array({ maxLength: 300 }),
        // Longer than a slab, and than a chunk of the system's.
        fc.tuple(fc.constantFrom("x", "é", "鯨"), fc.integer({ min: 1, max: 300_000 })).map(([c, n]) => c.repeat(n)),
        fc.integer({ min: 1, max: 700_000 }).map((n) => new Uint8Array(n).fill(n % 251)),
      );
      await property([fc.array(packet, { maxLength: 40, size: "max" })], async (packets) => {
        const before = b.packets.length;
        // Sent packets are the link's own from there on.
        for (const one of packets) a.send("b", typeof one === "string" ? one : one.slice());
        await b.until(() => b.packets.length === before + packets.length);
        const came = b.packets.splice(before);
        for (const [index, one] of packets.entries()) assert.ok(isSame(one, came[index]!), `packet ${index}`);
      }, { runs: 25 });
      await Promise.all([a.ends.close(), b.ends.close()]);
    }),
  { timeoutMs: 60_000 },
);

function isSame(one: Packet, other: Packet): boolean {
  if (typeof one === "string" || typeof other === "string") return one === other;
  return Buffer.compare(one, other) === 0 && other.byteOffset % 8 === 0;
}

test(
  "socketEnds: there is one socket for each two nodes, whoever dialled, and both directions are on it",
  () =>
    inFolder(async (folder) => {
      for (let round = 0; round < 20; round++) {
        const [a, b] = await pair(folder);
        a.send("b", "from a");
        b.send("a", "from b");
        await Promise.all([a.until(() => a.packets.length === 1), b.until(() => b.packets.length === 1)]);
        await eventually(() => a.ends.sockets === 1 && b.ends.sockets === 1);
        const [mine, theirs] = [a.ends.counts("b")!, b.ends.counts("a")!];
        const [sent, received] = [mine.sent, mine.received];
        a.send("b", "from a, on it");
        b.send("a", "from b, on it");
        await Promise.all([a.until(() => a.packets.length === 2), b.until(() => b.packets.length === 2)]);
        assert.deepEqual([mine.sent, mine.received], [sent + 1, received + 1]);
        assert.deepEqual([theirs.received, theirs.sent], [sent + 1, received + 1]);
        await Promise.all([a.ends.close(), b.ends.close()]);
      }
      assert.deepEqual(await readdir(folder), []);
    }),
  { timeoutMs: 60_000 },
);

test("socketEnds: what is sent in one turn is one write", () =>
  inFolder(async (folder) => {
    const [a, b] = await Promise.all([end(folder, "a"), end(folder, "b")]);
    a.ends.connect("b", b.ends.path);
    await a.until(() => a.ends.has("b"));
    const before = a.ends.counts("b")!.writes;
    for (let n = 0; n < 1000; n++) a.send("b", `${n}`);
    await b.until(() => b.packets.length === 1000);
    assert.deepEqual(b.packets, Array.from({ length: 1000 }, (_, n) => `${n}`));
    assert.equal(a.ends.counts("b")!.writes, before + 1);
    await Promise.all([a.ends.close(), b.ends.close()]);
  }));

test("socketEnds: whoever has not the token, is of another run or speaks another layout is refused, and told why", () =>
  inFolder(async (folder) => {
    const a = await end(folder, "a");
    const wrong = [
      ["Unauthorized", await end(folder, "b", { token: "guessed" })],
      ["Incompatible", await end(folder, "c", { run: "other" })],
      ["Conflict", await end(folder, "a")],
    ] as const;
    for (const [code, other] of wrong) {
      const said = a.refusals.length;
      other.ends.connect(other === wrong[2][1] ? "z" : "a", a.ends.path);
      await Promise.all([a.until(() => a.refusals.length > said), other.until(() => other.refusals.length > 0)]);
      assert.equal(a.refusals.at(-1)?.code, code);
      assert.equal(other.refusals[0]?.code, code);
      assert.ok(!JSON.stringify([a.refusals.map(String), other.refusals.map(String)]).includes("secret"));
      assert.equal(other.ends.has("a"), false);
      await other.ends.close();
    }
    const { socket, heard } = stranger(a.ends.path);
    socket.write(framed(JSON.stringify(["shoal", 999, "run", "d", "/nowhere", "0"])));
    const [mark, code] = JSON.parse((await heard).subarray(4).toString()) as string[];
    assert.deepEqual([mark, code], ["refused", "Incompatible"]);
    assert.deepEqual(a.packets, []);
    assert.deepEqual(a.linkedTo, []);
    await a.ends.close();
  }));

test("socketEnds: one that knows the run, but not the token, learns nothing that helps", () =>
  inFolder(async (folder) => {
    const a = await end(folder, "a", { token: "f3a9" });
    const hello = JSON.stringify(["shoal", 1, "run", "b", "/nowhere", "00"]);
    const one = stranger(a.ends.path);
    one.socket.write(framed(hello));
    one.socket.write(framed(JSON.stringify(["proof", "0".repeat(64)])));
    const heard = (await one.heard).toString();
    assert.ok(heard.includes("Unauthorized") && !heard.includes("f3a9"));
    // The listener's own proof, said back, is none of the dialler's.
    const [, reply] = await new Promise<[Buffer, string[]]>((resolve) => {
      const two = stranger(a.ends.path);
      two.socket.write(framed(hello));
      two.socket.once("data", (chunk: Buffer) => {
        const proof = (JSON.parse(chunk.subarray(4).toString()) as string[])[6]!;
        two.socket.write(framed(JSON.stringify(["proof", proof])));
        void two.heard.then((all) => resolve([all, all.subarray(4 + chunk.length).toString().split(",")]));
      });
    });
    assert.ok(reply[1]?.includes("Unauthorized"), String(reply));
    await a.ends.close();
  }));

test("socketEnds: garbage ends a socket and nothing else", () =>
  inFolder(async (folder) => {
    const [a, b] = await pair(folder);
    await property(
      [fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 5_000 }),
        fc.json().map((text) => new Uint8Array(framed(text))),
        fc.constant(new Uint8Array(framed(new Uint8Array(9)))),
      )],
      async (garbage) => {
        const { socket, heard } = stranger(a.ends.path);
        socket.end(garbage);
        await heard;
      },
      { runs: 50 },
    );
    // A length beyond what may be said before one is known.
    const { socket, heard } = stranger(a.ends.path);
    socket.write(Buffer.from([0, 0, 0, 0x7f]));
    await heard;
    b.send("a", "still here");
    await a.until(() => a.packets.length > 0);
    assert.deepEqual(a.packets, ["still here"]);
    await Promise.all([a.ends.close(), b.ends.close()]);
  }), { timeoutMs: 60_000 });

test("socketEnds: a packet beyond the limit ends the socket on the side that gets it, and both meet again", () =>
  inFolder(async (folder) => {
    const a = await end(folder, "a");
    const b = await end(folder, "b", { packetBytesMax: 1_000 });
    a.ends.connect("b", b.ends.path);
    await Promise.all([a.until(() => a.ends.has("b")), b.until(() => b.ends.has("a"))]);
    a.send("b", "x".repeat(1_001));
    await b.until(() => b.partedFrom.length === 1);
    await b.until(() => b.linkedTo.length === 2);
    await a.until(() => a.linkedTo.length === 2);
    a.send("b", "y".repeat(1_000));
    await b.until(() => b.packets.length > 0);
    assert.deepEqual(b.packets, ["y".repeat(1_000)]);
    await Promise.all([a.ends.close(), b.ends.close()]);
  }));

test("socketEnds: what a slow reader does not take is lost beyond a bound, and no more is kept", () =>
  inFolder(async (folder) => {
    const server = createServer();
    const a = await end(folder, "a", { bufferBytesMax: 2 ** 20 });
    const b = await end(folder, "b");
    a.ends.connect("b", b.ends.path);
    await a.until(() => a.ends.has("b"));
    // One turn of this process in which nobody reads.
    for (let n = 0; n < 64; n++) a.send("b", `${n}`.padStart(2 ** 16));
    const { sent, lost } = a.ends.counts("b")!;
    assert.ok(lost > 0 && sent + lost === 64, `${sent} sent, ${lost} lost`);
    await b.until(() => b.packets.length === sent);
    for (const [n, packet] of b.packets.entries()) assert.equal((packet as string).trim(), `${n}`);
    a.send("b", "again");
    await b.until(() => b.packets.length === sent + 1);
    server.close();
    await Promise.all([a.ends.close(), b.ends.close()]);
  }));

test("socketEnds: a path that a dead process left behind is dialled until the node is said to be elsewhere", () =>
  inFolder(async (folder) => {
    const a = await end(folder, "a");
    const stale = join(folder, "stale.sock");
    await writeFile(stale, "");
    a.ends.connect("b", stale);
    const b = await end(folder, "b");
    a.send("b", "nobody gets this");
    a.ends.connect("b", b.ends.path);
    await a.until(() => a.ends.has("b"));
    a.send("b", "hello");
    await b.until(() => b.packets.length > 0);
    assert.deepEqual(b.packets, ["hello"]);
    await Promise.all([a.ends.close(), b.ends.close()]);
  }));

test("socketEnds: one that comes back is found again, and an older process of a node does not take its place", () =>
  inFolder(async (folder) => {
    const [a, old] = await pair(folder);
    const b = await end(folder, "b");
    // It was not said yet that there is another: the one that is known keeps its place.
    b.ends.connect("a", a.ends.path);
    old.send("a", "old");
    await a.until(() => a.packets.includes("old"));
    a.ends.connect("b", b.ends.path);
    await Promise.all([a.until(() => a.ends.has("b")), b.until(() => b.ends.has("a"))]);
    a.send("b", "new");
    await b.until(() => b.packets.length > 0);
    assert.deepEqual(b.packets, ["new"]);
    // The old one dials as often as it likes.
    await old.until(() => !old.ends.has("a"));
    a.send("b", "newer");
    await b.until(() => b.packets.length === 2);
    assert.deepEqual(old.packets, []);
    await Promise.all([a, b, old].map(({ ends }) => ends.close()));
  }));

test("socketEnds: a folder that others may enter, and one whose path is too long, are refused", () =>
  inFolder(async (folder) => {
    const open = join(folder, "open");
    await mkdir(open, { mode: 0o755 });
    await assert.rejects(
      socketEnds({ run: "r", token: "t", node: "a", folder: open }).begin(),
      (error) => (error as { code: string }).code === "Unauthorized",
    );
    assert.throws(
      () => socketEnds({ run: "r", token: "t", node: "a", folder: join(folder, "x".repeat(90)) }),
      (error) => (error as { code: string }).code === "BadInput",
    );
    const made = socketEnds({ run: "r", token: "t", node: "a", folder: join(folder, "made") });
    await made.begin();
    assert.equal((await lstat(join(folder, "made"))).mode & 0o777, 0o700);
    await made.close();
  }));

test("socketEnds: what was sent last before it closes comes", () =>
  inFolder(async (folder) => {
    for (let round = 0; round < 10; round++) {
      const [a, b] = await pair(folder);
      const last = "z".repeat(200_000);
      a.send("b", last);
      a.send("b", "end");
      await a.ends.close();
      await b.until(() => b.packets.length === 2);
      assert.deepEqual(b.packets, [last, "end"]);
      await b.ends.close();
    }
  }));
