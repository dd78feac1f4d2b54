// What a `file:` URL may say: its options, and the folder that it names.
import { fileURLToPath } from "node:url";
import { cacheUrlOptions } from "../cache.ts";
import { ShoalError } from "../error.ts";
import { msOption, type Reader, sizeOption, wordOption } from "../url.ts";

/** What a `file:` URL may say, and how each is read. */
export const fileUrlOptions: {
  readonly fsync: Reader<"always" | "never">;
  readonly capacity: Reader<number>;
  readonly full: Reader<"wait" | "reject">;
  readonly waitMs: Reader<number>;
  readonly graceMs: Reader<number>;
  readonly pool: Reader<number>;
  readonly adopt: Reader<string>;
  readonly stripe: Reader<number>;
  readonly cache: Reader<number>;
  readonly cacheFrom: Reader<number>;
  readonly cacheDir: Reader<string>;
} = {
  fsync: wordOption("always", "never"),
  capacity: sizeOption,
  full: wordOption("wait", "reject"),
  waitMs: msOption,
  graceMs: msOption,
  pool: sizeOption,
  adopt: folderOption,
  stripe: stripeOption,
  ...cacheUrlOptions,
};

function folderOption(text: string, name: string): string {
  if (text.startsWith("/") && !text.includes("\0")) return text;
  throw new ShoalError("BadInput", `Cannot open store: ${name}=${text}: an absolute path is wanted, as in /data`);
}

/** As Lustre counts: -1 is all of them. */
function stripeOption(text: string, name: string): number {
  if (/^(-1|[1-9]\d{0,3})$/.test(text)) return Number(text);
  throw new ShoalError("BadInput", `Cannot open store: ${name}=${text}: a number of targets is wanted, or -1 for all`);
}

/** The folder that a `file:` URL names. */
export function rootOf(address: string): string {
  try {
    if (!/^\/\/\/[^/]/.test(address)) throw new Error("no absolute path");
    return fileURLToPath(`file:${address}`).replace(/\/+$/, "");
  } catch (cause) {
    throw new ShoalError("BadInput", "Cannot open store: file: wants an absolute path, as in file:///scratch/run42", {
      cause,
    });
  }
}
