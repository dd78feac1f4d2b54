// Starts the nodes of a simulation, and successors where processes end: what a batch system does with real ones, and
// what fate does to them. The program runs on `main`; where that is replaced, the program begins again.

import { ShoalError } from "../../stores/error.ts";
import type { Environment } from "../environment.ts";
import type { RunningNode } from "../nodes/node.ts";
import type { Store } from "../../stores/store.ts";
import type { System } from "../system.ts";
import type { Linking } from "../links/link.ts";
import type { Fault, FaultPlan } from "./faults.ts";
import type { Home } from "./home.ts";
import type { Network } from "./network.ts";
import type { Clock, Processes, SimulatedProcess } from "./processes.ts";
import type { SimulatedNodes, Told } from "./scene.ts";
import type { VirtualWorld } from "./world.ts";

export interface LauncherParts {
  readonly names: readonly string[];
  readonly world: VirtualWorld;
  readonly plan: FaultPlan;
  readonly processes: Processes;
  readonly network: Network;
  readonly home: Home;
  open(name: string, environment: Environment, store: Store, link: Linking): Promise<RunningNode>;
  readonly happened: (told: Told) => void;
  /** Another process has become the program's own. */
  headed(process: SimulatedProcess, system: System): void;
}

/** One process of a node, from its first call on. */
interface Life {
  readonly process: SimulatedProcess;
  running: RunningNode | undefined;
  /** Settles the start, whatever came of it. */
  settle(error?: Error): void;
}

interface Slot {
  readonly name: string;
  starts: number;
  /** The one that was started last. */
  life: Life | undefined;
  readonly lives: Set<Life>;
}

export interface Launcher {
  readonly nodes: SimulatedNodes;
  running(name: string): RunningNode | undefined;
  /** Of all processes that are there. */
  all(): readonly { readonly process: SimulatedProcess; readonly running: RunningNode }[];
  /** Does what a fault says. */
  suffer(fault: Fault): void;
  /** Starts nothing any more. */
  end(): void;
}

const program = "main";
const againAfterMs = 1_000;

