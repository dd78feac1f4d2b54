// How a client proves who it is: SASL PLAIN and SCRAM. A server that does not know the password either (SCRAM) is told
// as such; what is secret is in no error.
import { Buffer } from "node:buffer";
import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from "node:crypto";
import { ShoalError } from "../error.ts";

export type Mechanism = "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";

export const mechanisms: readonly Mechanism[] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

export interface Credentials {
  readonly mechanism: Mechanism;
  readonly user: string;
  readonly password: string;
}

/** Sends the client's words, and answers the server's. */
export type Exchange = (words: Buffer) => Promise<Buffer>;

const iterationsMin = 4_096;
const iterationsMax = 1_000_000;

export async function authenticate({ mechanism, user, password }: Credentials, exchange: Exchange): Promise<void> {
  if (mechanism === "PLAIN") {
    await exchange(Buffer.from(`\0${user}\0${password}`));
    return;
  }
  const hash = mechanism === "SCRAM-SHA-256" ? "sha256" : "sha512";
  const hmac = (key: Buffer, text: string | Buffer): Buffer => createHmac(hash, key).update(text).digest();
  const nonce = randomBytes(24).toString("base64url");
  const bare = `n=${user.replaceAll("=", "=3D").replaceAll(",", "=2C")},r=${nonce}`;
  const first = (await exchange(Buffer.from(`n,,${bare}`))).toString();
  const said = partsOf(first);
  const iterations = Number(said.get("i"));
  const theirs = said.get("r") ?? "";
  const isPlausible = theirs.startsWith(nonce) && theirs.length > nonce.length && said.has("s") &&
    iterations >= iterationsMin && iterations <= iterationsMax;
  if (!isPlausible) throw untrusted("its challenge is none");
  const salt = Buffer.from(said.get("s") ?? "", "base64");
  const salted = pbkdf2Sync(password.normalize("NFKC"), salt, iterations, hash === "sha256" ? 32 : 64, hash);
  const clientKey = hmac(salted, "Client Key");
  const stored = createHash(hash).update(clientKey).digest();
  const rest = `c=biws,r=${theirs}`;
  const all = `${bare},${first},${rest}`;
  const proof = hmac(stored, all).map((byte, index) => byte ^ clientKey[index]!);
  const last = partsOf((await exchange(Buffer.from(`${rest},p=${Buffer.from(proof).toString("base64")}`))).toString());
  const wanted = hmac(hmac(salted, "Server Key"), all);
  const shown = Buffer.from(last.get("v") ?? "", "base64");
  if (shown.byteLength !== wanted.byteLength || !timingSafeEqual(shown, wanted)) {
    throw untrusted("it does not know the password either");
  }
}

const partsOf = (text: string): Map<string, string> =>
  new Map(text.split(",").map((part) => [part.slice(0, 1), part.slice(2)]));

const untrusted = (why: string): ShoalError =>
  new ShoalError("Unauthorized", `Cannot trust Kafka's server: ${why}; check the address, and who answers there`);
