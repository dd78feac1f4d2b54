// Nodes of one run in one process, with a link between them that the tests can cut, and one store.

import { openStore, type Store } from "../../stores/open.ts";
import { defaultLimits } from "../../runtime/launch/launch.ts";
import { realWorld } from "../../runtime/launch/world.ts";
import type { Link, Packet, Receiver } from "../../runtime/links/link.ts";
import type { Classes } from "../../runtime/nodes/classes.ts";
import { type NodeOptions, openNode, type RunningNode } from "../../runtime/nodes/node.ts";
import { defaultSupervision } from "../../runtime/supervision.ts";
import type { ActorClass } from "../../runtime/system.ts";

export interface Hub {
  linking(name: string): (receiver: Receiver) => Link;
  /** Packets that this decides against are lost. */
  passes: (from: string, to: string, packet: Packet) => boolean;
  readonly packets: { count: number; bytes: number };
}

/** Carries packets in the next turn, in order. */
export function hub(): Hub {
  const receivers = new Map<string, Receiver>();
  const made: Hub = {
    passes: () => true,
    packets: { count: 0, bytes: 0 },
    linking: (name) => (receiver) => {
      receivers.set(name, receiver);
      return {
        send(to, packet) {
          made.packets.count++;
          made.packets.bytes += packet.length;
          if (!made.passes(name, to, packet)) return;
          setImmediate(() => receivers.get(to)?.packet(packet));
        },
        close() {
          if (receivers.get(name) === receiver) receivers.delete(name);
        },
      };
    },
  };
  return made;
}

/** Classes by their own names: all nodes of a test are built from the same. */
export function classesOf(...list: readonly ActorClass[]): Classes {
  return {
    nameOf: (Class) => `tests/between#${Class.name}`,
    // deno-lint-ignore require-await
    async classOf(name) {
      const found = list.find((Class) => `tests/between#${Class.name}` === name);
      if (found === undefined) throw new Error(`no class ${name}`);
      return found;
    },
  };
}

export interface World {
  readonly hub: Hub;
  readonly store: Store;
  open(name: string, options?: Partial<NodeOptions>): Promise<RunningNode>;
  close(): Promise<void>;
}

export async function world(...classes: readonly ActorClass[]): Promise<World> {
  const run = "between";
  const store = await openStore("memory:", { run, environment: realWorld, strict: true, thresholdBytes: 0 });
  const kept: Store = { ...store, close: () => Promise.resolve() };
  const between = hub();
  const nodes: RunningNode[] = [];
  return {
    hub: between,
    store,
    async open(name, options) {
      const node = await openNode({
        run,
        name,
        seed: 1,
        strict: true,
        environment: realWorld,
        store: kept,
        link: between.linking(name),
        classes: classesOf(...classes),
        limits: defaultLimits,
        supervision: defaultSupervision,
        record: undefined,
        tickMs: 5,
        ...options,
      });
      nodes.push(node);
      return node;
    },
    async close() {
      for (const node of nodes) await node.system.close({ now: true });
      await store.close();
    },
  };
}