export function launcher(parts: LauncherParts): Launcher {
  const { names, world, plan, processes, network, home, happened } = parts;
  const slots = new Map(names.map((name): [string, Slot] => [
    name,
    { name, starts: 0, life: undefined, lives: new Set() },
  ]));
  let isOver = false;

  function slotOf(name: string): Slot {
    const slot = slots.get(name);
    if (slot !== undefined) return slot;
    throw new ShoalError("BadInput", `Cannot reach node ${name}: this simulation has ${names.join(", ")}`);
  }

  /** Whether a clock is right, the seed says, or the list. */
  function clockOf(name: string, at: number): Clock {
    const fault = plan.strike(["skew"], { at, node: name });
    if (fault?.delayMs === undefined) return { skewMs: 0, drift: 0 };
    const skewMs = fault.delayMs % 2 === 0 ? fault.delayMs : -fault.delayMs;
    return { skewMs, drift: (fault.delayMs % 401 - 200) / 20_000 };
  }

  function start(name: string): Promise<void> {
    const slot = slotOf(name);
    if (isOver) return Promise.resolve();
    const clock = clockOf(name, slot.starts += 1);
    const process = processes.start(name, clock);
    return new Promise((resolve, reject) => {
      const life: Life = {
        process,
        running: undefined,
        settle: (error) => error === undefined ? resolve() : reject(error),
      };
      slot.life = life;
      slot.lives.add(life);
      const skewed = clock.skewMs === 0 ? "" : `, its clock ${clock.skewMs} ms off`;
      happened({ who: name, what: `starts as process ${process.number}${skewed}`, node: name, process: "starts" });
      processes.as(process, () => live(slot, life)).then(
        () => life.settle(),
        (error: Error) => {
          happened({ who: name, what: `cannot start: ${error.message}`, node: name });
          end(slot, life, error);
        },
      );
    });
  }

  async function live(slot: Slot, life: Life): Promise<void> {
    const { process } = life;
    const store = await home.open(process);
    const running = await parts.open(slot.name, process.environment, store, network.linking(process));
    life.running = running;
    happened({ who: slot.name, what: `is the node, in epoch ${running.epoch}`, node: slot.name });
    if (slot.name === program && process.number > 1) parts.headed(process, running.system);
    void running.ended.then((error) => {
      if (isOver || process.state === "dead") return;
      happened({
        who: slot.name,
        what: `has ended${error === undefined ? "" : `: ${error.message}`}`,
        node: slot.name,
      });
      end(slot, life, error ?? new ShoalError("ShuttingDown", `Cannot go on: node ${slot.name} has ended`));
      // Where nobody has taken its place, a launcher starts it again.
      if (error !== undefined && slot.life === undefined) again(slot, againAfterMs);
    });
  }

  function end(slot: Slot, life: Life, error: Error): void {
    if (life.process.state !== "dead") {
      life.process.kill();
      happened({ who: slot.name, what: `process ${life.process.number} ends`, node: slot.name, process: "ends" });
    }
    slot.lives.delete(life);
    if (slot.life === life) slot.life = undefined;
    life.settle(error);
  }

  function again(slot: Slot, afterMs: number): void {
    world.after(afterMs, () => {
      if (isOver || slot.life !== undefined) return;
      start(slot.name).catch(() => again(slot, againAfterMs));
    });
  }

  function kill(name: string): void {
    const slot = slotOf(name);
    const error = new ShoalError("Ended", `Cannot go on: node ${name} was killed`);
    for (const life of slot.lives) end(slot, life, error);
  }

  function pause(name: string): () => void {
    const life = slotOf(name).life;
    if (life === undefined || life.process.state !== "runs") return () => {};
    life.process.pause();
    happened({ who: name, what: `process ${life.process.number} holds still`, node: name, process: "pauses" });
    return () => {
      if (life.process.state !== "paused") return;
      happened({ who: name, what: `process ${life.process.number} wakes`, node: name, process: "wakes" });
      life.process.resume();
    };
  }

  function partition(from: readonly string[], to: readonly string[], isOneWay: boolean): () => void {
    const way = `${from.join(", ")} ${isOneWay ? "→" : "↔"} ${to.join(", ")}`;
    happened({ who: "network", what: `is cut: ${way}` });
    const mend = network.partition(from, to, isOneWay);
    let isMended = false;
    return () => {
      if (isMended) return;
      isMended = true;
      happened({ who: "network", what: `is mended: ${way}` });
      mend();
    };
  }

  function checkOther(name: string): void {
    if (name === program) throw new ShoalError("BadInput", "Cannot kill main: the program that says so runs there");
  }

  const listOf = (list: string | readonly string[]): readonly string[] => typeof list === "string" ? [list] : list;
  const wakes = new Map<string, (() => void)[]>();

  const nodes: SimulatedNodes = {
    names,
    kill(name) {
      checkOther(name);
      kill(name);
    },
    start,
    async restart(name) {
      checkOther(name);
      kill(name);
      await start(name);
    },
    pause: (name) => void wakes.set(name, [...wakes.get(name) ?? [], pause(name)]),
    resume(name) {
      slotOf(name);
      for (const wake of wakes.get(name) ?? []) wake();
      wakes.delete(name);
    },
    partition(from, to, isOneWay = false) {
      for (const name of [...listOf(from), ...listOf(to)]) slotOf(name);
      return partition(listOf(from), listOf(to), isOneWay);
    },
    heal() {
      happened({ who: "network", what: "is mended" });
      network.heal();
    },
    system(name) {
      const running = slotOf(name).life?.running;
      if (running !== undefined) return running.system;
      throw new ShoalError("Unavailable", `Cannot use the system of ${name}: it is not running; start it first`);
    },
  };

  return {
    nodes,
    running: (name) => slotOf(name).life?.running,
    all: () =>
      [...slots.values()].flatMap(({ lives }) =>
        [...lives].flatMap(({ process, running }) => running === undefined ? [] : [{ process, running }])
      ),
    suffer({ kind, node = "", to = "", isOneWay = false, delayMs = 0 }) {
      if (kind === "kill" || kind === "head") {
        kill(node);
        again(slotOf(node), delayMs);
      } else if (kind === "pause" || kind === "zombie" || kind === "rival") {
        const wake = pause(node);
        // Its successor has the second half of the time to itself.
        if (kind !== "pause") {
          world.after(delayMs / 2, () => void start(node).catch(() => again(slotOf(node), againAfterMs)));
        }
        world.after(delayMs, wake);
      } else if (kind === "partition") world.after(delayMs, partition([node], [to], isOneWay));
      else if (kind === "server") home.end("server", delayMs);
      else if (kind === "power") {
        for (const { name, life } of slots.values()) if (name !== program && life !== undefined) kill(name);
        home.end("power", delayMs);
        for (const slot of slots.values()) if (slot.name !== program) again(slot, delayMs);
      }
    },
    end: () => void (isOver = true),
  };
}
