// A system whose processes can be ended without anybody to come in their place, and what is known of it meanwhile.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isShoalError, launch, type LaunchOptions, type RunRecord, type System } from "../../runtime/mod.ts";
import { assert } from "../suite.ts";
import { type Gate, gate } from "./gate.ts";

export interface Stage extends Pick<Gate, "admit" | "bar"> {
  readonly system: System;
  /** The process of each node that was let in last. */
  readonly pids: ReadonlyMap<string, number>;
  /** Ends a node's process, and lets nobody be that node. */
  end(node: string): void;
  /** Settles once so many records fit. */
  until(count: number, fits: (record: RunRecord) => boolean): Promise<void>;
}

export async function onStage(options: LaunchOptions, call: (stage: Stage) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "shoal-successors-"));
  const pids = new Map<string, number>();
  const records: RunRecord[] = [];
  const looks = new Set<() => void>();
  try {
    const { command, bar, admit } = gate(folder);
    const system = await launch({
      threads: 0,
      workerCommand: command,
      ...options,
      record(one) {
        records.push(one);
        if (one.type === "NodeJoined") pids.set(one.node, one.pid);
        for (const look of looks) look();
      },
    });
    try {
      await call({
        system,
        pids,
        bar,
        admit,
        end(node) {
          bar(node);
          process.kill(pids.get(node)!, "SIGKILL");
        },
        until: (count, fits) =>
          new Promise((resolve) => {
            const look = (): void => {
              if (records.filter(fits).length < count) return;
              looks.delete(look);
              resolve();
            };
            looks.add(look);
            look();
          }),
      });
    } finally {
      await system.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  assert.ok(!existsSync(folder));
}

/** What is said when a node has found another process. */
export const lodged = (node: string, host: string) => (one: RunRecord): boolean =>
  one.type === "MessageLogged" && one.text.startsWith(`node ${node} lives on in the process of ${host}, `);

/** What was on its way to a process that ended is lost with it; what is asked later is not. */
export async function persistently<T>(call: () => Promise<T>): Promise<T> {
  while (true) {
    try {
      return await call();
    } catch (error) {
      if (!isShoalError(error, "Lost")) throw error;
    }
  }
}
