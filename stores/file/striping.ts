// Striping on Lustre through its own tool: each folder of tensors once, and each very large file for itself. Where
// there is no `lfs`, or it does not like the place, all goes on as the site has set it.
import { execFile } from "node:child_process";

export interface Striping {
  /** Files that are made in a folder from here on lie on one target each. */
  narrow(folder: string): Promise<void>;
  /** Makes an empty file over several targets; answers whether it is there. */
  wide(path: string): Promise<boolean>;
}

const lfsMs = 30_000;

/** `count` is how many targets a very large file lies on. */
export function lfsStriping(count: number): Striping {
  let isThere = true;

  function setStripe(count: number, path: string): Promise<boolean> {
    return new Promise((resolve) => {
      execFile("lfs", ["setstripe", "-c", `${count}`, path], { timeout: lfsMs }, (error) => {
        // Not there, or no Lustre: what was refused once is not asked for again.
        if (error !== null) isThere = false;
        resolve(error === null);
      });
    });
  }

  return {
    async narrow(folder) {
      if (isThere) await setStripe(1, folder);
    },
    wide: async (path) => isThere && await setStripe(count, path),
  };
}
