// What a `kafka:` URL may say: `kafka://user@b1:9092,b2:9092/run42?tls=on&passwordFile=/etc/kafka/me`. Secrets come from a
// file or from the environment, so that no list of processes shows them.
import { cacheUrlOptions } from "../cache.ts";
import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";
import { ShoalError } from "../error.ts";
import { msOption, type Read, type Reader, sizeOption, type StoreUrl, unstarted, wordOption } from "../url.ts";
import type { Address, ClientOptions } from "./client.ts";
import { type Mechanism, mechanisms } from "./connection.ts";
import { isPlace } from "./topics.ts";

const portUnlessSaid = 9_092;
const clientId = "shoal";

export const kafkaUrlOptions: {
  readonly tls: Reader<"on" | "off">;
  readonly ca: Reader<string>;
  readonly cert: Reader<string>;
  readonly key: Reader<string>;
  readonly mechanism: Reader<Mechanism>;
  readonly passwordFile: Reader<string>;
  readonly passwordEnv: Reader<string>;
  readonly partitions: Reader<number>;
  readonly replicas: Reader<number>;
  readonly chunk: Reader<number>;
  readonly capacity: Reader<number>;
  readonly full: Reader<"wait" | "reject">;
  readonly waitMs: Reader<number>;
  readonly graceMs: Reader<number>;
  readonly pool: Reader<number>;
  readonly tidy: Reader<number>;
  readonly connectMs: Reader<number>;
  readonly replyMs: Reader<number>;
  readonly patienceMs: Reader<number>;
  readonly cache: Reader<number>;
  readonly cacheFrom: Reader<number>;
  readonly cacheDir: Reader<string>;
} = {
  tls: wordOption("on", "off"),
  ca: pathOption,
  cert: pathOption,
  key: pathOption,
  mechanism: wordOption(...mechanisms),
  passwordFile: pathOption,
  passwordEnv: (text) => text,
  partitions: countOption,
  replicas: countOption,
  chunk: sizeOption,
  capacity: sizeOption,
  full: wordOption("wait", "reject"),
  waitMs: msOption,
  graceMs: msOption,
  pool: sizeOption,
  tidy: sizeOption,
  connectMs: msOption,
  replyMs: msOption,
  patienceMs: msOption,
  ...cacheUrlOptions,
};

const bad = (what: string): ShoalError => new ShoalError("BadInput", `Cannot open store: ${what}`);

function pathOption(text: string, name: string): string {
  if (text.startsWith("/") && !text.includes("\0")) return text;
  throw bad(`${name}=${text}: an absolute path is wanted, as in /etc/kafka/ca.pem`);
}

function countOption(text: string, name: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw bad(`${name}=${text}: a whole number from 1 to 9999 is wanted`);
}

export interface KafkaAddress {
  readonly servers: readonly Address[];
  readonly place: string;
  readonly part: string;
  readonly user: string | undefined;
}

/** Reads what stands between the scheme and the options. */
export function addressOf({ address, redacted }: StoreUrl): KafkaAddress {
  if (address === "auto") throw bad(unstarted("kafka:auto", "kafka://b1:9092/run42"));
  const [, login, hosts = "", path = ""] = /^\/\/(?:(.*)@)?([^/@]*)(?:\/(.*))?$/s.exec(address) ?? [];
  const servers = hosts.split(",").filter((host) => host !== "").map((host): Address => {
    const [, name, literal, port] = /^(?:([^:[\]\s]+)|\[([0-9a-f:]+)\])(?::(\d{1,5}))?$/i.exec(host) ?? [];
    const number = port === undefined ? portUnlessSaid : Number(port);
    if ((name ?? literal) === undefined || number < 1 || number > 65_535) {
      throw bad(`no host and port: ${host.slice(0, 60)}; kafka://b1:9092,b2:9092/run42 is wanted`);
    }
    return { host: (name ?? literal)!, port: number };
  });
  if (servers.length === 0) throw bad(`it names no server: ${redacted}; kafka://b1:9092/run42 is wanted`);
  const [place = "", ...rest] = path.replace(/\/$/, "").split("/");
  if (!isPlace(place)) {
    const what = place === "" ? "no name for the topics" : "what cannot be the name of a topic";
    throw bad(`it says ${what}: ${redacted}; letters, digits, -, _ and . are wanted, as in kafka://b1:9092/run42`);
  }
  const part = rest.join("/");
  if (part.length > 200 || /[^\x21-\x7e]/.test(part)) throw bad(`no part of a place: ${redacted}`);
  if (login?.includes(":")) {
    throw bad(
      "a password in a URL is shown by every list of processes; put it into a file, and name that: passwordFile=",
    );
  }
  return { servers, place, part, user: login === undefined ? undefined : decoded(login) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw bad("its user is not percent-encoded text");
  }
}

function fileAt(path: string, option: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const { code = "" } = cause as { readonly code?: string };
    throw new ShoalError("BadInput", `Cannot open store: ${option}=${path} cannot be read (${code})`, { cause });
  }
}

/** How a client goes to the servers. Throws BadInput where something is missing. */
export function clientOptionsOf(
  servers: readonly Address[],
  user: string | undefined,
  read: Read<typeof kafkaUrlOptions>,
): ClientOptions {
  const { tls, ca, cert, key, passwordFile, passwordEnv, mechanism = "SCRAM-SHA-512" } = read;
  const { connectMs = 5_000, replyMs: requestMs = 10_000, patienceMs = 15_000 } = read;
  const files = { ca, cert, key };
  const isSecure = tls === "on" || (tls === undefined && Object.values(files).some((path) => path !== undefined));
  const secured: ConnectionOptions = {};
  for (const name of ["ca", "cert", "key"] as const) {
    const path = files[name];
    if (path === undefined) continue;
    if (!isSecure) throw bad(`${name}= is given, and tls=off; leave one of the two out`);
    secured[name] = fileAt(path, name);
  }
  const plain = { servers, connectMs, requestMs, patienceMs, clientId, ...(isSecure ? { tls: secured } : {}) };
  if (user === undefined) {
    for (const [name, value] of Object.entries({ passwordFile, passwordEnv, mechanism: read.mechanism })) {
      if (value !== undefined) {
        throw bad(`${name}= is given, and no user; put it before the servers: kafka://user@b1:9092`);
      }
    }
    return plain;
  }
  const password = passwordFile === undefined
    ? process.env[passwordEnv ?? "SHOAL_KAFKA_PASSWORD"]
    : fileAt(passwordFile, "passwordFile").replace(/\r?\n$/, "");
  if (password === undefined || password === "") {
    const where = passwordFile ?? `the environment's ${passwordEnv ?? "SHOAL_KAFKA_PASSWORD"}`;
    throw bad(`user ${user} has no password: ${where} holds none; passwordFile= names a file that does`);
  }
  return { ...plain, credentials: { mechanism, user, password } };
}
