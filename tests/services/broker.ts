// One real Kafka broker of a test's own, in KRaft mode: on free ports, with its log on tmpfs where there is one, ended with
// the process that started it, whatever becomes of that. It can be killed and started again on what it has kept.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { connection } from "../../stores/kafka/connection.ts";
import { metadata } from "../../stores/kafka/requests.ts";

export interface BrokerPlaces {
  /** Where nobody is asked who they are. */
  readonly plain: number;
  /** Where SASL wants a user, in the clear: PLAIN and SCRAM. */
  readonly sasl: number;
  /** Where TLS is spoken, and SASL wants a user. */
  readonly tls: number;
  /** The certificate that signed the one shown there. */
  readonly ca: string;
  readonly classPath: string;
}

export interface Broker {
  readonly places: BrokerPlaces;
  /** Ends it at once, as a machine that fails would. */
  kill(): Promise<void>;
  /** Starts it again where it was, on what it has kept. */
  start(): Promise<void>;
  /** Ends it, with all that it has kept. */
  stop(): Promise<void>;
}

export const host = "127.0.0.1";
/** Who may do everything, and who may do nothing, both with this password. */
export const users = { all: "alice", none: "bob", password: "a:b c é" } as const;

const readyMsMax = 240_000;
const triesMax = 3;
const storePassword = "changeit";
const clusterId = "MkU3OEVBNTcwNTJENDM2Qk";
const run = promisify(execFile);

/**
 * Ends the broker when its own input ends, which it does with whoever holds the other side, even after a SIGKILL; and
 * takes away what it has kept, unless told to keep it. Signals to all of a terminal's processes are not for it.
 */
const guard =
  'trap "" INT TERM HUP; folder=$1; shift; "$@" & p=$!; read -r word; kill -9 $p 2>/dev/null; wait $p 2>/dev/null; [ "$word" = keep ] || rm -rf "$folder"';

const quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn";
const escaped = (text: string): string => text.replaceAll(/["\\]/g, "\\$&");

function properties(
  folder: string,
  ports: Omit<BrokerPlaces, "ca" | "classPath"> & { readonly controller: number },
): string {
  const { plain, sasl, tls, controller } = ports;
  const listeners = `PLAINTEXT://${host}:${plain},SASL_PLAINTEXT://${host}:${sasl},SASL_SSL://${host}:${tls}`;
  const logins = `org.apache.kafka.common.security.plain.PlainLoginModule required ${
    [users.all, users.none].map((user) => `user_${user}="${escaped(users.password)}"`).join(" ")
  };`;
  const scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
  const settings: Record<string, string | number> = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.quorum.voters": `1@${host}:${controller}`,
    listeners: `${listeners},CONTROLLER://${host}:${controller}`,
    "advertised.listeners": listeners,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map":
      "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": `User:ANONYMOUS;User:${users.all}`,
    "ssl.keystore.location": join(folder, "key.p12"),
    "ssl.keystore.password": storePassword,
    "ssl.keystore.type": "PKCS12",
    "log.dirs": join(folder, "log"),
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "group.initial.rebalance.delay.ms": 0,
    "auto.create.topics.enable": "false",
    "broker.session.timeout.ms": 3_000,
    "broker.heartbeat.interval.ms": 250,
    "num.partitions": 1,
    "log.segment.delete.delay.ms": 1_000,
    "log.cleaner.dedupe.buffer.size": 8 * 2 ** 20,
  };
  for (const listener of ["sasl_plaintext", "sasl_ssl"]) {
    settings[`listener.name.${listener}.plain.sasl.jaas.config`] = logins;
    for (const mechanism of ["scram-sha-256", "scram-sha-512"]) {
      settings[`listener.name.${listener}.${mechanism}.sasl.jaas.config`] = scram;
    }
  }
  // In a file of properties, what is not ASCII is written by its number, and a backslash twice.
  const line = (text: string): string =>
    text.replaceAll("\\", "\\\\").replaceAll(
      /[^\x20-\x7e]/g,
      (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
  return Object.entries(settings).map(([name, value]) => `${name}=${line(String(value))}\n`).join("");
}

/** Ready is when it answers, not when its port opens. */
async function answers(port: number): Promise<boolean> {
  try {
    const one = await connection(host, port, { clientId: "test", connectMs: 1_000, requestMs: 2_000 });
    try {
      const { brokers } = await one.ask(metadata([]));
      return brokers.length > 0;
    } finally {
      one.close();
    }
  } catch {
    return false;
  }
}

/** A port that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const listener = createServer();
    listener.once("error", reject);
    listener.listen(0, host, () => {
      const address = listener.address();
      const port = address !== null && typeof address === "object" ? address.port : 0;
      listener.close(() => resolve(port));
    });
  });
}

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once("exit", () => resolve());
  });

type Settings = Readonly<Record<string, string>>;

/** Settings of the broker's may depend on the port where nobody is asked who they are. */
export async function startBroker(
  classPath: string,
  settings: Settings | ((plain: number) => Promise<Settings>) = {},
): Promise<Broker> {
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "shoal-kafka-"));
  const ca = join(folder, "ca.pem");
  const file = join(folder, "server.properties");
  let ports = { plain: 0, sasl: 0, tls: 0, controller: 0 };
  let child: ChildProcess | undefined;
  let output = "";

  async function prepare(): Promise<void> {
    const store = ["-keystore", join(folder, "key.p12"), "-storepass", storePassword, "-alias", "broker"];
    await run("keytool", [
      "-genkeypair",
      ...store,
      "-keyalg",
      "EC",
      "-storetype",
      "PKCS12",
      "-dname",
      "CN=localhost",
      "-ext",
      `san=ip:${host},dns:localhost`,
    ]);
    const { stdout } = await run("keytool", ["-exportcert", "-rfc", ...store]);
    writeFileSync(ca, stdout);
  }

  async function format(): Promise<void> {
    ports = { plain: await freePort(), sasl: await freePort(), tls: await freePort(), controller: await freePort() };
    const own = typeof settings === "function" ? await settings(ports.plain) : settings;
    const more = Object.entries(own).map(([name, value]) => `${name}=${value}\n`).join("");
    writeFileSync(file, properties(folder, ports) + more);
    rmSync(join(folder, "log"), { recursive: true, force: true });
    const scram = ["SCRAM-SHA-256", "SCRAM-SHA-512"].flatMap((mechanism) =>
      [users.all, users.none].flatMap((user) => [
        "--add-scram",
        `${mechanism}=[name=${user},password="${users.password}"]`,
      ])
    );
    const tool = ["-XX:TieredStopAtLevel=1", quiet, "-cp", classPath, "kafka.tools.StorageTool", "format"];
    await run("java", [...tool, "-t", clusterId, "-c", file, ...scram]);
  }

  function launch(): ChildProcess {
    const memory = ["-Xmx320m", "-Xms160m", "-XX:+UseSerialGC"];
    const made = spawn("sh", [
      "-c",
      guard,
      "sh",
      folder,
      "java",
      ...memory,
      quiet,
      "-cp",
      classPath,
      "kafka.Kafka",
      file,
    ], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    output = "";
    for (const stream of [made.stdout, made.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => output = (output + text).slice(-8_000));
    }
    // It ends with this process; this process does not wait for it.
    made.unref();
    for (const stream of [made.stdin, made.stdout, made.stderr]) {
      if ("unref" in stream && typeof stream.unref === "function") stream.unref();
    }
    return made;
  }

  async function start(): Promise<void> {
    child = launch();
    const end = performance.now() + readyMsMax;
    while (!await answers(ports.plain)) {
      if (child.exitCode !== null || /Address already in use/.test(output) || performance.now() > end) {
        const said = output;
        await kill();
        throw new Error(`Cannot start a Kafka broker: ${said.slice(-800)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async function kill(): Promise<void> {
    // Now it is waited for.
    child?.ref();
    child?.stdin?.end("keep\n");
    if (child !== undefined) await ended(child);
    child = undefined;
  }

  async function stop(): Promise<void> {
    await kill();
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  }

  try {
    await prepare();
    for (let tries = 1;; tries++) {
      try {
        await format();
        await start();
        break;
      } catch (error) {
        // A port that was free a moment ago may have been taken.
        if (tries === triesMax) throw error;
      }
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const { plain, sasl, tls } = ports;
  return { places: { plain, sasl, tls, ca, classPath }, kill, start, stop };
}
