// What goes wrong in the simulated world with processes, actors and stores: when it does, it is counted by where
// messages were, so that each fault is known to have come between any two steps of a delivery, and inside handlers.

import type { Outbound } from "../../runtime/delivery/state.ts";
import type { Loss } from "./laws/losses.ts";
import { homeOf, isDurable } from "./laws/message.ts";
import { canRun, type Live, nodeName, phasesOf, type Process } from "./process.ts";
import type { Scene } from "./scene.ts";
import type { End } from "./store.ts";

export interface Faults {
  /** Turns a fault of a node's store on, or off again. */
  toggle(faults: Set<number>, a: number, what: string): void;
  kill(index: number): void;
  haunt(index: number, early: boolean, isPatient: boolean): void;
  failPower(index: number, b: number): void;
  /** A host ends, with its process and with what the store held there. */
  endHost(index: number): void;
  /** The store's server ends and begins again, for all nodes. */
  endServer(b: number): void;
  /** No fault: some actor goes on. */
  run(a: number, b: number): void;
  crash(a: number, b: number): void;
  expire(a: number, b: number): void;
  end(process: Process | undefined, b: number): void;
  fire(a: number, b: number): void;
  fireTimer(process: Process, timer: string): void;
}

interface Losses {
  /** Whether anybody counts. */
  readonly isMeasured: boolean;
  /** How many of a journal's commits such an end may take, and whether the store says so. */
  lossMax(end: End): number;
  isDeclared(end: End): boolean;
}

