// A route in another thread of this process: one port, over which come those of the parts that need one.
import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { ShoalError } from "../error.ts";
import type { Sharing } from "../store.ts";
import type { PartStore } from "./later.ts";

/** Shares all parts that can only be opened so. */
export function sharing(stores: readonly PartStore[]): Sharing {
  const each = stores.map((store) => store.share?.());
  const { port1, port2 } = new MessageChannel();
  const ports = each.flatMap((one) => one === undefined ? [] : [one.port]);
  port1.postMessage(each.map((one) => one?.port), ports);
  return {
    port: port2,
    ended() {
      port1.close();
      for (const one of each) one?.ended();
    },
  };
}

/** The ports of the parts, in their order; nothing for one that needs none. */
export function portsIn(home: MessagePort, count: number): readonly (MessagePort | undefined)[] {
  const ports: unknown = receiveMessageOnPort(home)?.message;
  home.close();
  if (Array.isArray(ports) && ports.length === count) return ports as readonly (MessagePort | undefined)[];
  const cure = "it is of another store, or was used before; share it anew";
  throw new ShoalError("BadInput", `Cannot open route: what its port brings is not for ${count} parts; ${cure}`);
}
