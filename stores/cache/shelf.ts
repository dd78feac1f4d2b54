// What of a store lies on this node, and where: a symbolic link for each tensor, which points at nothing but says it
// all. A link is made, read and replaced in one step, so that nobody meets half of one, and nobody needs a lock.
import {
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { errnoOf } from "../file/disk.ts";
import { ownIdentity, presenceOf } from "../sweep/identity.ts";

/** `filling` while one fetches it, `ready` once it lies in the arena of `writer`. */
export interface Lying {
  readonly state: "filling" | "ready";
  /** Of its bytes, as the store says. */
  readonly sum: string;
  /** The opening that fetches it, or has it. */
  readonly writer: string;
  /** Its process, and when that began. */
  readonly process: string;
  /** Its id there; empty while it is fetched. */
  readonly id: string;
  readonly bytes: number;
}

/** This process, as it stands there. */
export const ownProcess = (): string => `${ownIdentity().pid}:${ownIdentity().began}`;

/** Whether a process that stands there has not ended. */
export function isLiving({ process }: Lying): boolean {
  const [pid = "", began = ""] = process.split(":");
  return presenceOf({ ...ownIdentity(), pid: Number(pid), began }) !== "dead";
}

export interface Shelf {
  look(id: string): Lying | undefined;
  /** Answers whether nobody was there before. */
  claim(id: string, lying: Lying): boolean;
  /** From here on it is this. */
  replace(id: string, lying: Lying): void;
  /** Takes it away if it still is what it was. */
  remove(id: string, was: Lying): void;
  /** It was of use just now. */
  touch(id: string): void;
  /** All that lies here, what was not of use for longest first. */
  oldest(): readonly { readonly id: string; readonly lying: Lying }[];
}

const pattern = /^(filling|ready) ([0-9a-f]{1,64}) ([0-9a-f]{16}) (\d{1,10}:\d{0,20}) (\d{1,16}) ([0-9a-z.-]{0,64})$/;
const textOf = ({ state, sum, writer, process, bytes, id }: Lying): string =>
  `${state} ${sum} ${writer} ${process} ${bytes} ${id}`;

function lyingFrom(text: string): Lying | undefined {
  const [, state, sum = "", writer = "", process = "", bytes, id = ""] = pattern.exec(text) ?? [];
  if (state !== "filling" && state !== "ready") return undefined;
  return { state, sum, writer, process, bytes: Number(bytes), id };
}

/** Answers nothing where what is asked for is not there. */
function ifThere<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EINVAL"].includes(errnoOf(error))) return undefined;
    throw error;
  }
}

export function shelf(folder: string): Shelf {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const pathOf = (id: string): string => `${folder}/${id}`;
  let count = 0;

  function look(id: string): Lying | undefined {
    const text = ifThere(() => readlinkSync(pathOf(id)));
    return text === undefined ? undefined : lyingFrom(text);
  }

  return {
    look,
    claim(id, lying) {
      try {
        symlinkSync(textOf(lying), pathOf(id));
        return true;
      } catch (error) {
        if (errnoOf(error) === "EEXIST") return false;
        throw error;
      }
    },
    replace(id, lying) {
      const aside = `${folder}/.${lying.writer}-${count++}`;
      symlinkSync(textOf(lying), aside);
      renameSync(aside, pathOf(id));
    },
    remove(id, was) {
      const now = look(id);
      if (now !== undefined && textOf(now) === textOf(was)) ifThere(() => unlinkSync(pathOf(id)));
    },
    touch(id) {
      const now = new Date();
      ifThere(() => lutimesSync(pathOf(id), now, now));
    },
    oldest() {
      const found = (ifThere(() => readdirSync(folder)) ?? []).flatMap((id) => {
        const lying = id.startsWith(".") ? undefined : look(id);
        const usedMs = ifThere(() => lstatSync(pathOf(id)).mtimeMs);
        return lying === undefined || usedMs === undefined ? [] : [{ id, lying, usedMs }];
      });
      return found.sort((a, b) => a.usedMs - b.usedMs);
    },
  };
}
