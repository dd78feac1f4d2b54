// Starts workers on this machine, as processes of the one that leads the run.

import { type ChildProcess, spawn } from "node:child_process";
import { hostname } from "node:os";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { type Launcher, outputLinesKept, type WorkerCommand, type WorkerEnd, type WorkerProcess } from "./launcher.ts";

export interface LocalLauncherOptions {
  /** What workers write is passed on, line by line. */
  readonly wrote: (worker: number, line: string, to: "stdout" | "stderr") => void;
}

/** What is wrong with starting it shows in its end. */
export function localLauncher({ wrote }: LocalLauncherOptions): Launcher {
  const host = hostname();
  const running = new Set<WorkerProcess>();
  /** Should this process end without a word, they are not to be left alone. */
  const orphan = (): void => {
    for (const one of running) one.signal("SIGKILL");
  };

  function start(worker: number, _host: string, command: WorkerCommand): WorkerProcess {
    const { program, args, env, folder } = command;
    const lines: string[] = [];
    let child: ChildProcess | undefined;
    let settle!: (end: WorkerEnd) => void;
    let isOver = false;
    const ended = new Promise<WorkerEnd>((resolve) => settle = resolve);

    function end(how: WorkerEnd): void {
      isOver = true;
      running.delete(made);
      if (running.size === 0) process.off("exit", orphan);
      settle(how);
    }

    function follow(stream: Readable, to: "stdout" | "stderr"): void {
      createInterface({ input: stream }).on("line", (line) => {
        lines.push(line);
        if (lines.length > outputLinesKept) lines.shift();
        wrote(worker, line, to);
      });
    }

    const made: WorkerProcess = {
      host,
      get pid() {
        return child?.pid;
      },
      shown: [program, ...args].join(" "),
      ended,
      output: () => lines,
      signal(name) {
        if (!isOver) child?.kill(name);
      },
    };
    if (running.size === 0) process.on("exit", orphan);
    running.add(made);
    try {
      child = spawn(program, args, {
        cwd: folder,
        env: { ...process.env, ...env },
        stdio: ["ignore", "pipe", "pipe"],
        // A ctrl-C is for the one that leads: it ends the others in order.
        detached: true,
      });
      follow(child.stdout!, "stdout");
      follow(child.stderr!, "stderr");
      child.on("error", (error) => end({ code: null, signal: null, error }));
      // What it wrote last comes before this.
      child.on("close", (code, signal) => end({ code, signal }));
      // One that hands its output on to a process of its own is gone all the same.
      child.on("exit", (code, signal) => void setTimeout(() => end({ code, signal }), outputMsMax));
    } catch (error) {
      end({ code: null, signal: null, error: error instanceof Error ? error : new Error(String(error)) });
    }
    return made;
  }

  return {
    name: "local",
    hosts: [host],
    start,
    async close(graceMs) {
      const all = [...running];
      for (const one of all) one.signal("SIGTERM");
      const timer = setTimeout(() => all.forEach((one) => one.signal("SIGKILL")), graceMs);
      await Promise.all(all.map(({ ended }) => ended));
      clearTimeout(timer);
    },
  };
}

/** How long after a process's end its last words may take. */
const outputMsMax = 500;
