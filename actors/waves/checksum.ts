// XXH64 over bytes that come in pieces, so that two runtimes, stores and machines can be compared by sixteen digits.

import xxhash from "xxhash-wasm";

/** What goes on from piece to piece. */
export interface Checksum {
  update(bytes: Uint8Array): void;
  /** Of all bytes so far: sixteen hex digits. It can go on. */
  digest(): string;
}

/** The hash has a memory of its own that grows to the largest piece: pieces of this size keep it small and in cache. */
const pieceBytes = 2 ** 18;

let ready: ReturnType<typeof xxhash> | undefined;

/** A checksum of no bytes yet. */
export async function checksum(): Promise<Checksum> {
  const hash = (await (ready ??= xxhash())).create64();
  return {
    update(bytes) {
      for (let at = 0; at < bytes.length; at += pieceBytes) hash.update(bytes.subarray(at, at + pieceBytes));
    },
    digest: () => hash.digest().toString(16).padStart(16, "0"),
  };
}
