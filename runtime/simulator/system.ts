// The scene of a whole system: nodes in processes of their own, a network between them, and one store that all of them
// call home. Everything above that is the real thing.

import { ShoalError } from "../../stores/error.ts";
import { simulatedServer } from "../../stores/simulated/server.ts";
import { defaultLimits } from "../launch/limits.ts";
import { openNode } from "../nodes/node.ts";
import { limitsFrom, supervisionFrom } from "../options.ts";
import { defaultSupervision } from "../supervision.ts";
import type { DeliveryLimits } from "../delivery/events.ts";
import { sharedClasses } from "./classes.ts";
import type { FaultKind, Victim } from "./faults.ts";
import { home as homeOf, type MakeBackend } from "./home.ts";
import { launcher as launcherOf } from "./launcher.ts";
import { network as networkOf, type PacketHappening, type Span } from "./network.ts";
import { processes as processesOf } from "./processes.ts";
import { packetTold, recordTold } from "./words.ts";
import type { Scene } from "./scene.ts";
import type { SceneParts } from "./single.ts";

export interface SystemParts extends SceneParts {
  /** How many nodes there are beside the program's own. */
  readonly nodes: number;
  readonly backend: MakeBackend | undefined;
  readonly delivery: Partial<DeliveryLimits> | undefined;
  readonly networkMs?: Span;
  readonly storeMs?: Span;
}

const stepFaults = ["crash", "kill", "pause", "zombie", "partition", "server", "power", "head", "rival"] as const;
const networkMsUnlessSaid: Span = { min: 0.05, max: 0.5 };
const storeMsUnlessSaid: Span = { min: 0.1, max: 1 };
const nodesMax = 64;
const program = "main";

/** Builds the system and starts its nodes; `pump` lets time pass while they start, and answers whether they did. */
export async function systemScene(
  parts: SystemParts,
  pump: (until: Promise<unknown>) => Promise<boolean>,
): Promise<Scene> {
  const { seed, world, chance, plan, happened } = parts;
  if (!Number.isSafeInteger(parts.nodes) || parts.nodes < 1 || parts.nodes > nodesMax) {
    throw new ShoalError("BadInput", `Cannot simulate: nodes is ${parts.nodes}, expected 1 to ${nodesMax}`);
  }
  const run = `simulation-${seed}`;
  const names = [program, ...Array.from({ length: parts.nodes }, (_, index) => `n${index + 1}`)];
  const limits = limitsFrom("Cannot simulate", defaultLimits, parts.limits);
  const supervision = supervisionFrom("Cannot simulate", defaultSupervision, parts.supervision);
  const processes = processesOf(world);
  const classes = sharedClasses();
  const make = parts.backend ?? (({ environment }) => simulatedServer({ environment, strict: true }));
  const backend = await make({ environment: world, chance: chance.fork("store").next });
  const order = chance.fork("order");

  function packetHappened({ type, from, to, number, packet }: PacketHappening): void {
    const details = (): string => packetTold(packet, run);
    const who = `packet ${number}`;
    if (type === "arrived") happened({ who, what: `${from} → ${to}, ${packet.length} bytes`, node: from, to, details });
    else happened({ who, what: type === "sent" ? `leaves for ${to}` : `is ${type}`, node: from, details });
  }

  const network = networkOf({
    world,
    chance: chance.fork("network"),
    plan,
    latencyMs: parts.networkMs ?? networkMsUnlessSaid,
    trace: packetHappened,
  });
  const latencyMs = parts.storeMs ?? storeMsUnlessSaid;
  const home = homeOf({ run, backend, world, chance: chance.fork("home"), plan, latencyMs, happened });
  const launcher = launcherOf({
    names,
    world,
    plan,
    processes,
    network,
    home,
    happened,
    headed(process, system) {
      head = process;
      parts.begins(system);
    },
    open: (name, environment, store, link) =>
      openNode({
        run,
        name,
        seed,
        strict: true,
        environment,
        store,
        link,
        classes,
        limits,
        supervision,
        ...(parts.delivery === undefined ? {} : { delivery: parts.delivery }),
        record: (record) => happened({ ...recordTold(record), node: name }),
        onlooker: parts.onlooker(({ id }, method) => happened({ who: id, what: method, node: name })),
        choose: (ready) => order.below(ready),
      }),
  });

  function victims(kind: FaultKind): readonly Victim[] {
    if (kind === "server" || kind === "power") return [{}];
    if (kind === "crash") {
      return launcher.all().flatMap(({ process, running }) =>
        process.state === "runs" ? running.actors().map((actor) => ({ actor })) : []
      );
    }
    if (kind === "partition") {
      return names.flatMap((node) =>
        names.filter((to) => to !== node).flatMap((to) => [{ node, to }, { node, to, isOneWay: true }])
      );
    }
    const isRunning = (name: string): boolean => launcher.running(name) !== undefined;
    if (kind === "head" || kind === "rival") return isRunning(program) ? [{ node: program }] : [];
    return names.filter((name) => (kind === "pause" || name !== program) && isRunning(name)).map((node) => ({ node }));
  }

  const starting = Promise.all(names.map((name) => launcher.nodes.start(name)));
  if (!await pump(starting)) {
    const missing = names.filter((name) => launcher.running(name) === undefined).join(", ");
    throw new ShoalError("Unavailable", `Cannot simulate: ${missing} never began; does the store answer?`);
  }
  await starting;
  const first = launcher.running(program)!;
  let [head] = launcher.all().filter(({ running }) => running === first).map(({ process }) => process);

  return {
    get system() {
      return launcher.running(program)?.system;
    },
    world: { now: () => world.now(), nodes: launcher.nodes },
    packets: network.counts,
    strike(step) {
      const fault = plan.strike(stepFaults, { at: step }, victims);
      if (fault === undefined) return false;
      if (fault.kind === "crash") {
        happened({ who: fault.actor!, what: "crashes" });
        for (const { running } of launcher.all()) running.crash(fault.actor!, new Error("a simulated crash"));
      } else launcher.suffer(fault);
      return true;
    },
    clock: () => processes.current?.environment ?? world,
    asProgram: (call) => processes.as(head!, call),
    isApart: true,
    async close() {
      launcher.end();
      network.heal();
      const all = launcher.all();
      for (const { process } of all) process.resume();
      await Promise.all(
        all.map(({ process, running }) =>
          processes.as(process, () => running.system.close({ now: true })).catch(() => {})
        ),
      );
    },
  };
}
