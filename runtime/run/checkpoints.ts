// Checkpoints of named things in the run directory: each is written whole, under the next number, before the one before
// the last goes; a reader takes the latest that is as it was written.

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ShoalError } from "../../stores/error.ts";
import { decodeMessage, encodeMessage } from "../messages/codec.ts";
import { fileMode, folderMode, numbered, numberIn, type RunLayout, writeWhole } from "./layout.ts";
import { errnoOf, troubleIn } from "./trouble.ts";

export interface Checkpoints {
  /** Keeps a value under a name; answers its number, which grows. It is on the disk when this returns. */
  save(name: string, value: unknown): number;
  /** The latest value that was kept whole, if any. */
  load(name: string): { readonly number: number; readonly value: unknown } | undefined;
}

const nameCharsMax = 200;
/** One more than is needed, for the day on which the last one cannot be read. */
const keptMax = 2;

/** The checkpoints of a run. Values are what can be sent, without references to actors. */
export function runCheckpoints(layout: RunLayout): Checkpoints {
  /** A name may hold anything, and never becomes a path: its digest does. */
  function folderOf(name: string): string {
    if (name === "" || name.length > nameCharsMax) {
      throw new ShoalError(
        "BadInput",
        `Cannot checkpoint ${JSON.stringify(name.slice(0, 40))}: a name has 1 to ${nameCharsMax} characters`,
      );
    }
    return join(layout.checkpoints, createHash("sha256").update(name).digest("hex").slice(0, 32));
  }

  function numbersIn(folder: string): number[] {
    try {
      return readdirSync(folder).map((file) => numberIn(file, ".json")).filter((number) => number !== undefined)
        .sort((a, b) => b - a);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return [];
      throw troubleIn(layout.directory, "read the checkpoints", error);
    }
  }

  return {
    save(name, value) {
      const folder = folderOf(name);
      const frame = Buffer.from(encodeMessage(value, true)).toString("base64");
      try {
        mkdirSync(folder, { recursive: true, mode: folderMode });
        const numbers = numbersIn(folder);
        if (numbers.length === 0) writeFileSync(join(folder, "name"), name, { mode: fileMode });
        let number = (numbers[0] ?? 0) + 1;
        // Taken by another, or by one that was never seen: the next is free.
        while (!writeWhole(join(folder, numbered(number, ".json")), textOf(name, number, frame), true)) number += 1;
        for (const old of numbers.slice(keptMax - 1)) rmSync(join(folder, numbered(old, ".json")), { force: true });
        return number;
      } catch (error) {
        throw troubleIn(layout.directory, `checkpoint ${name}`, error);
      }
    },
    load(name) {
      const folder = folderOf(name);
      for (const number of numbersIn(folder)) {
        const value = valueIn(join(folder, numbered(number, ".json")), name, number);
        if (value !== undefined) return { number, value: value.value };
      }
      return undefined;
    },
  };
}

const sumOf = (name: string, number: number, frame: string): string =>
  createHash("sha256").update(JSON.stringify([name, number, frame])).digest("hex").slice(0, 16);

function textOf(name: string, number: number, frame: string): string {
  return `${JSON.stringify({ name, number, frame, sum: sumOf(name, number, frame) })}\n`;
}

function valueIn(path: string, name: string, number: number): { readonly value: unknown } | undefined {
  try {
    const { frame, sum }: { frame?: unknown; sum?: unknown } = JSON.parse(readFileSync(path, "utf8"));
    if (typeof frame !== "string" || sum !== sumOf(name, number, frame)) return undefined;
    return { value: decodeMessage(new Uint8Array(Buffer.from(frame, "base64")), noActor) };
  } catch {
    return undefined;
  }
}

function noActor(): never {
  throw new TypeError("a checkpoint holds no reference to an actor");
}
