// What is wrong with the way to a Kafka, or with what is there, is told by its name and with its cure, before anything is
// written; and who has the right password comes in by each way.
// needs: kafka
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { client as clientOf } from "../../stores/kafka/client.ts";
import { beginning, createTopics } from "../../stores/kafka/requests.ts";
import { mechanisms } from "../../stores/kafka/connection.ts";
import { removePlace } from "../../stores/kafka/topics.ts";
import { isShoalError, openStore, type ShoalError, type Store } from "../../stores/open.ts";
import { host, users } from "../services/broker.ts";
import { kafkaService } from "../services/kafka.ts";
import { assert, test } from "../suite.ts";
import { world } from "../stores/world.ts";
import { prefix } from "./subjects.ts";

const service = await kafkaService();
let places = 0;
const newPlace = (): string => `${prefix}-open-${places++}`;
const open = (url: string): Promise<Store> =>
  openStore(url, { run: "run-1", environment: world(), strict: true, thresholdBytes: 0 });

async function refused(url: string): Promise<ShoalError> {
  let store: Store;
  try {
    store = await open(url);
  } catch (error) {
    assert.ok(isShoalError(error), String(error));
    assert.ok(!error.message.includes(users.password), "a secret is shown");
    assert.ok(!`${error.stack}`.includes("wrong-secret"), "a secret is shown");
    return error;
  }
  await store.close();
  throw new Error(`${url} opens`);
}

const misspelt: readonly (readonly [string, RegExp])[] = [
  ["kafka:", /names no server/],
  ["kafka:///run42", /names no server/],
  ["kafka://b1:9092", /no name for the topics/],
  ["kafka://b1:9092/..", /cannot be the name of a topic/],
  ["kafka://b1:99999/run42", /no host and port/],
  ["kafka://b1:x/run42", /no host and port/],
  ["kafka://b1/run42?partition=3", /did you mean partitions\?/],
  ["kafka://b1/run42?partitions=0", /whole number/],
  ["kafka://b1/run42?mechanism=MD5", /mechanism/],
  ["kafka://b1/run42?passwordFile=/x", /no user/],
  ["kafka://me:wrong-secret@b1/run42", /put it into a file/],
  ["kafka://me@b1/run42?passwordFile=secret", /absolute path/],
  ["kafka://me@b1/run42?passwordFile=/there/is/none", /cannot be read \(ENOENT\)/],
  ["kafka://me@b1/run42?passwordEnv=SHOAL_TEST_NO_SUCH", /has no password/],
  ["kafka://b1/run42?ca=/there/is/none", /cannot be read \(ENOENT\)/],
  ["kafka://b1/run42?ca=/etc/ca.pem&tls=off", /tls=off/],
];

for (const [url, message] of misspelt) {
  test(`openStore ${url}: BadInput, and nobody is asked`, async () => {
    const error = await refused(url);
    assert.equal(error.code, "BadInput", error.message);
    assert.match(error.message, message);
  });
}

test("openStore kafka: with a server that there is none of: Unavailable, with its name, soon", async () => {
  const error = await refused("kafka://no-such-host.invalid:9092/run42");
  assert.equal(error.code, "Unavailable");
  assert.match(error.message, /no-such-host\.invalid.*(no such name|looked up)/);
});

test("openStore kafka: where nothing listens: Unavailable", async () => {
  const error = await refused(`kafka://${host}:1/run42`);
  assert.equal(error.code, "Unavailable");
  assert.match(error.message, /is the broker running/);
});

