// Reads the URL of a Redis store: which servers, whether they are a cluster, whether the way is encrypted, and where
// its secrets are. A password never stands in a URL: those end up in lists of processes and in reports.
import { readFileSync } from "node:fs";
import { cacheUrlOptions } from "../cache.ts";
import { ShoalError } from "../error.ts";
import {
  msOption,
  type Read,
  type Reader,
  readOptions,
  sizeOption,
  type StoreUrl,
  unstarted,
  wordOption,
} from "../url.ts";
import type { Access, Endpoint } from "./client.ts";

export interface Address {
  readonly endpoints: readonly Endpoint[];
  readonly isCluster: boolean;
  readonly access: Access;
  /** Without secrets and options: the `where` of references. */
  readonly where: string;
}

const portUnlessSaid = 6_379;
const serversMax = 1_024;
const passwordVariable = "SHOAL_REDIS_PASSWORD";
const secretBytesMax = 65_536;

const bad = (message: string): ShoalError => new ShoalError("BadInput", `Cannot open store: ${message}`);

function pathOption(text: string, name: string): string {
  if (text.startsWith("/") && !text.includes("\0")) return text;
  throw bad(`${name}=${text}: an absolute path is wanted`);
}

function variableOption(text: string, name: string): string {
  if (/^[A-Za-z_]\w{0,127}$/.test(text)) return text;
  throw bad(`${name}=${text}: the name of an environment variable is wanted`);
}

/** Part of every key: no sign that a pattern or a tag of the server's means something by. */
function spaceOption(text: string, name: string): string {
  if (/^[A-Za-z0-9_.-]{1,64}$/.test(text)) return text;
  throw bad(`${name}=${text}: a name of letters, digits, -, _ and . is wanted, at most 64 characters`);
}

/** What a URL of this store may say, and how each is read. */
export const redisUrlOptions: {
  readonly passwordFile: Reader<string>;
  readonly passwordEnv: Reader<string>;
  readonly ca: Reader<string>;
  readonly cert: Reader<string>;
  readonly key: Reader<string>;
  readonly space: Reader<string>;
  readonly capacity: Reader<number>;
  readonly full: Reader<"wait" | "reject">;
  readonly waitMs: Reader<number>;
  readonly graceMs: Reader<number>;
  readonly pool: Reader<number>;
  readonly patienceMs: Reader<number>;
  readonly replyMs: Reader<number>;
  readonly cache: Reader<number>;
  readonly cacheFrom: Reader<number>;
  readonly cacheDir: Reader<string>;
} = {
  passwordFile: pathOption,
  passwordEnv: variableOption,
  ca: pathOption,
  cert: pathOption,
  key: pathOption,
  space: spaceOption,
  capacity: sizeOption,
  full: wordOption("wait", "reject"),
  waitMs: msOption,
  graceMs: msOption,
  pool: sizeOption,
  patienceMs: msOption,
  replyMs: msOption,
  ...cacheUrlOptions,
};

export type RedisUrlOptions = Read<typeof redisUrlOptions>;

function fileText(path: string, what: string): string {
  try {
    const text = readFileSync(path, "utf8");
    if (text.length > secretBytesMax) throw new Error(`more than ${secretBytesMax} bytes`);
    return text;
  } catch (cause) {
    const why = cause instanceof Error && "code" in cause ? String(cause.code) : "it is too large";
    throw new ShoalError(
      "BadInput",
      `Cannot open store: ${what} ${path} cannot be read (${why}); check its path and rights`,
      {
        cause,
      },
    );
  }
}

function passwordOf({ passwordFile, passwordEnv }: RedisUrlOptions): string | undefined {
  if (passwordFile !== undefined && passwordEnv !== undefined) throw bad("passwordFile and passwordEnv: one of them");
  if (passwordFile !== undefined) return fileText(passwordFile, "password file").replace(/\r?\n$/, "");
  const password = process.env[passwordEnv ?? passwordVariable];
  if (password === undefined && passwordEnv !== undefined) {
    throw bad(`passwordEnv=${passwordEnv}: there is no such environment variable; set it, or name a passwordFile`);
  }
  return password === "" ? undefined : password;
}

function endpointOf(text: string): Endpoint {
  const [, six, name, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]{1,253}))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = six ?? name;
  if (host === undefined) throw bad(`${JSON.stringify(text.slice(0, 80))} is no server; host or host:port is wanted`);
  const number = port === undefined ? portUnlessSaid : Number(port);
  if (number < 1 || number > 65_535) throw bad(`port ${port} of ${host}: a number from 1 to 65535 is wanted`);
  return { host, port: number };
}

/** What a URL of `redis:`, `rediss:`, `redis+cluster:` or `rediss+cluster:` names, with its secrets fetched. */
export function addressOf(url: StoreUrl): { readonly address: Address; readonly options: RedisUrlOptions } {
  const options = readOptions(url, redisUrlOptions);
  const isCluster = url.scheme.endsWith("+cluster");
  const isEncrypted = url.scheme.startsWith("rediss");
  const [, authority, path = ""] = /^\/\/([^/]+)(?:\/(.*))?$/s.exec(url.address) ?? [];
  if (url.address === "auto") throw bad(unstarted("redis:auto", "redis://n1:6379"));
  if (authority === undefined) throw bad(`${url.scheme}: wants its servers, as in ${url.scheme}://n1:6379,n2:6379`);
  const at = authority.lastIndexOf("@");
  const user = at < 0 ? undefined : authority.slice(0, at);
  if (user?.includes(":")) {
    throw bad(
      `a password in a URL is seen by others; leave it out, and set ${passwordVariable} or name a file with ?passwordFile=/path`,
    );
  }
  const endpoints = authority.slice(at + 1).split(",").map(endpointOf);
  if (endpoints.length > serversMax) throw bad(`${endpoints.length} servers are named; ${serversMax} are the most`);
  const named = new Set(endpoints.map(({ host, port }) => `${host}:${port}`));
  if (named.size < endpoints.length) throw bad("a server is named twice");
  if (!/^\d{0,4}$/.test(path)) throw bad(`/${path.slice(0, 40)}: behind the servers stands the number of a database`);
  const database = Number(path);
  if (isCluster && database !== 0) throw bad("a cluster has no databases but 0; leave the number out");
  const { ca, cert, key } = options;
  if (!isEncrypted && (ca ?? cert ?? key) !== undefined) throw bad("ca, cert and key are for rediss:; write that");
  if ((cert === undefined) !== (key === undefined)) throw bad("cert and key go together");
  const tls = {
    ...(ca === undefined ? {} : { ca: fileText(ca, "ca") }),
    ...(cert === undefined ? {} : { cert: fileText(cert, "cert") }),
    ...(key === undefined ? {} : { key: fileText(key, "key") }),
  };
  const password = passwordOf(options);
  const access: Access = {
    database,
    ...(user === undefined || user === "" ? {} : { username: decodeURIComponent(user) }),
    ...(password === undefined ? {} : { password }),
    ...(isEncrypted ? { tls } : {}),
  };
  const where = `${url.scheme}://${[...named].join()}${path === "" ? "" : `/${database}`}`;
  return { address: { endpoints, isCluster, access, where: where.slice(0, 1_000) }, options };
}
