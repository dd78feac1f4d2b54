// The fault proxy between a client and a server that counts: what each fault lets the server see, and the client.
import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { type FaultProxy, faultProxy, type ProxyFault, type ProxyOptions } from "../../stores/conformance/proxy.ts";
import { assert, test } from "../suite.ts";

interface Echo {
  readonly port: number;
  /** Lines that it got, in order. */
  readonly seen: readonly string[];
  close(): Promise<void>;
}

/** Answers each line with it and its number. */
async function echo(): Promise<Echo> {
  const seen: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let rest = "";
    socket.on("error", () => {});
    socket.on("data", (piece) => {
      const lines = (rest + piece.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) socket.write(`${seen.push(line)} ${line}\n`);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return {
    port: address.port,
    seen,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

interface Client {
  /** What came back by the time the answer was whole or the connection ended. */
  ask(line: string): Promise<string>;
  send(text: string): void;
  readonly got: string;
  readonly ended: Promise<string>;
  close(): void;
}

async function client(port: number): Promise<Client> {
  const socket = connect({ host: "127.0.0.1", port });
  let got = "";
  let answered = (): void => {};
  socket.on("data", (piece) => {
    got += piece.toString();
    if (got.endsWith("\n")) answered();
  });
  socket.on("error", () => {});
  const ended = new Promise<string>((resolve) => socket.once("close", () => resolve(got)));
  await once(socket, "connect");
  return {
    async ask(line) {
      got = "";
      const answer = new Promise<void>((resolve) => answered = resolve);
      socket.write(`${line}\n`);
      await Promise.race([answer, ended]);
      return got;
    },
    send: (text) => void socket.write(text),
    get got() {
      return got;
    },
    ended,
    close: () => void socket.destroy(),
  };
}

async function between(
  call: (proxy: FaultProxy, server: Echo) => Promise<void>,
  options: Partial<ProxyOptions> = {},
): Promise<void> {
  const server = await echo();
  const proxy = await faultProxy({ port: server.port, ...options });
  try {
    await call(proxy, server);
  } finally {
    await proxy.close();
    await server.close();
  }
}

/** What a fault at the second of three requests leaves: what the client got for it, and what the server has seen. */
const cuts: readonly (readonly [ProxyFault, string, readonly string[]])[] = [
  ["before", "", ["a", "c"]],
  ["after", "", ["a", "b", "c"]],
  ["amid", "2 ", ["a", "b", "c"]],
];

for (const [fault, got, seen] of cuts) {
  test(`faultProxy ${fault}: the connection ends, the server has seen ${seen.join(", ")}, the next one works`, () =>
    between(async (proxy, server) => {
      const first = await client(proxy.port);
      proxy.arm(2, fault);
      assert.equal(await first.ask("a"), "1 a\n");
      assert.equal(await first.ask("b"), got);
      await first.ended;
      assert.equal(proxy.disarm(), true);
      const second = await client(proxy.port);
      assert.equal(await second.ask("c"), `${seen.length} c\n`);
      assert.deepEqual(server.seen, seen);
      assert.equal(proxy.struck[fault], 1);
      assert.equal(proxy.requests, 3);
      assert.equal(proxy.connections.all, 2);
      second.close();
    }));
}

test("faultProxy drop: nothing reaches the server, and the connection stays", () =>
  between(async (proxy, server) => {
    const mute = await client(proxy.port);
    proxy.arm(1, "drop");
    mute.send("a\n");
    const other = await client(proxy.port);
    while (proxy.struck.drop === 0) assert.match(await other.ask("b"), /^\d+ b\n$/);
    mute.send("c\n");
    assert.match(await other.ask("d"), / d\n$/);
    assert.ok(!server.seen.includes("a") && !server.seen.includes("c"));
    assert.equal(mute.got, "");
    assert.equal(proxy.connections.open, 2);
    proxy.part();
    assert.equal(await mute.ended, "");
    await other.ended;
  }));

test("faultProxy mute: the server sees it all, and no answer comes", () =>
  between(async (proxy, server) => {
    const mute = await client(proxy.port);
    proxy.arm(1, "mute");
    mute.send("a\n");
    mute.send("b\n");
    const other = await client(proxy.port);
    while (!server.seen.includes("b")) await other.ask("x");
    assert.equal(mute.got, "");
    assert.equal(proxy.struck.mute, 1);
    mute.close();
    other.close();
  }));

for (const fault of ["delay", "slow"] as const) {
  test(`faultProxy ${fault}: what is held back comes all the same, and in order`, async () => {
    let letGo = (): void => {};
    const held = new Promise<void>((resolve) => letGo = resolve);
    await between(async (proxy, server) => {
      const late = await client(proxy.port);
      proxy.arm(1, fault);
      const answers = late.ask("a");
      late.send("b\n");
      while (proxy.struck[fault] === 0) await new Promise((resolve) => setImmediate(resolve));
      // The other connection is answered while this one waits, as often as it likes.
      const quick = await client(proxy.port);
      for (let count = 0; count < 20; count++) assert.match(await quick.ask("x"), / x\n$/);
      assert.equal(server.seen.includes("a"), fault === "slow");
      assert.equal(late.got, "");
      letGo();
      assert.match(await answers, /^\d+ a\n/);
      while (!late.got.endsWith(" b\n")) await new Promise((resolve) => setImmediate(resolve));
      assert.match(await late.ask("c"), / c\n$/);
      assert.deepEqual(server.seen.filter((line) => line !== "x"), ["a", "b", "c"]);
      late.close();
      quick.close();
    }, { hold: () => held });
  });
}

test("faultProxy part: connections end and none begins, until heal", () =>
  between(async (proxy) => {
    const first = await client(proxy.port);
    assert.equal(await first.ask("a"), "1 a\n");
    proxy.part();
    await first.ended;
    const refused = await client(proxy.port);
    assert.equal(await refused.ask("b"), "");
    proxy.heal();
    const again = await client(proxy.port);
    assert.equal(await again.ask("c"), "2 c\n");
    again.close();
  }));

test("faultProxy passes what is large whole, counts the requests in a piece, and strikes at the nth", () =>
  between(async (proxy, server) => {
    const one = await client(proxy.port);
    const large = "x".repeat(5_000_000);
    assert.equal(await one.ask(large), `1 ${large}\n`);
    const before = proxy.requests;
    one.send("a\nb\nc\n");
    while (!server.seen.includes("c")) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(proxy.requests - before, 3);
    one.close();
  }, { requestsIn: (piece) => piece.reduce((count, byte) => count + (byte === 10 ? 1 : 0), 0) }));

test("faultProxy: a server that is not there ends the connection", async () => {
  const server = await echo();
  await server.close();
  const proxy = await faultProxy({ port: server.port });
  const lonely = await client(proxy.port);
  assert.equal(await lonely.ended, "");
  await proxy.close();
});