if ("reason" in service) {
  test.skip("kafka: a real broker", service.reason);
} else {
  const { plain, sasl, tls, ca } = service;
  const secret = join(mkdtempSync(join(tmpdir(), "kafka-open-")), "password");
  writeFileSync(secret, `${users.password}\n`);
  const wrong = `${secret}.wrong`;
  writeFileSync(wrong, "wrong-secret");

  const ways: readonly (readonly [string, string])[] = mechanisms.flatMap((mechanism): [string, string][] => [
    [`${mechanism} in the clear`, `${host}:${sasl}/PLACE?passwordFile=${secret}&mechanism=${mechanism}`],
    [`${mechanism} by TLS`, `${host}:${tls}/PLACE?passwordFile=${secret}&mechanism=${mechanism}&ca=${ca}`],
  ]);
  for (const [name, rest] of ways) {
    test(`openStore kafka: ${name}: what is put is got, and no error or URL shows the password`, async () => {
      const store = await open(`kafka://${users.all}@${rest.replace("PLACE", `${prefix}-ways/${places++}`)}`);
      try {
        const ref = await store.tensors.put({ data: Float64Array.of(1, 2, 3) });
        const tensor = await store.tensors.get(ref);
        assert.deepEqual([...tensor.data], [1, 2, 3]);
        tensor.done();
        assert.ok(!`${store.url} ${ref.where}`.includes(users.password));
      } finally {
        await store.close();
      }
    });
    test(`openStore kafka: ${name}, with a wrong password: Unauthorized`, async () => {
      const error = await refused(`kafka://${users.all}@${rest.replace("PLACE", newPlace()).replace(secret, wrong)}`);
      assert.equal(error.code, "Unauthorized", error.message);
      assert.match(error.message, /check the user and the password/);
    });
  }

  test("openStore kafka: who has no rights: Unauthorized, and which", async () => {
    const error = await refused(`kafka://${users.none}@${host}:${sasl}/${newPlace()}?passwordFile=${secret}`);
    assert.equal(error.code, "Unauthorized", error.message);
    assert.match(error.message, /rights on .* are missing/);
  });

  test("openStore kafka: no user where one is wanted: Unavailable, and says that a log-in may be", async () => {
    const error = await refused(`kafka://${host}:${sasl}/${newPlace()}`);
    assert.equal(error.code, "Unavailable", error.message);
    assert.match(error.message, /log-in/);
  });

  test("openStore kafka: no TLS where it is spoken: Unavailable, and says so", async () => {
    const error = await refused(`kafka://${users.all}@${host}:${tls}/${newPlace()}?passwordFile=${secret}`);
    assert.match(error.message, /TLS/);
  });

  test("openStore kafka: TLS where it is not spoken: Unavailable, and says so", async () => {
    const error = await refused(`kafka://${host}:${plain}/${newPlace()}?tls=on&connectMs=1000`);
    assert.equal(error.code, "Unavailable", error.message);
  });

  test("openStore kafka: a certificate that nobody trusts: Unauthorized, with the option that names who signed it", async () => {
    const error = await refused(`kafka://${users.all}@${host}:${tls}/${newPlace()}?passwordFile=${secret}&tls=on`);
    assert.equal(error.code, "Unauthorized", error.message);
    assert.match(error.message, /ca=/);
  });

  const strange: readonly (readonly [string, string, Record<string, string>, number, RegExp])[] = [
    [
      "logs",
      "retention that would delete the run",
      { "retention.ms": "604800000" },
      4,
      /retention\.ms=604800000.*-1 changes it/,
    ],
    ["chunks", "retention by size", { "retention.ms": "-1", "retention.bytes": "1000" }, 4, /retention\.bytes=1000/],
    ["tensors", "compaction", { "cleanup.policy": "compact" }, 4, /cleanup\.policy=compact/],
    [
      "chunks",
      "a largest message that is too small",
      { "retention.ms": "-1", "max.message.bytes": "1000" },
      4,
      /records of 1000 bytes at most/,
    ],
    ["control", "more than one partition", { "cleanup.policy": "compact" }, 2, /exactly one/],
  ];
  for (const [kind, what, configuration, partitions, message] of strange) {
    test(`openStore kafka: a topic with ${what}: BadInput with the cure, and no topic is made`, async () => {
      const place = newPlace();
      const client = clientOf({
        servers: [{ host, port: plain }],
        connectMs: 5_000,
        requestMs: 20_000,
        patienceMs: 20_000,
        clientId: "test",
      });
      try {
        const topic = `${place}.${kind}`;
        await client.controlling(() => createTopics([{ topic, partitions, replicas: -1, configuration }], 10_000));
        // A broker hears of a topic a moment after it was made.
        await client.leading(topic, 0, "ask", () => beginning(topic, 0));
        const error = await refused(`kafka://${host}:${plain}/${place}`);
        assert.equal(error.code, "BadInput", error.message);
        assert.match(error.message, message);
        const others = ["control", "logs", "tensors", "chunks"].filter((other) => other !== kind);
        const found = await client.topics(others.map((other) => `${place}.${other}`));
        assert.deepEqual(found.map(({ error }) => error), [3, 3, 3]);
        await removePlace(client, place);
      } finally {
        client.close();
      }
    });
  }
}
