// How a pool comes to be: its members, on one thread or on several, and what it needs of the system they live in.

import { ShoalError } from "../../stores/error.ts";
import { Parcel } from "./call.ts";
import { Cell, Phase } from "./cell.ts";
import type { Engine } from "./engine.ts";
import { taskOf } from "../kinds.ts";
import { checkKeys } from "../options.ts";
import { type Pooling, poolOf, type Work } from "../pool.ts";
import type { AnyActorRef } from "../ref.ts";
import type { Sender } from "../reference.ts";
import type { Ledger } from "../run/ledger.ts";
import { nameOf, type Spawn } from "./spawning.ts";
import type { ActorClass, Ended, StopOptions } from "../system.ts";

export interface PoolingParts {
  readonly engine: Engine;
  readonly ledger: Ledger | undefined;
  /** Where pools live that do not say it; beside their maker unless set. */
  readonly usually: "threads" | "everywhere" | undefined;
  readonly spawn: Spawn;
  /** The nodes that take actors there for a kind of task, another one first each time. */
  placesFor(
    what: string,
    on: "threads" | "processes" | "everywhere",
    task: string | undefined,
  ): Promise<readonly string[]>;
  watch(member: AnyActorRef, watcher: (ended: Ended) => void): void;
  stop(member: AnyActorRef, stopping: StopOptions): Promise<Ended>;
}

/** Makes a pool on behalf of the program, or of an actor in one of its lives. */
export type MakePool = (by: Cell, lived: number, Class: ActorClass, asked: Pooling) => Promise<Work>;

const poolKeys = ["size", "input", "nodes", "on", "attemptsMax", "task", "resources", "supervision", "limits"];

/** How often a task of a pool may begin when the members that had it ended. */
const attemptsMaxDefault = 3;

export function pooling({ engine, ledger, usually, spawn, placesFor, watch, stop }: PoolingParts): MakePool {
  const { home, program } = engine;

  return async (by, lived, Class, asked) => {
    const { size, input, nodes: said, on, attemptsMax = attemptsMaxDefault, ...rest } = asked;
    const what = `Cannot make a pool of ${nameOf(Class)}`;
    checkKeys(what, asked, poolKeys);
    if (on !== undefined && on !== "threads" && on !== "processes") {
      throw new ShoalError("BadInput", `${what}: on is ${String(on)}, expected "threads" or "processes"`);
    }
    for (const [name, value] of Object.entries({ size, attemptsMax })) {
      if (Number.isSafeInteger(value) && value >= 1) continue;
      throw new ShoalError("BadInput", `${what}: ${name} is ${String(value)}, expected a whole number from 1`);
    }
    const where = on ?? usually;
    // Where each member finds what it needs is seen one by one.
    const isSought = where === undefined || rest.resources !== undefined;
    const nodes = said ?? (isSought ? undefined : await placesFor(what, where, taskOf(what, rest.task)));
    const usual = where === undefined || where === "everywhere" ? rest : { ...rest, on: where };
    const members: Sender[] = [];
    try {
      for (let i = 0; i < size; i++) {
        const options = nodes === undefined ? usual : { ...rest, node: nodes[i % nodes.length]! };
        members.push(await spawn(by, lived, Class, input, options));
      }
    } catch (error) {
      for (const member of members) void stop(member, { now: true });
      throw error;
    }
    return poolOf<Sender>({
      className: Class.name,
      members,
      ledger: ledger,
      attemptsMax,
      deadlines: home.deadlines,
      replyTimeoutMs: home.limits.replyTimeoutMs,
      now: () => home.environment.now(),
      accept(message) {
        const passage = home.passage(program, program.life);
        const passed = home.pass(message, passage);
        if (passage.tensors === undefined) return { message: passed, done() {} };
        const parcel = new Parcel(
          home.refer(program, program, program.life),
          passage.tensors,
          home.hold(passage.tensors),
        );
        return { message: passed, done: () => home.over(parcel, false) };
      },
      isFar: ({ target }) => !(target instanceof Cell),
      isOpen: ({ target }) => !(target instanceof Cell) || target.open,
      whenIdle(member, call) {
        const cell = member.target;
        // Of one elsewhere nobody knows what others send it; when it has answered, it is as good as idle.
        if (!(cell instanceof Cell)) return call(member);
        if (cell.phase === Phase.running && !cell.busy && cell.mailbox === undefined) call(member);
        else (cell.extra.idle ??= []).push(() => call(member));
      },
      watch,
      stop,
    });
  };
}
