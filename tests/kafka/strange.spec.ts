// What answers at Kafka's port and is no Kafka, or one that has gone astray: an error in bounded time and with a reason,
// whatever comes; never the end of the process, and nothing of a secret.
import { createServer, type Socket } from "node:net";
import { connection, type ConnectionSettings } from "../../stores/kafka/connection.ts";
import { metadata, producerId } from "../../stores/kafka/requests.ts";
import { isShoalError, type ShoalError } from "../../stores/open.ts";
import { assert, fc, property, test } from "../suite.ts";

const host = "127.0.0.1";
const settings: ConnectionSettings = { clientId: "test", connectMs: 5_000, requestMs: 20_000 };
const credentials = { mechanism: "SCRAM-SHA-512", user: "alice", password: "s3cret" } as const;

/** A server that does something with each connection, and with what it sends. */
async function within(
  serve: (socket: Socket, request: Buffer, count: number) => void,
  body: (port: number, ended: Promise<void>) => Promise<void>,
): Promise<void> {
  const sockets = new Set<Socket>();
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => end = resolve);
  const server = createServer((socket) => {
    let count = 0;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", end);
    socket.on("data", (request) => serve(socket, request, count++));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  try {
    await body(address !== null && typeof address === "object" ? address.port : 0, ended);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** An answer to a request, which says which one it is of. */
function answer(request: Buffer, body: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head.writeInt32BE(4 + body.byteLength);
  request.copy(head, 4, 8, 12);
  return Buffer.concat([head, body]);
}

async function failing(work: Promise<unknown>): Promise<ShoalError> {
  const error = await work.then(() => undefined, (error: unknown) => error);
  assert.ok(isShoalError(error), String(error));
  assert.doesNotMatch(`${error.message} ${error.stack}`, /s3cret/);
  return error;
}

const size = (bytes: number): Buffer => {
  const all = Buffer.alloc(4);
  all.writeInt32BE(bytes);
  return all;
};
const answers: Readonly<Record<string, Buffer>> = {
  "a web page": Buffer.from("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
  "a TLS alert": Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46]),
  "a size below nothing": size(-1),
  "a size of nothing": size(0),
  "a size beyond all": size(2 ** 31 - 1),
  "nothing, and an end": Buffer.alloc(0),
};

for (const [what, bytes] of Object.entries(answers)) {
  test(`kafka: ${what} for an answer is Unavailable, whose outcome is unknown, and ends the connection`, async () => {
    await within((socket) => bytes.byteLength === 0 ? socket.end() : socket.write(bytes), async (port, ended) => {
      const one = await connection(host, port, { ...settings, requestMs: 300 });
      const both = await Promise.all([failing(one.ask(metadata([]))), failing(one.ask(producerId()))]);
      for (const { code, outcome, message } of both) {
        assert.deepEqual([code, outcome], ["Unavailable", "unknown"], message);
        assert.match(message, new RegExp(`${host}:${port}`));
      }
      assert.equal(one.isOpen, false);
      await ended;
      // What never leaves has failed.
      const { code, outcome } = await failing(one.ask(producerId()));
      assert.deepEqual([code, outcome], ["Unavailable", "failed"]);
    });
  });
}

test("kafka: whatever bytes come for an answer, there is an error of ours, or an answer, in bounded time", async () => {
  await property(
    [fc.uint8Array({ maxLength: 64 }), fc.boolean()],
    async (bytes, isFramed) => {
      await within((socket, request) => {
        socket.end(isFramed ? answer(request, bytes) : bytes);
      }, async (port) => {
        const one = await connection(host, port, settings);
        try {
          await one.ask(metadata([])).catch((error: unknown) => assert.ok(isShoalError(error), String(error)));
        } finally {
          one.close();
        }
      });
    },
    { runs: 60 },
  );
});

test("kafka: an answer that nobody asked for is left alone, and the right one behind it is taken", async () => {
  const good = Buffer.alloc(16);
  good.writeBigInt64BE(77n, 6);
  await within((socket, request) => {
    const other = Buffer.from(request);
    other.writeInt32BE(request.readInt32BE(8) + 5, 8);
    socket.write(answer(other, Buffer.alloc(3)));
    // In pieces, as a network may.
    for (const byte of answer(request, good)) socket.write(Buffer.of(byte));
  }, async (port) => {
    const one = await connection(host, port, settings);
    assert.deepEqual(await one.ask(producerId()), { id: "77", epoch: 0 });
    one.close();
  });
});

for (const at of [0, 1]) {
  test(`kafka: a log-in that is not answered, at step ${at + 1}, ends within its time`, async () => {
    const hello = Buffer.from([0, 0, 0, 0, 0, 1, 0, 13, ...Buffer.from("SCRAM-SHA-512")]);
    await within((socket, request, count) => {
      if (count < at) socket.write(answer(request, hello));
    }, async (port, ended) => {
      const error = await failing(connection(host, port, { ...settings, requestMs: 300, credentials }));
      assert.equal(error.code, "Unavailable", error.message);
      assert.match(error.message, /Cannot log in to Kafka/);
      await ended;
    });
  });
}

test("kafka: a server without the mechanism that is wanted: Unauthorized, and which there are to choose", async () => {
  const hello = Buffer.from([0, 33, 0, 0, 0, 1, 0, 5, ...Buffer.from("PLAIN")]);
  await within((socket, request) => void socket.write(answer(request, hello)), async (port) => {
    const error = await failing(connection(host, port, { ...settings, credentials }));
    assert.equal(error.code, "Unauthorized", error.message);
    assert.match(error.message, /mechanism= to another of PLAIN/);
  });
});

test("kafka: a server that does not know the password either is not trusted", async () => {
  const hello = Buffer.from([0, 0, 0, 0, 0, 1, 0, 13, ...Buffer.from("SCRAM-SHA-512")]);
  const words = (text: string): Buffer =>
    Buffer.concat([Buffer.from([0, 0, 255, 255]), size(text.length), Buffer.from(text)]);
  await within((socket, request, count) => {
    const [, nonce = ""] = /r=([^,]+)/.exec(request.toString()) ?? [];
    if (count === 0) socket.write(answer(request, hello));
    else if (count === 1) socket.write(answer(request, words(`r=${nonce}more,s=${btoa("salt")},i=4096`)));
    else socket.write(answer(request, words(`v=${btoa("x".repeat(64))}`)));
  }, async (port) => {
    const error = await failing(connection(host, port, { ...settings, credentials }));
    assert.equal(error.code, "Unauthorized", error.message);
  });
});
