// Claims as files that appear whole: of all who link a value to one epoch's name, one wins. The highest epoch stands,
// and the one before it is kept, so that a listing that runs meanwhile always meets one of the two.
import { ShoalError } from "../error.ts";
import { checkName } from "../names.ts";
import { checkClaim } from "../requests.ts";
import type { Claimed, Claims } from "../store.ts";
import { type Disk, ifThere } from "./disk.ts";
import { type Layout, numbered, numberedName } from "./layout.ts";
import { namesBelow } from "./listing.ts";
import { troubleOf } from "./trouble.ts";
import type { Wholes } from "./whole.ts";

const triesMax = 1_000;

export interface FileClaimsOptions {
  readonly disk: Disk;
  readonly wholes: Wholes;
  readonly layout: Layout;
  readonly throwIfClosed: () => void;
}

export function fileClaims({ disk, wholes, layout, throwIfClosed }: FileClaimsOptions): Claims {
  /**
   * Another may move on between the listing and the reading: then what it moved on to is there. What the asker itself
   * has put there it need not read.
   */
  async function standing(folder: string, own?: Claimed): Promise<Claimed | undefined> {
    for (let tries = 0; tries < triesMax; tries++) {
      const names = await ifThere(disk.list(folder)) ?? [];
      const [epoch] = numbered(names, "claim", 1).at(-1) ?? [];
      if (epoch === undefined) return undefined;
      if (epoch === own?.epoch) return own;
      const value = await wholes.read(folder, numberedName("claim", epoch));
      if (value !== undefined) return { epoch, value: textOf(value) };
    }
    throw new ShoalError("Unavailable", "Cannot read claim: it changed each time that it was looked at");
  }

  async function forget(folder: string): Promise<void> {
    const names = await disk.list(folder);
    for (const [epoch] of numbered(names, "claim", 1).slice(0, -2)) {
      await ifThere(disk.remove(`${folder}/${numberedName("claim", epoch!)}`));
    }
  }

  async function claim(name: string, epoch: number, value: string): Promise<{ held: boolean } & Claimed> {
    const folder = layout.claim(name);
    const before = await standing(folder);
    let own: Claimed | undefined;
    if (before === undefined || before.epoch < epoch) {
      if (before === undefined) {
        await wholes.makeFolder(folder);
        await wholes.put(folder, "name", name);
      }
      if (await wholes.place(folder, numberedName("claim", epoch), JSON.stringify(value))) own = { epoch, value };
    } else {
      // What was claimed may not be on the disk yet, where the one who claimed it has not come back.
      await wholes.settle(folder);
    }
    const after = await standing(folder, own);
    if (after === undefined) throw new ShoalError("Unavailable", "it vanished");
    // Tidying is nobody's promise: where it fails, the next one tries again.
    if (before !== undefined && after.epoch !== before.epoch) await forget(folder).catch(() => {});
    return { held: after.epoch === epoch && after.value === value, ...after };
  }

  return {
    async claim(name, epoch, value) {
      throwIfClosed();
      checkClaim(name, epoch, value);
      try {
        return await claim(name, epoch, value);
      } catch (error) {
        throw troubleOf(error, `claim ${name}`, true);
      }
    },
    async claimed(name) {
      throwIfClosed();
      checkName("claim", name);
      try {
        return await standing(layout.claim(name));
      } catch (error) {
        throw troubleOf(error, `read claim ${name}`);
      }
    },
    async claims(prefix) {
      throwIfClosed();
      return namesBelow(disk, wholes, layout.claims, prefix, "claim");
    },
  };
}

/** As JSON, because a lone surrogate would not come back from UTF-8 as it went. */
function textOf(json: string): string {
  const value: unknown = JSON.parse(json);
  if (typeof value !== "string") throw new ShoalError("Corrupt", "Cannot read claim: its value is no text");
  return value;
}
