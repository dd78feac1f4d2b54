// The servers of the tests for any command: to measure, or to try something out. It finds them in its environment, and they
// end with it: `node dist/tests/services/stand.js 'npm run bench -- stores --store $REDIS --store $SHARDS'`.
import { spawn } from "node:child_process";
import { type Broker, host, startBroker } from "./broker.ts";
import { kafkaJars } from "./jars.ts";
import { type RedisServices, type Started, startServices } from "./redis.ts";

const [command = ""] = process.argv.slice(2);
const stops: (() => Promise<void>)[] = [];
const places: Record<string, string> = {};

/** Gives back what was released soon, so that a log in memory stays small however much goes through. */
const settings = {
  "log.segment.bytes": `${2 ** 26}`,
  "log.retention.check.interval.ms": "1000",
};

async function redis(): Promise<void> {
  const started: Started = await startServices();
  stops.push(() => started.stop());
  const told = JSON.parse(started.text) as RedisServices | { readonly reason: string };
  if ("reason" in told) throw new Error(`Cannot start Redis servers: ${told.reason}`);
  const at = (all: readonly { readonly host: string; readonly port: number }[]): string =>
    `redis://${all.map(({ host, port }) => `${host}:${port}`).join()}`;
  places["REDIS"] = at([told.single]);
  places["SHARDS"] = at(told.shards);
}

async function kafka(): Promise<void> {
  const found = kafkaJars();
  if ("reason" in found) throw new Error(`Cannot start a Kafka broker: ${found.reason}`);
  const broker: Broker = await startBroker(found.classPath, settings);
  stops.push(() => broker.stop());
  places["KAFKA"] = `kafka://${host}:${broker.places.plain}/stand`;
  places["KAFKA_CLASSPATH"] = found.classPath;
}

const asked = (...names: readonly string[]): boolean =>
  names.some((name) => new RegExp(`\\$\\{?${name}`).test(command));

if (command === "") {
  console.error("usage: node dist/tests/services/stand.js 'COMMAND with $REDIS, $SHARDS, $KAFKA, $KAFKA_CLASSPATH'");
  process.exitCode = 2;
} else {
  // Signals of the terminal are the command's: it ends, and then the servers do.
  process.on("SIGINT", () => {});
  try {
    if (asked("REDIS", "SHARDS")) await redis();
    if (asked("KAFKA")) await kafka();
    const running = spawn("sh", ["-c", command], { stdio: "inherit", env: { ...process.env, ...places } });
    process.exitCode = await new Promise<number>((resolve, reject) => {
      running.on("error", reject).on("close", (code) => resolve(code ?? 1));
    });
  } finally {
    await Promise.all(stops.map((stop) => stop()));
  }
}
