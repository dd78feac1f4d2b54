// What goes wrong between processes and the server that they meet on: it is killed and started again, and a proxy before
// it cuts connections, or all of them for a while.

import type { FaultProxy, ProxyFault } from "../../stores/conformance/mod.ts";
import { random } from "../../runtime/random.ts";

export interface Server {
  kill(): Promise<void>;
  start(): Promise<void>;
}

const faults: readonly ProxyFault[] = ["before", "after", "amid"];
/** An outage lasts until clients have tried so often to get through. */
const triesMin = 5;

/** Each settles once the server can be reached again. */
export function outages(
  server: Server,
  proxy: FaultProxy,
  seed: number,
): Readonly<Record<string, () => Promise<void>>> {
  const chance = random(seed);

  async function until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  return {
    async restart() {
      await server.kill();
      // A connection to a port that nobody listens on may get that port, and then the server would not.
      proxy.part();
      await server.start();
      proxy.heal();
    },
    async cut() {
      const struck = (): number => faults.reduce((sum, fault) => sum + proxy.struck[fault], 0);
      for (let cuts = 0; cuts < 4; cuts++) {
        const before = struck();
        proxy.arm(1 + chance.below(20), faults[chance.below(faults.length)]!);
        await until(() => struck() > before);
      }
    },
    async part() {
      const { all } = proxy.connections;
      proxy.part();
      await until(() => proxy.connections.all >= all + triesMin);
      proxy.heal();
    },
  };
}
