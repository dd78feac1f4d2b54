// `shoal run waves` in a process of its own, which leaves nothing behind, and what the server of its store has sent for it.

import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

interface Times {
  readonly sum: number;
}

/** The part of what it ends with that is used here. */
export interface Result {
  readonly bytes: number;
  readonly launchSeconds: number;
  readonly totalSeconds: number;
  readonly overheadSeconds: number | null;
  readonly simulate: { readonly seconds: number; readonly floorSeconds: number; readonly put: Times };
  readonly train: {
    readonly seconds: number;
    readonly get: Times;
    readonly models: readonly { readonly samples: number }[];
  };
  readonly checksum: string;
}

export interface Where {
  /** What starts it. */
  readonly shoal: readonly string[];
  readonly store: string;
  /** For its runs, and for the files of a store that has no place of its own. */
  readonly folder: string;
}

const errorCharsMax = 4_000;
const answerMs = 10_000;

/** A URL as shoal takes it: `file:` alone is a folder of the benchmark's own. */
export function urlOf(store: string, folder: string): string {
  const [, query = ""] = /^file:(\?.*)?$/.exec(store) ?? [];
  return /^file:(\?|$)/.test(store) ? `${pathToFileURL(join(folder, "store")).href}${query}` : store;
}

export async function waves(
  { shoal: [command = "", ...first], store, folder }: Where,
  flags: { readonly [flag: string]: string | number | boolean },
): Promise<{ readonly result: Result; readonly sentBytes: number }> {
  const said = Object.entries(flags).flatMap(([flag, value]) =>
    value === true ? [`--${flag}`] : [`--${flag}`, String(value)]
  );
  const words = [
    ...first,
    "run",
    "waves",
    ...said,
    "--store",
    urlOf(store, folder),
    "--runs",
    join(folder, "runs"),
    "--json",
    "--quiet",
  ];
  const before = await sentBytesOf(store);
  try {
    const line = await ended(command, words, { ...process.env, XDG_STATE_HOME: folder });
    return { result: JSON.parse(line) as Result, sentBytes: await sentBytesOf(store) - before };
  } finally {
    for (const name of ["store", "runs"]) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

/** The last line that a program says. */
function ended(command: string, words: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, { env, stdio: ["ignore", "pipe", "pipe"] });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => stdout += text);
    child.stderr.setEncoding("utf8").on("data", (text: string) => stderr = (stderr + text).slice(-errorCharsMax));
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (code === 0) resolve(stdout.trim().split("\n").at(-1) ?? "");
      else reject(new Error(`shoal run waves ended with ${signal ?? code}: ${stderr.trim().split("\n").at(-1)}`));
    });
  });
}

/** What a Redis server that asks for no password has sent since it was started; of all others nothing is known. */
async function sentBytesOf(store: string): Promise<number> {
  const [, host, port = "6379"] = /^redis:\/\/([^:/?@,]+)(?::(\d+))?(?:[/?].*)?$/.exec(store) ?? [];
  if (host === undefined) return NaN;
  return await new Promise((resolve, reject) => {
    const socket = connect(Number(port), host, () => socket.write("INFO stats\r\n"));
    let text = "";
    socket.setTimeout(answerMs, () => socket.destroy(new Error(`Cannot ask ${host}:${port}: no answer`)));
    socket.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      const [, bytes] = /total_net_output_bytes:(\d+)\r/.exec(text) ?? [];
      if (bytes === undefined) return;
      resolve(Number(bytes));
      socket.destroy();
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`Cannot ask ${host}:${port} what it has sent: ${text.trim()}`)));
  });
}
