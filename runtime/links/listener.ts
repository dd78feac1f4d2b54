// Where a process can be reached by others of its host: a unix socket of its own, in a directory that nobody else may
// enter. Its name is never used again, so that one that a killed process left behind leads nowhere.

import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { chmod, lstat, mkdir, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { ShoalError } from "../../stores/error.ts";

export interface Listener {
  readonly path: string;
  begin(): Promise<void>;
  /** Settles when nobody listens there any more, which waits for the sockets that were taken. */
  close(): Promise<void>;
}

const folderMode = 0o700;
/** Node cuts longer paths at 108 bytes without a word. */
const pathBytesMax = 100;

export function listener(folder: string, taken: (socket: Socket) => void): Listener {
  const path = join(folder, `${randomBytes(8).toString("hex")}.sock`);
  const pathBytes = Buffer.byteLength(path);
  if (pathBytes > pathBytesMax) {
    const sizes = `the path of a socket there has ${pathBytes} of at most ${pathBytesMax} bytes`;
    throw new ShoalError("BadInput", `Cannot listen in ${folder}: ${sizes}; name a folder with a shorter path`);
  }
  const server = createServer(taken);
  let hasBegun = false;

  return {
    path,
    async begin() {
      await makePrivate(folder);
      await new Promise<void>((resolve, reject) => {
        server.once("error", (cause) => {
          reject(new ShoalError("Unavailable", `Cannot listen at ${path}: ${cause.message}`, { cause }));
        });
        server.listen(path, resolve);
      });
      // From here on it is a socket that fails, and each of them says so.
      server.on("error", () => {});
      hasBegun = true;
    },
    async close() {
      if (!hasBegun) return;
      hasBegun = false;
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await rm(path, { force: true });
    },
  };
}

/** A directory that nobody else may look into, or an error that says what to do. */
async function makePrivate(folder: string): Promise<void> {
  const what = `Cannot listen in ${folder}`;
  try {
    if (await mkdir(folder, { recursive: true, mode: folderMode }) !== undefined) await chmod(folder, folderMode);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ShoalError("Unavailable", `${what}: ${why}`, { cause });
  }
  const { mode, uid } = await lstat(folder);
  if (uid === userInfo().uid && (mode & 0o077) === 0) return;
  const cure = "give it to nobody else (chmod 700), or name another";
  throw new ShoalError("Unauthorized", `${what}: others may enter it; ${cure}`);
}
