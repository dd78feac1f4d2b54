// Where a reader waits for more: what comes next begins right behind what it has read last. Whether something stands
// there is told by one small read; all else that may have happened to a stream takes several calls, and is rare.
import { type Disk, type DiskFile, ifThere } from "./disk.ts";
import { magicBytes } from "./frames.ts";
import { segmentBytesMax } from "./writers.ts";

/** The place behind the last frame of an opening that may still grow. */
export interface Edge {
  readonly path: string;
  readonly at: number;
}

export interface Tail {
  /** Whether there is reason to read on; where that cannot be told, there is. */
  hasGrown(edge: Edge): Promise<boolean>;
  close(): Promise<void>;
}

/** For one reader, while it waits. */
export function tail(disk: Disk): Tail {
  const mark = new Uint8Array(magicBytes);
  let open: { readonly path: string; readonly file: DiskFile } | undefined;

  async function close(): Promise<void> {
    const { file } = open ?? {};
    open = undefined;
    // What was read was read: a file that does not close well takes nothing of it back.
    await file?.close().catch(() => {});
  }

  return {
    async hasGrown({ path, at }) {
      // Its writer goes on in another file.
      if (at >= segmentBytesMax) return true;
      try {
        if (open?.path !== path) {
          await close();
          const file = await ifThere(disk.open(path, "read"));
          if (file === undefined) return true;
          open = { path, file };
        }
        const { file } = open;
        const count = file.direct === undefined ? await file.read(mark, at) : file.direct.read(mark, at);
        // Of a batch this is written last.
        return count === mark.length && mark.some((byte) => byte !== 0);
      } catch {
        return true;
      }
    },
    close,
  };
}
