// The native backend of TensorFlow.js for the tests, brought in as users bring it in, once per machine; or why there is
// none.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { commandFor } from "../runner.ts";
import { root, runtime } from "../suite.ts";
import type { Started } from "./redis.ts";

export const nativeVariable = "SHOAL_TEST_NATIVE";

/** Where it is kept, as the cache of a user of its own: what other specs compute with stays as it was. */
const cache = join(root, "node_modules", ".cache", "services", "native");

export type NativeService = { readonly cache: string } | { readonly reason: string };

/** Runs the command, unless the backend is there. Where it cannot be had, what the command says is the reason. */
export function startNative(): Promise<Started> {
  const [command, ...words] = commandFor(runtime, join(root, "runtime/cli/main.ts"));
  const env = { ...process.env, XDG_CACHE_HOME: cache };
  return new Promise((resolve) => {
    const answer = (found: NativeService): void => resolve({ text: JSON.stringify(found), stop: async () => {} });
    const child = spawn(command, [...words, "doctor", "--fix", "tensorflow"], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => said += text);
    child.stderr.setEncoding("utf8").on("data", (text: string) => said += text);
    child.once("error", ({ message }) => answer({ reason: message }));
    child.once("close", () => {
      if (/^ok +tensorflow/m.test(said)) return answer({ cache });
      answer({ reason: /Cannot bring in .*/.exec(said)?.[0] ?? `the command failed: ${said.slice(-2_000)}` });
    });
  });
}

/** The backend of this run. */
export async function nativeService(): Promise<NativeService> {
  const told = process.env[nativeVariable];
  const text = told === undefined || told === "" ? (await startNative()).text : told;
  return JSON.parse(text) as NativeService;
}
