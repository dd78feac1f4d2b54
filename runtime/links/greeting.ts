// How two nodes find out, over a socket, that both are of one run: each shows that it has the run's token without
// saying it, and says which node it is and where that listens. Pure: texts in, texts out.

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { isErrorCode, ShoalError } from "../../stores/error.ts";

// dials   ["shoal", layout, run, node, path, nonce]
// listens ["shoal", layout, run, node, path, nonce, proof]
// dials   ["proof", proof]
// listens ["welcome"]
// Whoever does not like the other says ["refused", code, message] and hangs up.

/** Counts the forms of what crosses a socket. Two nodes of one run speak the same. */
export const socketLayout = 1;
/** No text of a greeting is longer. */
export const greetingBytesMax = 4_096;

/** Who speaks. */
export interface Speaker {
  readonly run: string;
  readonly token: string;
  readonly node: string;
  /** Where it listens. */
  readonly path: string;
}

export interface Met {
  readonly node: string;
  readonly path: string;
}

export interface Reply {
  /** What to say. */
  readonly say?: string;
  /** From here on packets cross. */
  readonly met?: Met;
  /** Nothing more is to be said, for this reason. */
  readonly error?: ShoalError;
}

export type Greeting = (text: string) => Reply;

interface Hello extends Met {
  readonly parts: readonly string[];
}

const nonceBytes = 16;

/** The side that dials: what it says first, and what it makes of each answer. `wanted` is the node it dials. */
export function dialing(own: Speaker, wanted: string): { readonly first: string; readonly greeting: Greeting } {
  const hello = helloOf(own);
  let met: Met | undefined;
  return {
    first: JSON.stringify(["shoal", socketLayout, ...hello]),
    greeting(text) {
      const parts = listOf(text);
      if (parts?.[0] === "refused") return { error: refusalIn(parts) };
      if (met !== undefined) return parts?.[0] === "welcome" ? { met } : { error: garbled() };
      const other = helloIn(parts, own);
      if (other instanceof ShoalError) return refuse(other);
      if (other.node !== wanted) return refuse(notThere(other.node, wanted));
      if (!isProof(parts?.[6], proofOf(own.token, "listens", hello, other.parts))) return refuse(noToken(other, own));
      met = { node: other.node, path: other.path };
      return { say: JSON.stringify(["proof", proofOf(own.token, "dials", hello, other.parts)]) };
    },
  };
}

/** The side that listens. */
export function listening(own: Speaker): Greeting {
  const hello = helloOf(own);
  let other: Hello | undefined;
  return (text) => {
    const parts = listOf(text);
    if (parts?.[0] === "refused") return { error: refusalIn(parts) };
    if (other === undefined) {
      const heard = helloIn(parts, own);
      if (heard instanceof ShoalError) return refuse(heard);
      if (heard.node === own.node) return refuse(twice(own));
      other = heard;
      const proof = proofOf(own.token, "listens", heard.parts, hello);
      return { say: JSON.stringify(["shoal", socketLayout, ...hello, proof]) };
    }
    if (parts?.[0] !== "proof") return { error: garbled() };
    if (!isProof(parts[1], proofOf(own.token, "dials", other.parts, hello))) return refuse(noToken(other, own));
    return { say: JSON.stringify(["welcome"]), met: { node: other.node, path: other.path } };
  };
}

/** What a node says to one that it cannot talk with. */
export function refuse(error: ShoalError): Reply {
  // To garbage nothing is said.
  if (error.code === "Corrupt") return { error };
  return { say: JSON.stringify(["refused", error.code, error.message]), error };
}

function helloOf({ run, node, path }: Speaker): readonly string[] {
  return [run, node, path, randomBytes(nonceBytes).toString("hex")];
}

function proofOf(
  token: string,
  side: "dials" | "listens",
  dialer: readonly string[],
  listener: readonly string[],
): string {
  return createHmac("sha256", token).update(JSON.stringify([side, socketLayout, dialer, listener])).digest("hex");
}

function isProof(given: unknown, proof: string): boolean {
  if (typeof given !== "string" || given.length !== proof.length) return false;
  const [one, other] = [new TextEncoder().encode(given), new TextEncoder().encode(proof)];
  return one.length === other.length && timingSafeEqual(one, other);
}

function listOf(text: string): readonly unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function helloIn(parts: readonly unknown[] | undefined, own: Speaker): Hello | ShoalError {
  if (parts === undefined || parts[0] !== "shoal") return garbled();
  const [, layout, ...rest] = parts;
  if (layout !== socketLayout) {
    const text = `Cannot talk with a node of this host: its layout is ${
      String(layout)
    }, this one speaks ${socketLayout}`;
    return new ShoalError("Incompatible", `${text}; all nodes of a run need the same version of shoal`);
  }
  const texts = rest.slice(0, 4).filter((part) => typeof part === "string");
  const [run, node, path, nonce] = texts;
  if (run === undefined || node === undefined || path === undefined || nonce === undefined) return garbled();
  if (run !== own.run) {
    const text = `Cannot talk with node ${node}: it is of run ${run}, this is ${own.run}`;
    return new ShoalError("Incompatible", `${text}; start both for the same run`);
  }
  return { node, path, parts: texts };
}

function refusalIn([, code, message]: readonly unknown[]): ShoalError {
  if (!isErrorCode(code) || typeof message !== "string") return garbled();
  return new ShoalError(code, message);
}

const garbled = (): ShoalError =>
  new ShoalError("Corrupt", "Cannot talk with whoever is at the other end of the socket: what it says is damaged");

/** Each process that leads a run has a token of its own for it. */
export const tokenCure =
  "one that an earlier head of the run has started ends by itself, and any other was not started by this run";

function noToken({ node }: Met, { run }: Speaker): ShoalError {
  const text = `Cannot talk with node ${node}: it has not the token of run ${run}`;
  return new ShoalError("Unauthorized", `${text}; ${tokenCure}`);
}

function notThere(found: string, wanted: string): ShoalError {
  return new ShoalError("Conflict", `Cannot reach node ${wanted}: node ${found} listens in its place`);
}

function twice({ node }: Speaker): ShoalError {
  return new ShoalError("Conflict", `Cannot talk with node ${node}: this is node ${node}; a name is for one process`);
}
