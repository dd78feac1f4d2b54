// The links of the simulated world: they lose, repeat, delay and reorder frames, carry one way and not the other, and
// now and then bring what is meant for another run.

import type { Event } from "../../runtime/delivery/events.ts";
import type { Frame } from "../../runtime/delivery/protocol.ts";
import { isDurable } from "./laws/message.ts";
import type { Process } from "./process.ts";
import type { Scene } from "./scene.ts";
import { type Flight, showFlight } from "./shown.ts";

export interface Links {
  /** One frame arrives, or a burst: those that follow it to the same node, which its driver hands over at once. */
  arrive(a: number, keep: boolean, burstMax?: number): void;
  drop(a: number): void;
  cut(a: number): void;
  /** All that is under way between two nodes is gone. */
  lose(a: number): void;
  /** What another run sends arrives here. */
  stray(flight: Flight): void;
}

export function links(scene: Scene): Links {
  const { flights, nodes, cut } = scene;
  const isCut = ({ from, to }: Flight): boolean => cut.has(from * nodes + to);

  function handOver(to: number, burst: readonly Flight[]): void {
    const ours = burst.filter(({ run }) => {
      const isOurs = scene.rules.isOurs(scene.run, run);
      if (!isOurs) scene.count("frame of another run refused");
      return isOurs;
    });
    if (ours.length === 0) return;
    const readers = [scene.processes[to], ...scene.zombies.filter(({ index, alive }) => index === to && alive)];
    for (const process of readers) {
      if (process?.alive !== true) continue;
      for (const { frame } of ours) scene.mustBeOurs(frame, "gets a frame");
      scene.tell(process, ...ours.flatMap(({ frame }) => expected(process, frame)));
    }
  }

  /** Of an actor that was here and that its core knows no more, the driver says that it has ended. */
  function expected({ core, actors }: Process, frame: Frame): Event[] {
    const events: Event[] = [{ type: "frame", frame }];
    if (frame.type !== "mail" || core.phase !== "running" || core.actors.has(frame.destination)) return events;
    const { destination: actor } = frame;
    if (actors.get(actor)?.ended !== true || isDurable(actor)) return events;
    scene.count("end said again");
    return [{ type: "spawned", actor, durable: false }, { type: "ended", actor, forgotten: true }, ...events];
  }

  return {
    arrive(a, keep, burstMax = 1) {
      if (flights.length === 0) return;
      const index = a % flights.length;
      const first = flights[index]!;
      if (index > 0) scene.count("reorder");
      if (keep) scene.count("repeat");
      if (isCut(first)) {
        if (!keep) flights.push(...flights.splice(index, 1));
        scene.count("delay");
        return;
      }
      let length = 1;
      for (let next = flights[index + 1]; length < burstMax; next = flights[index + length]) {
        if (next === undefined || next.to !== first.to || isCut(next)) break;
        length += 1;
      }
      if (length > 1) scene.count("burst");
      const burst = keep ? [first] : flights.splice(index, length);
      for (const flight of burst) scene.trace(`${keep ? "again " : ""}${showFlight(flight)}`);
      handOver(first.to, burst);
    },
    drop(a) {
      if (flights.length === 0) return;
      const [flight] = flights.splice(a % flights.length, 1);
      scene.count("drop");
      scene.count(`drop: ${flight!.frame.type}`);
      scene.trace(`link loses ${showFlight(flight!)}`);
    },
    cut(a) {
      const way = a % (nodes ** 2);
      if (cut.delete(way)) return scene.trace(`way ${way} heals`);
      cut.add(way);
      scene.count("cut one way");
      scene.trace(`way ${way} is cut`);
    },
    lose(a) {
      if (flights.length < 2) return;
      const { from, to } = flights[a % flights.length]!;
      flights.splice(0, flights.length, ...flights.filter((flight) => flight.from !== from || flight.to !== to));
      scene.count("store loses a mail log");
      scene.trace(`store loses the mail log ${from}>${to}`);
    },
    stray(flight) {
      scene.trace(`astray from ${flight.run}: ${showFlight(flight)}`);
      handOver(flight.to % nodes, [flight]);
    },
  };
}