export function faults(scene: Scene, { isMeasured, lossMax, isDeclared }: Losses): Faults {
  /** Counts a fault by where messages were when it happened. */
  function note(fault: string, process: Process | undefined): void {
    scene.count(fault);
    if (!isMeasured || process === undefined) return;
    for (const phase of new Set(phasesOf(process))) scene.count(`${fault}: ${phase}`);
  }

  function toggle(faults: Set<number>, a: number, what: string): void {
    const index = a % scene.nodes;
    scene.trace(`${what} for ${nodeName(index)}: ${faults.has(index) ? "no more" : "from here on"}`);
    if (faults.delete(index)) return;
    faults.add(index);
    note(what, scene.processes[index]);
  }

  function kill(index: number): void {
    const process = scene.processes[index];
    if (process === undefined) return;
    const inHandler = [...process.actors.values()].some(({ running }) => running !== undefined);
    scene.count(inHandler ? "kill inside a handler" : "kill between steps");
    if (!process.ready) scene.count("kill during a takeover");
    if (process.requests.some(({ type }) => type === "commit")) scene.count("kill during a commit");
    note("kill", process);
    scene.trace(`process ${process.id} of ${nodeName(index)} is killed${inHandler ? " inside a handler" : ""}`);
    scene.bury(process);
  }

  /** Its successor starts beside it: because its lease lapsed while it lives, or (patient or not) in any case. */
  function haunt(index: number, early: boolean, isPatient: boolean): void {
    const process = scene.processes[index];
    if (process === undefined || (!process.ready && !early) || scene.zombies.length >= 2) return;
    process.isZombie = true;
    scene.zombies.push(process);
    note("zombie", process);
    scene.trace(`process ${process.id} of ${nodeName(index)} becomes a zombie`);
    scene.start(index, isPatient);
  }

  /** The store's server loses power, and so may the process that wrote there. */
  function failPower(index: number, b: number): void {
    note("power", scene.processes[index]);
    lose(index, "power", Math.min(b % 4, lossMax("power")));
    if (b >= 32) kill(index);
  }

  function lose(index: number, end: End, commitsMax: number): void {
    const { store, laws, rules } = scene;
    const acknowledged = acknowledgedBy(index);
    const lost = store.lose(rules.nameOf(scene.run, index), commitsMax);
    const isAll = commitsMax === Infinity;
    scene.trace(
      `the store's ${end} ends: ${nodeName(index)} loses ${isAll ? "all" : `its last ${lost.length}`} commits`,
    );
    if (lost.length > 0) scene.count(isAll ? "store loses all" : "store loses commits");
    if (!isDeclared(end)) return;
    if (isAll) laws.accounts.lostAll(scene.accounts.filter((actor) => homeOf(actor) === index));
    else laws.accounts.lost(lost.flatMap(({ records }) => records));
    for (const { source, out } of acknowledged) {
      const cursor = laws.accounts.committed.get(out.destination)!.cursors.get(source.name);
      const kept = cursor?.epoch === source.epoch ? cursor.sequence : 0;
      if (out.acked > kept) laws.losses.mustBeTold({ ...source, destination: out.destination, last: out.last });
    }
  }

  /** Who has been told that something is kept there. */
  function acknowledgedBy(index: number): { source: Omit<Loss, "destination" | "last">; out: Outbound }[] {
    return scene.processes.flatMap((process) =>
      process?.alive !== true || !process.ready
        ? []
        : [...process.core.actors.values()].flatMap(({ name, outbounds }) =>
          [...outbounds.values()].filter(({ destination, acked }) =>
            acked > 0 && isDurable(destination) && homeOf(destination) === index
          ).map((out) => ({ source: { name, process: process.id, epoch: process.core.epoch }, out }))
        )
    );
  }

  function endHost(index: number): void {
    note("host", scene.processes[index]);
    kill(index);
    lose(index, "host", lossMax("host"));
  }

  function endServer(b: number): void {
    for (const process of scene.processes) note("server", process);
    for (let index = 0; index < scene.nodes; index++) {
      lose(index, "server", b % 2 === 0 ? lossMax("server") : Math.min(b % 4, lossMax("server")));
    }
  }

  function run(a: number, b: number): void {
    const able: [Process, Live][] = [];
    for (const process of [...scene.processes, ...scene.zombies]) {
      if (process === undefined || !process.alive) continue;
      for (const live of process.actors.values()) if (canRun(live, scene.rules)) able.push([process, live]);
    }
    const chosen = able[a % Math.max(1, able.length)];
    if (chosen !== undefined && scene.acts(chosen[0])) scene.bank.runActor(chosen[0], chosen[1], b);
  }

  function crash(a: number, b: number): void {
    const process = scene.pick(a, ({ ready }) => ready);
    if (process === undefined) return;
    const lives = [...process.actors.values()];
    const live = lives[b % lives.length]!;
    if (live.name[0] === "d" || live.loading) return;
    scene.count(live.running === undefined ? "actor crash between handlers" : "actor crash inside a handler");
    note("crash", process);
    scene.bank.crashActor(process, live);
  }

  function expire(a: number, b: number): void {
    const process = scene.pick(a, ({ tokens, ready }) => ready && tokens.size > 0);
    if (process === undefined) return;
    const waiting = [...process.tokens];
    const [token, { to, live }] = waiting[b % waiting.length]!;
    scene.count(live === undefined ? "expire" : "expire inside a handler");
    scene.tell(process, { type: "expired", actor: live?.name ?? `d${process.index}`, destination: to, token });
  }

  function end(process: Process | undefined, b: number): void {
    // One that sends ends only where nobody keeps that in mind, and when it waits for nothing.
    const waits = [...process?.tokens.values() ?? []].some(({ live }) => live === undefined);
    const isForgotten = process?.core.limits.endedActorsMax === 0;
    const kind = b % 8 === 7 ? "a" : isForgotten && !waits && b % 8 === 5 ? "d" : "c";
    const name = `${kind}${process?.index}`;
    const live = process?.actors.get(name);
    if (process === undefined || live === undefined || b % 2 === 0) return;
    note(live.durable ? "account ended" : "actor ended", process);
    scene.trace(`${live.name} ends for good`);
    scene.bank.endActor(process, live);
  }

  function fire(a: number, b: number): void {
    const process = scene.pick(a, ({ timers }) => timers.size > 0);
    if (process === undefined) return;
    const ids = [...process.timers.keys()];
    scene.count("timer");
    fireTimer(process, ids[b % ids.length]!, b >= 32);
  }

  function fireTimer(process: Process, timer: string, again = false): void {
    const actor = process.timers.get(timer)!;
    if (process.actors.get(actor)!.loading) return;
    if (!again) process.timers.delete(timer);
    scene.tell(process, { type: "fired", actor, timer });
  }

  return { toggle, kill, haunt, failPower, endHost, endServer, run, crash, expire, end, fire, fireTimer };
}
