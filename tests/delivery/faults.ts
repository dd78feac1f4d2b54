// What goes wrong in the simulated world with processes, actors and stores: when it does, it is counted by where
// messages were, so that each fault is known to have come between any two steps of a delivery, and inside handlers.

import { canRun, type Live, nodeName, phasesOf, type Process } from "./process.ts";
import type { Scene } from "./scene.ts";

export interface Faults {
  /** Turns a fault of a node's store on, or off again. */
  toggle(faults: Set<number>, a: number, what: string): void;
  kill(index: number): void;
  haunt(index: number, early: boolean, isPatient: boolean): void;
  failPower(index: number, b: number): void;
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
  /** How many of a journal's commits a power failure may take, and whether the store says so. */
  readonly lossMax: number;
  readonly isLossDeclared: boolean;
}

export function faults(scene: Scene, { isMeasured, lossMax, isLossDeclared }: Losses): Faults {
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
    const name = scene.rules.nameOf(scene.run, index);
    const lost = scene.store.lose(name, Math.min(b % 4, lossMax));
    note("power", scene.processes[index]);
    scene.trace(`power fails at the store: ${nodeName(index)} loses its last ${lost.length} commits`);
    if (lost.length > 0) scene.count("store loses commits");
    if (isLossDeclared) scene.laws.accounts.lost(lost.flatMap(({ records }) => records));
    if (b >= 32) kill(index);
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
    const name = b % 8 === 7 ? `a${process?.index}` : `c${process?.index}`;
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

  return { toggle, kill, haunt, failPower, run, crash, expire, end, fire, fireTimer };
}
