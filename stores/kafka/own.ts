// A Kafka broker that a run starts for itself: one that is its own controller, and lets in nobody without the run's
// password. What it keeps in its folder, a broker that is started there again has.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { ShoalError } from "../error.ts";
import { aboutMsMax, type OwnProgram, type OwnServer, type Preparing, programAt } from "../own.ts";
import { connection } from "./connection.ts";
import { metadata } from "./requests.ts";

const user = "shoal";
const formatMsMax = 120_000;
const heapBytesMost = 2 ** 30;
const run = promisify(execFile);

const missing = (what: string, cure: string): ShoalError =>
  new ShoalError("Unavailable", `Cannot start a Kafka broker: ${what}; ${cure}`);

/** The folder of a Kafka's jars: of KAFKA_HOME, or beside its scripts on the PATH. */
function jars(): string | undefined {
  const home = process.env["KAFKA_HOME"];
  const script = programAt("kafka-server-start.sh") ?? programAt("kafka-server-start");
  const homes = [
    ...(home === undefined || home === "" ? [] : [home]),
    ...(script === undefined ? [] : [dirname(dirname(realpathSync(script)))]),
  ];
  const isWhole = (folder: string): boolean =>
    existsSync(folder) && readdirSync(folder).some((name) => /^kafka_2\.\d+-.*\.jar$/.test(name));
  return homes.flatMap((home) => [join(home, "libs"), join(home, "libexec", "libs")]).find(isWhole);
}

async function found(): Promise<OwnProgram> {
  const home = process.env["JAVA_HOME"];
  const java = programAt("java", home === undefined || home === "" ? [] : [join(home, "bin")]);
  const other = "or name brokers that run: --store kafka://HOST:9092/NAME";
  if (java === undefined) {
    const cure = `install Java 17, load its module (a site's setup does so on every node), ${other}`;
    throw missing("there is no java on the PATH, nor in JAVA_HOME", cure);
  }
  const folder = jars();
  if (folder === undefined) {
    const cure = `unpack Apache Kafka 3.3 or newer, and set KAFKA_HOME to its folder, ${other}`;
    throw missing("there is no Kafka in KAFKA_HOME, nor on the PATH", cure);
  }
  try {
    const { stderr } = await run(java, ["-version"], { timeout: aboutMsMax });
    const version = /"([^"]+)"/.exec(stderr)?.[1] ?? "of an unknown version";
    return { program: java, args: ["-cp", join(folder, "*")], about: `Kafka in ${folder} by Java ${version}` };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.trim().split("\n").at(-1) : String(cause);
    throw missing(`${java} does not run: ${why}`, "set JAVA_HOME to one that does");
  }
}

function properties({ folder, host, port, sidePort, password }: Preparing): string {
  // An address of IPv6 has colons of its own.
  const at = host.includes(":") ? `[${host}]` : host;
  const login = "org.apache.kafka.common.security.plain.PlainLoginModule required " +
    `username="${user}" password="${password}" user_${user}="${password}";`;
  const settings = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.quorum.voters": `1@127.0.0.1:${sidePort}`,
    "listeners": `SASL_PLAINTEXT://${at}:${port},CONTROLLER://127.0.0.1:${sidePort}`,
    "advertised.listeners": `SASL_PLAINTEXT://${at}:${port}`,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "SASL_PLAINTEXT",
    "listener.security.protocol.map": "SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "sasl.mechanism.controller.protocol": "PLAIN",
    "listener.name.sasl_plaintext.plain.sasl.jaas.config": login,
    "listener.name.controller.plain.sasl.jaas.config": login,
    // The broker goes to itself as a client too.
    "plain.sasl.jaas.config": login,
    "log.dirs": join(folder, "log"),
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "min.insync.replicas": 1,
    "default.replication.factor": 1,
    "group.initial.rebalance.delay.ms": 0,
    "auto.create.topics.enable": "false",
    "message.max.bytes": 16 * 2 ** 20,
    "log.retention.ms": -1,
    // Otherwise one that is started again where another was killed waits for that one's session to end.
    "broker.session.timeout.ms": 3_000,
    "broker.heartbeat.interval.ms": 250,
    "log.cleaner.dedupe.buffer.size": 8 * 2 ** 20,
  };
  const line = (text: string): string =>
    text.replaceAll("\\", "\\\\").replaceAll(
      /[^\x20-\x7e]/g,
      (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
  return Object.entries(settings).map(([name, value]) => `${name}=${line(String(value))}\n`).join("");
}

async function prepare(preparing: Preparing): Promise<readonly string[]> {
  const { found: { program, args }, folder, memoryBytesMax } = preparing;
  const file = join(folder, "server.properties");
  writeFileSync(file, properties(preparing), { mode: 0o600 });
  const quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn";
  if (!existsSync(join(folder, "log", "meta.properties"))) {
    // A word that begins with a dash would be a flag.
    const id = `A${randomBytes(16).toString("base64url").slice(1)}`;
    const tool = ["-XX:TieredStopAtLevel=1", quiet, ...args, "kafka.tools.StorageTool", "format", "-t", id, "-c", file];
    try {
      await run(program, tool, { timeout: formatMsMax, cwd: folder });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message.trim().split("\n").slice(-3).join(" · ") : String(cause);
      throw missing(`its log cannot be made in ${folder}: ${why}`, "is there room, and is it Kafka 3.3 or newer?");
    }
  }
  const heap = Math.max(256, Math.floor(Math.min(heapBytesMost, memoryBytesMax) / 2 ** 20));
  return [program, `-Xmx${heap}m`, "-XX:+UseSerialGC", quiet, ...args, "kafka.Kafka", file];
}

/** One Kafka broker of a run's own. */
export const kafkaOwn: OwnServer = {
  scheme: "kafka",
  isSharded: false,
  endSignal: "HUP",
  readyMsMax: 240_000,
  endMsMax: 60_000,
  taken: /Address already in use/,
  found,
  prepare,
  async who({ host, port }, password) {
    const credentials = { mechanism: "PLAIN", user, password } as const;
    try {
      const one = await connection(host, port, { clientId: user, connectMs: 3_000, requestMs: 5_000, credentials });
      try {
        return (await one.ask(metadata([]))).brokers.length > 0 ? "ready" : "starting";
      } finally {
        one.close();
      }
    } catch (error) {
      return error instanceof ShoalError && error.code === "Unauthorized" ? "other" : "nobody";
    }
  },
  url([place], passwordFile, run, options) {
    const at = `${place!.host.includes(":") ? `[${place!.host}]` : place!.host}:${place!.port}`;
    const more = options === "" ? "" : `&${options}`;
    return `kafka://${user}@${at}/${run}?mechanism=PLAIN&passwordFile=${encodeURIComponent(passwordFile)}${more}`;
  },
};
