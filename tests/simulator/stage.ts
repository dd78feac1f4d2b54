// Nodes in a world that a test holds in its hands: it opens them, lets time pass, and speaks on their network itself.
import { defaultLimits } from "../../runtime/launch/limits.ts";
import { openNode, type RunningNode } from "../../runtime/nodes/node.ts";
import { random } from "../../runtime/random.ts";
import type { RunRecord } from "../../runtime/run/records.ts";
import { sharedClasses } from "../../runtime/simulator/classes.ts";
import { listedFaults } from "../../runtime/simulator/faults.ts";
import { home } from "../../runtime/simulator/home.ts";
import { type Network, network } from "../../runtime/simulator/network.ts";
import { type Processes, processes, type SimulatedProcess } from "../../runtime/simulator/processes.ts";
import { virtualWorld } from "../../runtime/simulator/world.ts";
import { defaultSupervision } from "../../runtime/supervision.ts";
import type { Limits } from "../../runtime/system.ts";
import { simulatedServer } from "../../stores/simulated/server.ts";
import { isShoalError, type ShoalError } from "../../stores/error.ts";

export interface Stage {
  readonly world: ReturnType<typeof virtualWorld>;
  readonly processes: Processes;
  readonly network: Network;
  readonly records: RunRecord[];
  open(name: string, others?: { readonly run?: string; readonly limits?: Partial<Limits> }): Promise<{
    readonly node: RunningNode;
    readonly process: SimulatedProcess;
  }>;
  /** What a promise comes to; fails where that takes longer than so much virtual time. */
  settled<T>(promise: Promise<T>, limitMs?: number): Promise<T>;
  /** The error that a promise comes to. */
  refused(promise: PromiseLike<unknown>, limitMs?: number): Promise<ShoalError>;
  pass(ms: number): Promise<void>;
}

export function stage(seed: number): Stage {
  const world = virtualWorld(random(`${seed}/world`));
  const all = processes(world);
  const plan = listedFaults([]);
  const backend = simulatedServer({ environment: world, strict: true });
  const latencyMs = { min: 0.1, max: 1 };
  const wires = network({ world, chance: random(seed), plan, latencyMs, trace() {} });
  const classes = sharedClasses();
  const records: RunRecord[] = [];

  async function settled<T>(promise: Promise<T>, limitMs = 600_000): Promise<T> {
    let isSettled = false;
    const settle = (): void => void (isSettled = true);
    promise.then(settle, settle);
    const end = world.now() + limitMs;
    while (true) {
      await new Promise((resolve) => setImmediate(resolve));
      if (isSettled) return promise;
      if (world.now() > end) throw new Error(`Hangs: not settled after ${limitMs} ms`);
      if (!world.act() && !world.pass()) throw new Error("Hangs: nothing will ever happen");
    }
  }

  return {
    world,
    processes: all,
    network: wires,
    records,
    async open(name, { run = "r", limits = {} } = {}) {
      const homes = home({ run, backend, world, chance: random(seed), plan, latencyMs, happened() {} });
      const process = all.start(name);
      const store = await settled(homes.open(process));
      const node = await settled(openNode({
        run,
        name,
        seed,
        strict: true,
        environment: process.environment,
        store,
        link: wires.linking(process),
        classes,
        limits: { ...defaultLimits, ...limits },
        supervision: defaultSupervision,
        record: (record) => void records.push(record),
      }));
      return { node, process };
    },
    settled,
    async refused(promise, limitMs) {
      try {
        await settled(Promise.resolve(promise), limitMs);
      } catch (error) {
        if (isShoalError(error)) return error;
        throw error;
      }
      throw new Error("It was not refused");
    },
    async pass(ms) {
      let isOver = false;
      world.after(ms, () => isOver = true);
      while (!isOver) {
        await new Promise((resolve) => setImmediate(resolve));
        if (!world.act()) world.pass();
      }
    },
  };
}
