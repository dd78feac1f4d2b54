// A proxy before a server that cuts connections again and again while mail goes through a store.

import { type FaultProxy, faultProxy, type ProxyOptions } from "../../stores/conformance/mod.ts";
import { random } from "../../runtime/random.ts";
import type { Logs } from "../../stores/store.ts";

export interface Weather {
  readonly proxy: FaultProxy;
  readonly cuts: number;
  /** The same logs; each append after a cut sees to the next. */
  over(logs: Logs): Logs;
}

const kinds = ["before", "after", "amid"] as const;

export async function weather(server: ProxyOptions, seed: number): Promise<Weather> {
  const proxy = await faultProxy(server);
  const chance = random(seed);
  let seen = -1;
  const cuts = (): number => kinds.reduce((sum, kind) => sum + proxy.struck[kind], 0);
  return {
    proxy,
    get cuts() {
      return cuts();
    },
    over: (logs) => ({
      ...logs,
      append(stream, epoch, frames) {
        if (cuts() > seen) {
          seen = cuts();
          proxy.arm(5 + chance.below(20), kinds[chance.below(kinds.length)]!);
        }
        return logs.append(stream, epoch, frames);
      },
    }),
  };
}
