// Two sites on one machine: each a network and a host name of its own, a wire between them, and a Redis server that only
// the first can reach. All of it ends with the process that made it, whatever becomes of that: nothing has a name
// outside, and whoever holds the namespaces reads from a pipe of that process.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";

export interface Site {
  readonly host: string;
  /** The words that run a command there. */
  within(...words: string[]): [string, ...string[]];
}

export interface Sites {
  readonly first: Site;
  readonly second: Site;
  /** Where the first is for the second. */
  readonly wire: string;
  /** The server's address, which lies in the first alone. */
  readonly redis: { readonly host: string; readonly port: number };
  stop(): Promise<void>;
}

const readyMsMax = 60_000;
/** They mean something in these networks only, in which nobody else is. */
const [wire, far, server, port] = ["10.77.1.1", "10.77.1.2", "10.77.2.1", 6379] as const;

const holder = (host: string): string =>
  `hostname ${host} && ip link set lo up && echo ready && { read -r _; exit 0; }`;
/** Ends the server when its own input ends. */
const guard = '"$@" & p=$!; read -r _; kill -9 $p 2>/dev/null; wait $p 2>/dev/null';

/** Starts a program, and answers once it has said something; or what it said instead. */
async function saying(words: readonly string[], what: string): Promise<ChildProcess | string> {
  const [program = "", ...args] = words;
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  return await new Promise((resolve) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      resolve(`${words.join(" ")} said nothing of ${what}: ${said}`);
    }, readyMsMax);
    const settle = (one: ChildProcess | string): void => {
      clearTimeout(timer);
      resolve(one);
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        said = (said + text).slice(-4_000);
        if (said.includes(what)) settle(child);
      });
    }
    child.once("error", (error) => settle(error.message));
    child.once("exit", (code) => settle(`${program} ended with ${code}: ${said.trim()}`));
  });
}

async function end(child: ChildProcess): Promise<void> {
  child.stdin?.destroy();
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}

/** Makes them, or says why this machine does not let it. */
export async function twoSites(redis: string): Promise<Sites | { readonly reason: string }> {
  const holding: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const child of holding.reverse()) await end(child);
  };
  async function hold(host: string): Promise<Site & { readonly pid: number }> {
    const made = await saying(["unshare", "--net", "--uts", "sh", "-c", holder(host)], "ready");
    if (typeof made === "string") throw new Error(made);
    holding.push(made);
    const { pid = 0 } = made;
    const into = ["--net", "--uts"].map((kind) => `${kind}=/proc/${pid}/ns/${kind.slice(2)}`);
    return { host, pid, within: (...words) => ["nsenter", ...into, "--", ...words] };
  }
  try {
    const [first, second] = [await hold("site-a"), await hold("site-b")];
    const lines: readonly (readonly [Site, string])[] = [
      [first, `link add wire type veth peer name wire netns ${second.pid}`],
      [first, `address add ${wire}/30 dev wire`],
      [first, "link set wire up"],
      [first, `address add ${server}/32 dev lo`],
      [second, `address add ${far}/30 dev wire`],
      [second, "link set wire up"],
    ];
    for (const [site, line] of lines) {
      const [program, ...args] = site.within("ip", ...line.split(" "));
      const { status, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
      if (status !== 0) throw new Error(`ip ${line}: ${error?.message ?? stderr.trim()}`);
    }
    const flags = ["--port", String(port), "--bind", server, "--save", "", "--protected-mode", "no"];
    const served = await saying(
      first.within("sh", "-c", guard, "sh", redis, ...flags),
      "Ready to accept connections",
    );
    if (typeof served === "string") throw new Error(served);
    holding.push(served);
    return { first, second, wire, redis: { host: server, port }, stop };
  } catch (error) {
    await stop();
    const why = error instanceof Error ? error.message : String(error);
    return { reason: `no networks of its own can be made here: ${why}` };
  }
}
