// What a server is that a run starts for itself (`redis:auto`, `kafka:auto`): types, and where its program is looked for.
// Which machine it runs on, and for how long, is not known here.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

export interface OwnPlace {
  readonly host: string;
  readonly port: number;
}

/** What was found on this machine of all that it takes. */
export interface OwnProgram {
  readonly program: string;
  /** Before those of its configuration. */
  readonly args: readonly string[];
  /** In words, for people. */
  readonly about: string;
}

export interface Preparing extends OwnPlace {
  readonly found: OwnProgram;
  /** What it keeps, and its configuration: nobody else may enter. */
  readonly folder: string;
  readonly password: string;
  /** What it may take of the machine's memory. */
  readonly memoryBytesMax: number;
  /** Whether what it is told is to be there after it has ended. */
  readonly keeps: boolean;
  /** Another port that is free, for what it says to itself. */
  readonly sidePort: number;
}

/** Who answers at a place: this run's own server, which may not be ready yet, somebody else, or nobody. */
export type Answering = "ready" | "starting" | "other" | "nobody";

export interface OwnServer {
  readonly scheme: "redis" | "kafka";
  /** Whether there is one on each node, or one for all. */
  readonly isSharded: boolean;
  /** Ends it in order: no signal of those that a scheduler sends to all that a job has started. */
  readonly endSignal: "INT" | "HUP";
  /** How long it may take until it answers, and until it has ended. */
  readonly readyMsMax: number;
  readonly endMsMax: number;
  /** What it writes where its port is not free any more. */
  readonly taken: RegExp;
  /** Throws Unavailable with the cure where this machine lacks something, which is named. */
  found(): Promise<OwnProgram>;
  /** Writes what it starts from; answers its command. */
  prepare(preparing: Preparing): Promise<readonly string[]>;
  who(place: OwnPlace, password: string): Promise<Answering>;
  /** The URL by which all nodes open it. */
  url(places: readonly OwnPlace[], passwordFile: string, run: string, options: string): string;
}

/** The path of a program, if it is anywhere on the PATH or in one of the folders. */
export function programAt(name: string, folders: readonly string[] = []): string | undefined {
  const all = [...folders, ...(process.env["PATH"] ?? "").split(delimiter)];
  return all.filter((folder) => folder !== "").map((folder) => join(folder, name)).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** What a program writes about itself, or that it does not run. */
export const aboutMsMax = 20_000;
