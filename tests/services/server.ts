// One real Redis server of a test's own: on a free port, in a folder of its own, ended with the process that started
// it, whatever becomes of that. It can be killed and started again on what it has kept.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface RedisServer {
  readonly host: string;
  readonly port: number;
  /** Ends it at once, as a machine that fails would. */
  kill(): Promise<void>;
  /** Starts it again where it was, on what it has kept. */
  start(): Promise<void>;
  /** Ends it, with all that it has kept. */
  stop(): Promise<void>;
}

export interface RedisServerOptions {
  /** Settings of the server's: `["appendonly", "yes"]`. */
  readonly settings?: readonly (readonly [string, ...string[]])[];
  /** A setting for its way in, in place of `port`. */
  readonly isTls?: boolean;
  /** Its port is below this one. */
  readonly portMax?: number;
}

export const host = "127.0.0.1";
const readyMsMax = 60_000;
const triesMax = 5;
/** A port of its own is taken, or that of its bus: another one is tried. */
const taken = /Address already in use|Could not create server TCP|Failed listening on port/;

/** What is left of servers that nobody stopped: they end with this process, and their folders go with it. */
const folders = new Set<string>();
process.on("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A port that was free a moment ago. */
export async function freePort(portMax: number = 65_536): Promise<number> {
  for (;;) {
    const port = await anyPort();
    if (port < portMax) return port;
  }
}

function anyPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const listener = createServer();
    listener.once("error", reject);
    listener.listen(0, host, () => {
      const address = listener.address();
      listener.close(() =>
        address !== null && typeof address === "object" ? resolve(address.port) : reject(new Error("no port"))
      );
    });
  });
}

/** Whether something listens on a port. */
function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null;

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (hasEnded(child)) resolve();
    else child.once("exit", () => resolve());
  });

/** Ends the server when its own input ends, which it does with whoever holds the other side: even after a SIGKILL. */
const guard = '"$@" & p=$!; read -r _; kill -9 $p 2>/dev/null; wait $p 2>/dev/null';

export async function startRedis(
  binary: string,
  { settings = [], isTls = false, portMax = 65_536 }: RedisServerOptions = {},
): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), "redis-"));
  folders.add(folder);
  const args = settings.flatMap(([name, ...values]) => [`--${name}`, ...values]);
  let port = await freePort(portMax);
  let child: ChildProcess | undefined;
  let output = "";

  function launch(): ChildProcess {
    const way = isTls ? ["--port", "0", "--tls-port", String(port)] : ["--port", String(port)];
    const common = ["--bind", host, "--dir", folder, "--save", "", "--daemonize", "no", "--protected-mode", "no"];
    const made = spawn("sh", ["-c", guard, "sh", binary, ...way, ...common, ...args], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    output = "";
    for (const stream of [made.stdout, made.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => output = (output + text).slice(-4_000));
    }
    // It ends with this process; this process does not wait for it.
    made.unref();
    for (const stream of [made.stdin, made.stdout, made.stderr]) {
      if ("unref" in stream && typeof stream.unref === "function") stream.unref();
    }
    return made;
  }

  async function start(): Promise<void> {
    for (let tries = 1;; tries++) {
      child = launch();
      const end = performance.now() + readyMsMax;
      // It prints so when it has read what it kept; the port is open before that.
      while (!output.includes("Ready to accept connections") || !await listens(port)) {
        if (taken.test(output) || hasEnded(child) || performance.now() > end) break;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      if (output.includes("Ready to accept connections") && !hasEnded(child)) return;
      const said = output;
      await kill();
      if (tries === triesMax) throw new Error(`Cannot start redis-server: ${said.slice(-500)}`);
      if (taken.test(said)) port = await freePort(portMax);
    }
  }

  async function kill(): Promise<void> {
    const own = child;
    if (own === undefined) return;
    // Nothing else may be going on, and then nobody would see it end.
    own.ref();
    own.stdin?.destroy();
    await ended(own);
  }

  async function stop(): Promise<void> {
    await kill();
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
    folders.delete(folder);
  }

  await start();
  return {
    host,
    get port() {
      return port;
    },
    kill,
    start,
    stop,
  };
}
