// `redis:` that is reached wrongly: each mistake is told by a typed error with its cure, before anything is written.
// needs: redis
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, root, skip, test } from "../suite.ts";
import { certificates } from "../services/certificates.ts";
import { toServer } from "../services/cluster.ts";
import { redisServices } from "../services/redis.ts";
import { startRedis } from "../services/server.ts";
import { opened, refused } from "./subjects.ts";

const services = await redisServices();

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "refusals-"));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Without these nobody gets so far, or only in a cluster. */
const forConnecting = ["ping", "select", "asking"];

if ("reason" in services) {
  test.skip("redis: refusals", services.reason);
} else {
  const { binary, single, shards } = services;
  const at = ({ host, port }: { readonly host: string; readonly port: number }): string => `${host}:${port}`;

  test("openStore refuses URLs of redis: that cannot be, and says what is wanted", async () => {
    for (
      const [url, says] of [
        ["redis://user:s3cret@n1", /a password in a URL is seen by others; leave it out, and set SHOAL_REDIS_PASSWORD/],
        ["redis:", /wants its servers, as in redis:\/\/n1:6379/],
        ["redis://n1,n1", /a server is named twice/],
        ["redis://n1:70000", /port 70000 of n1/],
        ["redis://n1/x", /the number of a database/],
        ["redis+cluster://n1/2", /no databases but 0/],
        ["redis://n1?ca=/x", /are for rediss:; write that/],
        ["rediss://n1?ca=/not/there", /ca \/not\/there cannot be read \(ENOENT\)/],
        ["redis://n1?passwordFile=/not/there", /password file \/not\/there cannot be read \(ENOENT\)/],
        ["redis://n1?passwordEnv=SHOAL_NOT_THERE", /there is no such environment variable/],
        ["redis://n1?space=a*b", /a name of letters, digits/],
        ["redis://n1?capacty=1", /did you mean capacity/],
      ] as const
    ) await refused(url, "BadInput", says);
  });

  test("openStore tells that nothing is there, and that a name is none", async () => {
    const server = await startRedis(binary);
    await server.stop();
    await refused(
      `redis://${at(server)}?patienceMs=0`,
      "Unavailable",
      /cannot be reached \(ECONNREFUSED\); check that/,
    );
    await refused("redis://no-such-host.invalid", "Unavailable", /no such host as in no-such-host.invalid/);
  });

  test("openStore refuses a server that evicts, before anything is written", async () => {
    const server = await startRedis(binary, { settings: [["maxmemory-policy", "allkeys-lru"]] });
    try {
      await refused(
        `redis://${at(server)}`,
        "BadInput",
        /maxmemory-policy allkeys-lru\); run CONFIG SET maxmemory-policy/,
      );
      const connection = await toServer(server);
      assert.equal(await connection.call("DBSIZE"), 0);
      connection.end("done");
    } finally {
      await server.stop();
    }
  });

  test("openStore refuses another list of shards than the run's", async () => {
    const [a, b, c] = shards.map(at);
    const tail = "?space=refusals-map";
    await (await opened(`redis://${a},${b},${c}${tail}`)).close();
    await (await opened(`redis://${a},${b},${c}${tail}`)).close();
    await refused(`redis://${a},${c},${b}${tail}`, "Conflict", /is 3 of 3 for this run, and the URL makes it 2 of 3/);
    await refused(
      `redis://${a}${tail}`,
      "Conflict",
      /is 1 of 3 for this run, and the URL makes it 1 of 1; name the servers/,
    );
    await (await opened(`redis://${a}${tail}`, "another")).close();
  });

  test("openStore takes a password from a file or the environment, and tells a wrong one", async () => {
    const server = await startRedis(binary, { settings: [["requirepass", "s3cret"]] });
    try {
      await inFolder(async (folder) => {
        const file = (text: string): string => {
          writeFileSync(join(folder, "password"), text);
          return join(folder, "password");
        };
        const url = `redis://${at(server)}`;
        await refused(url, "Unauthorized", /wants a password; set SHOAL_REDIS_PASSWORD, or name a file/);
        await refused(`${url}?passwordFile=${file("wr0ng")}`, "Unauthorized", /refuses the password; check the user/);
        await (await opened(`${url}?passwordFile=${file("s3cret\n")}`)).close();
        process.env["SHOAL_TEST_SECRET"] = "s3cret";
        const store = await opened(`${url}?passwordEnv=SHOAL_TEST_SECRET`);
        assert.doesNotMatch(JSON.stringify(await store.tensors.put({ data: new Uint8Array(3) })), /s3cret/);
        assert.doesNotMatch(store.url, /s3cret/);
        await store.close();
      });
    } finally {
      await server.stop();
    }
  });

  test("a user with the rights of shoal.acl can do all that a store does, and a missing one is named", async () => {
    const server = await startRedis(binary);
    const connection = await toServer(server);
    try {
      await inFolder(async (folder) => {
        const rules = readFileSync(join(root, "stores/redis/shoal.acl"), "utf8").trim().split(" ").slice(2);
        await connection.call("ACL", "SETUSER", "shoal", ...rules, ">s3cret");
        writeFileSync(join(folder, "password"), "s3cret");
        const url = `redis://shoal@${at(server)}?passwordFile=${join(folder, "password")}`;
        const { tensors, logs, claims, close } = await opened(url);
        const ref = await tensors.put({ data: new Uint8Array(3 * 2 ** 20) });
        (await tensors.get(ref)).done();
        for await (const { id } of tensors.list()) assert.equal(id, ref.id);
        await tensors.release(ref);
        await logs.append("s", 1, [Uint8Array.of(1)]);
        const next = logs.read("s", { epoch: 1, sequence: 1 }, { waitMs: 20_000 });
        const other = logs.read("other", undefined, { waitMs: 20_000 });
        await logs.append("s", 1, [Uint8Array.of(2)]);
        assert.equal((await next).length, 1);
        await logs.append("other", 1, [Uint8Array.of(2)]);
        assert.equal((await other).length, 1);
        await logs.trim("s", { epoch: 1, sequence: 2 });
        await logs.append("s", 2, []);
        await claims.claim("n", 1, "x");
        assert.deepEqual([await logs.streams(""), await claims.claims("")], [["other", "s"], ["n"]]);
        // What is not this user's stays out of reach.
        await refused(`${url}&space=foreign`, "Unauthorized", /lacks a right: .*foreign|lacks a right: .*key/i);
        await connection.call("ACL", "SETUSER", "shoal", "-xadd");
        await assert.rejects(claims.claim("n", 2, "x"), (error) => {
          assert.match(
            String(error),
            /lacks a right: .*'xadd'.*; give the user what stands in stores\/redis\/shoal\.acl/,
          );
          return true;
        });
        // Whatever it is, it is told before anything is written.
        const commands = rules.flatMap((rule) => /^\+([a-z]+)$/.exec(rule)?.[1] ?? []);
        const written = await connection.call("DBSIZE");
        for (const command of commands.filter((name) => !forConnecting.includes(name))) {
          await connection.call("ACL", "SETUSER", "shoal", "+xadd", `-${command}`);
          await refused(
            url,
            "Unauthorized",
            new RegExp(`lacks a right: .*${command}.*; give the user what stands`),
            "new",
          );
          await connection.call("ACL", "SETUSER", "shoal", `+${command}`);
        }
        assert.equal(await connection.call("DBSIZE"), written);
        await close();
      });
    } finally {
      connection.end("done");
      await server.stop();
    }
  });

  test("rediss: trusts whom it is told to, and says what is wrong where it may not", async () => {
    await inFolder(async (folder) => {
      const made = certificates(folder);
      if ("reason" in made) skip(made.reason);
      const settings: [string, string][] = [
        ["tls-cert-file", made.cert],
        ["tls-key-file", made.key],
        ["tls-ca-cert-file", made.ca],
        ["tls-auth-clients", "no"],
      ];
      const server = await startRedis(binary, { settings, isTls: true });
      try {
        const store = await opened(`rediss://${at(server)}?ca=${made.ca}`);
        const ref = await store.tensors.put({ data: new Uint8Array(2 ** 21).fill(5) });
        assert.equal((await store.tensors.get(ref)).data[2 ** 20], 5);
        await store.close();
        await refused(
          `rediss://${at(server)}?ca=${made.otherCa}`,
          "Unauthorized",
          /is not trusted .*; name the authority/,
        );
        await refused(`rediss://${at(server)}`, "Unauthorized", /is not trusted/);
        await refused(
          `redis://${at(server)}?patienceMs=0`,
          "Unavailable",
          /cannot be reached .*rediss: is written where it wants TLS/,
        );
        await refused(
          `rediss://${at(single)}?patienceMs=0&ca=${made.ca}&replyMs=1000`,
          "Unavailable",
          /does not speak TLS|cannot be reached/,
        );
      } finally {
        await server.stop();
      }
    });
  });
}
