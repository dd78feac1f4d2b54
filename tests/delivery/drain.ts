// The end of a schedule: faults stop, every node has one process that runs, links carry, the store answers. Then
// everything must come to rest, and what is at rest is judged.

import type { ActorName } from "../../runtime/delivery/protocol.ts";
import { homeOf } from "./laws/message.ts";
import type { Links } from "./links.ts";
import type { Process } from "./process.ts";
import type { Scene } from "./scene.ts";

/** What the world does to come to rest. */
interface Ends {
  fire(process: Process, timer: string): void;
  collect(): void;
  watch(): void;
}

export function drain(scene: Scene, links: Links, { fire, collect, watch }: Ends, roundsMax: number): void {
  const gone = scene.gone ?? -1;
  for (let round = 0; round < roundsMax; round++) {
    for (let index = 0; index < scene.nodes; index++) {
      if (index !== gone && scene.processes[index] === undefined) scene.start(index);
    }
    for (const process of [...scene.processes, ...scene.zombies]) {
      while (process !== undefined && process.alive && process.requests.length > 0) scene.driver.serve(process, 0);
    }
    for (let count = scene.flights.length; count > 0; count--) links.arrive(0, false);
    for (const process of scene.processes) {
      if (process === undefined) continue;
      for (const live of process.actors.values()) scene.bank.runActor(process, live, 0);
      for (const timer of process.timers.keys()) fire(process, timer);
    }
    collect();
    if (isQuiet(scene)) break;
    for (const process of scene.processes) if (process?.alive) scene.tell(process, { type: "tick" });
    watch();
  }
  watch();
  judge(scene);
  scene.laws.must(isQuiet(scene), "L3", () => `there is no rest after ${roundsMax} rounds without faults`);
}

function isQuiet({ gone, flights, processes, bank }: Scene): boolean {
  return flights.length === 0 && !bank.hasOrders() &&
    processes.every((process, index) =>
      index === gone || process !== undefined && process.ready && process.requests.length === 0 &&
        [...process.core.active].every((out) => out.suspended && homeOf(out.node) === gone) &&
        [...process.actors.values()].every(({ mailbox, running, loading }) =>
          mailbox.length === 0 && running === undefined && !loading
        )
    );
}

function judge({ gone, processes, laws }: Scene): void {
  const { must } = laws;
  const isGone = (actor: ActorName): boolean => homeOf(actor) === gone;
  for (const [index, process] of processes.entries()) {
    if (index === gone) continue;
    if (!must(process?.ready === true, "L3", () => "a node never comes back") || process === undefined) continue;
    laws.mustBeSettled(process.tokens.keys());
    for (const { name, running, mailbox } of process.actors.values()) {
      must(running === undefined && mailbox.length === 0, "L3", () => `${name} stands still`);
    }
    for (const { name, outbounds } of process.core.actors.values()) {
      for (const { acked, last, destination, calls } of outbounds.values()) {
        const isReported = isGone(destination) && calls.length === 0 && laws.isSuspended(name, destination);
        must(
          (acked === last && calls.length === 0) || isReported,
          "L3",
          () => `${name}>${destination} stands at ${acked} of ${last}, ${calls.length} calls open`,
        );
      }
    }
  }
  laws.losses.judge(processes, (actor) => isGone(actor) || laws.accounts.committed.get(actor)?.ended === true);
  laws.judge(isGone);
}
