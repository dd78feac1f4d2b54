// The same store in another thread of this process. A thread that is ended in the middle closes nothing, and its process
// lives on: who shared the store with it says that it is gone.
import { rmSync } from "node:fs";
import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { ShoalError } from "../error.ts";
import type { Sharing } from "../store.ts";
import { type Folders, isWriter } from "./place.ts";
import { leaveFor } from "./roster.ts";
import { arenasOf, sweepOrphans } from "./sweep.ts";

/** A port that carries nothing but which opening the other one is. */
export function sharing(folders: Folders, opening: string): Sharing {
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(opening);
  return {
    port: port2,
    ended() {
      port1.close();
      bury(folders, opening);
    },
  };
}

/** Which opening a port is for. */
export function writerOf(home: MessagePort): string {
  const opening: unknown = receiveMessageOnPort(home)?.message;
  home.close();
  if (typeof opening === "string" && isWriter(opening)) return opening;
  throw new ShoalError("BadInput", "Cannot open shm: its port is of another store, or was used before; share it anew");
}

/** What stands in its arena stays readable, as what any process leaves; what it held on to is let go. */
function bury(folders: Folders, opening: string): void {
  rmSync(`${folders.making}/${opening}.${process.pid}`, { recursive: true, force: true });
  for (const arena of arenasOf(folders, undefined)) {
    leaveFor(arena, opening);
    if (arena.writer === opening) arena.bury();
  }
  sweepOrphans(folders, undefined);
}
