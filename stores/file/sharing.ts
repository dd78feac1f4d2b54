// The same store in another thread of this process: that the run is in use is shown for both by the opening that shares
// it, and what is known of the disk is not asked again: a thread more costs the file system nothing until it puts.
import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { ShoalError } from "../error.ts";
import type { Sharing } from "../store.ts";
import { isWriter } from "./layout.ts";

/** The opening that shares. */
export interface Beside {
  /** Nothing where the disk took no word of it. */
  readonly writer: string | undefined;
  /** Whether its disk is near. */
  readonly isNear: boolean;
}

/** A port that carries nothing but which opening it is. */
export function sharing(beside: Beside): Sharing {
  const { port1, port2 } = new MessageChannel();
  port1.postMessage(beside);
  return { port: port2, ended: () => port1.close() };
}

export function besideOf(home: MessagePort): Beside {
  let told: unknown;
  try {
    told = receiveMessageOnPort(home)?.message;
    home.close();
  } catch {
    // Of one that is closed already Deno says so.
  }
  const { writer, isNear } = Object(told) as { readonly [Key in keyof Beside]?: unknown };
  const isKnown = writer === undefined || typeof writer === "string" && isWriter(writer);
  if (isKnown && typeof isNear === "boolean") return { writer, isNear };
  throw new ShoalError("BadInput", "Cannot open file: its port is of another store, or was used before; share it anew");
}
