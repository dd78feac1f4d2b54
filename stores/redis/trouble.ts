// What the errors of a Redis server, and of the way to it, mean here: each with the cure. `Unavailable` is never told
// as `Missing`, and what nobody can know of a write is `unknown`.
import { isShoalError, type Outcome, ShoalError } from "../error.ts";
import { Cut, type Endpoint, Unreachable } from "./client.ts";

/** The first word of a server's error says its kind. */
export function replyCode(error: unknown): string {
  if (!(error instanceof Error) || error.name !== "ReplyError") return "";
  return /^-?([A-Z]+)\b/.exec(error.message)?.[1] ?? "ERR";
}

/** It did nothing, and will do it later: it starts, fails over, or moves keys. */
const passing = new Set(["LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "READONLY", "BUSY", "NOREPLICAS"]);

export const isPassing = (error: unknown): boolean => passing.has(replyCode(error));

/** The way broke, or the server was not there: worth another try. */
export const isWay = (error: unknown): boolean => error instanceof Cut || error instanceof Unreachable;

/** Whether an explicit id was not above the last of its stream. */
export const isBehind = (error: unknown): boolean =>
  replyCode(error) === "ERR" && error instanceof Error && /equal or smaller|must be greater than/.test(error.message);

export const isFull = (error: unknown): boolean => replyCode(error) === "OOM";

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";

const isUntrusted = (code: string, message: string): boolean =>
  /CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|ALTNAME/.test(code) || /certificate|UnknownIssuer/i.test(message);

/** What no waiting changes. */
export function isHopeless(error: unknown): boolean {
  const root = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return codeOf(root) === "ENOTFOUND" || root instanceof Error && isUntrusted(codeOf(root), root.message);
}

/** What stands in the way of a connection, in words, with the cure. */
function wayTrouble(what: string, where: string, error: Error, outcome: Outcome): ShoalError {
  const root = error.cause instanceof Error ? error.cause : error;
  const [code, message] = [codeOf(root), root.message];
  const options = { outcome, cause: error };
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    const cure = "check the name, or give an address";
    return new ShoalError("Unavailable", `Cannot ${what}: no such host as in ${where} (${code}); ${cure}`, options);
  }
  if (isUntrusted(code, message)) {
    const cure = "name the authority that signed it with ?ca=/path/to/ca.pem";
    return new ShoalError(
      "Unauthorized",
      `Cannot ${what}: the certificate of ${where} is not trusted (${code || message}); ${cure}`,
      options,
    );
  }
  if (/wrong version number|EPROTO|packet length|SSL routines/i.test(`${code} ${message}`)) {
    const cure = "write redis: instead of rediss:, or name its port for TLS";
    return new ShoalError("Unavailable", `Cannot ${what}: ${where} does not speak TLS; ${cure}`, options);
  }
  const cure = error instanceof Unreachable
    ? "check that the server runs there, that the port is right, and that rediss: is written where it wants TLS"
    : "it may have happened";
  const why = code === "" ? message : code;
  const tail = error instanceof Cut && outcome === "failed" ? "" : `; ${cure}`;
  return new ShoalError("Unavailable", `Cannot ${what}: ${where} cannot be reached (${why})${tail}`, options);
}

/** An error as ours. `outcome` is what is known of a command whose connection broke, or that failed strangely. */
export function troubleOf(error: unknown, what: string, where: string, outcome: Outcome): ShoalError {
  if (isShoalError(error)) return error;
  if (error instanceof Cut || error instanceof Unreachable) return wayTrouble(what, where, error, outcome);
  const message = error instanceof Error ? error.message : String(error);
  const code = replyCode(error);
  const failed = { cause: error };
  if (code === "OOM") {
    const cure = "release tensors, or raise maxmemory";
    return new ShoalError("CapacityExceeded", `Cannot ${what}: ${where} is at its maxmemory; ${cure}`, failed);
  }
  if (code === "NOAUTH") {
    const cure = "set SHOAL_REDIS_PASSWORD, or name a file with ?passwordFile=/path";
    return new ShoalError("Unauthorized", `Cannot ${what}: ${where} wants a password; ${cure}`, failed);
  }
  if (code === "WRONGPASS" || /invalid password|invalid username-password/i.test(message)) {
    const cure = "check the user in the URL, and the password in its file or in SHOAL_REDIS_PASSWORD";
    return new ShoalError("Unauthorized", `Cannot ${what}: ${where} refuses the password; ${cure}`, failed);
  }
  if (code === "NOPERM") {
    const cure = "give the user what stands in stores/redis/shoal.acl";
    return new ShoalError(
      "Unauthorized",
      `Cannot ${what}: the user of ${where} lacks a right: ${message}; ${cure}`,
      failed,
    );
  }
  if (code === "MISCONF") {
    const cure = "make room on the server's disk";
    return new ShoalError("Unavailable", `Cannot ${what}: ${where} cannot write its disk; ${cure}`, failed);
  }
  if (isPassing(error)) return new ShoalError("Unavailable", `Cannot ${what}: ${where} is not ready (${code})`, failed);
  return new ShoalError("Unavailable", `Cannot ${what}: ${where} answered ${message}`, { outcome, cause: error });
}

/** Where a server sends one on to. */
export function movedTo(error: unknown): { readonly slot: number; readonly endpoint: Endpoint } | undefined {
  const message = error instanceof Error ? error.message : "";
  const [, slot, host, port] = /^(?:MOVED|ASK) (\d+) (.*):(\d+)$/.exec(message) ?? [];
  return host === undefined ? undefined : { slot: Number(slot), endpoint: { host, port: Number(port) } };
}
