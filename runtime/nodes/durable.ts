// Durable actors: each step leaves the actor's state with its cursors in one commit, and a new life begins with the
// last state that was committed.

import { ShoalError } from "../../stores/error.ts";
import type { Timer as Cancelling } from "../actor.ts";
import { type Cell, Phase } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import type { Carrying, Elsewhere } from "../cells/post.ts";
import type { Survives } from "../../stores/store.ts";
import type { Input, StepRecord, Timer } from "../delivery/protocol.ts";
import type { Supervision } from "../supervision.ts";
import { random } from "../random.ts";
import type { Ended, SpawnOptions } from "../system.ts";
import { pinsOf } from "./body.ts";
import type { Classes } from "./classes.ts";
import type { Driver, Order } from "./driver.ts";
import type { Effect } from "./incoming.ts";
import { type Keeping, keepingTopics, keptWith, newKeeping } from "./keeping.ts";
import { type Birth, type Kept, type State, states } from "./states.ts";
import { timers } from "./timers.ts";

export interface DurableParts {
  readonly engine: Engine;
  readonly driver: Pick<Driver, "core" | "happen" | "flush">;
  readonly classes: Classes;
  readonly supervision: Supervision;
  readonly seed: number;
  known(cell: Cell): void;
  /** What the tensors outlive that a state may refer to. */
  readonly tensorsSurvive: Survives;
  /** Whether it has told anything since this was last asked. */
  hasTold(cell: Cell): boolean;
  /** Makes a name one that all nodes know. */
  named(cell: Cell, name: string): Promise<void>;
  /** A timer of a durable actor is due. */
  fire(cell: Cell, timer: string): void;
  /** Tells of the end of an actor, wherever it is; the answer stops that. */
  watch(address: string, watcher: (ended: Ended) => void): () => void;
}

export interface Durable extends Pick<Elsewhere<Cell>, "carries" | "publishes" | "step" | "watches"> {
  began(cell: Cell, input: Input, at: number): void;
  effect(cell: Cell): Effect;
  /** Something that its running step told was refused, and it does not know. */
  refused(cell: Cell, error: Error): void;
  /** Makes what was there before this process. */
  restored(order: Extract<Order, { type: "restore" }>): void;
  /** Whether any actor's class is being loaded. */
  isReviving(): boolean;
  /** Puts off what is to be done with an actor that is not there yet; false for one that is. */
  putsOff(actor: string, order: () => void): boolean;
  /** Settles when all that was restored has begun; throws where one cannot be made here. */
  begun(): Promise<void>;
  reload(cell: Cell | undefined): void;
  /** Puts into an actor what it has committed. */
  restore(cell: Cell, actor: object): Promise<void> | undefined;
  /** The timers that stand though the handler of this one threw. */
  repeats(cell: Cell, timer: string): readonly Timer[];
  /** It lost its memory: its next life waits until all that it did is committed. */
  crashed(cell: Cell): void;
  ended(cell: Cell): void;
  /** Leaves a whole state, between two steps. */
  snapshot(cell: Cell | undefined): void;
  /** A step has ended: what was put off until then is done. */
  stepped(cell: Cell): void;
  /** A new actor is about to begin. */
  conceive(cell: Cell, options: SpawnOptions): void;
  /** Settles when its birth is committed. */
  born(cell: Cell): Promise<void>;
  committed(record: StepRecord): void;
  found(name: string): Cell | undefined;
  /** Sets a timer as part of the running step; nothing where none runs. */
  timer(cell: Cell, delayMs: number, repeat: boolean, method: string, message: unknown): Cancelling | undefined;
  schedule(cell: Cell | undefined, timer: Timer): void;
  /** What a timer that fired stands for. */
  timed(cell: Cell, timer: string): { readonly method: string; readonly message: unknown } | undefined;
}

export function durable(parts: DurableParts): Durable {
  const { engine, driver, known, fire, watch } = parts;
  const { home, life } = engine;
  const form = states(parts);
  const keepings = new Map<Cell, Keeping>();
  /** Those of before this process that the program has not asked for yet, by name. */
  const before = new Map<string, Cell>();
  const beginnings: Promise<unknown>[] = [];
  /** Those whose classes are being loaded, and what is to be done with them then. */
  const reviving = new Map<string, (() => void)[]>();
  let carrying: Carrying<Cell> | undefined;

  function keepingOf(cell: Cell): Keeping {
    const keeping = keepings.get(cell);
    if (keeping !== undefined) return keeping;
    throw new Error(`Cannot find what ${cell.className} ${cell.id} keeps`);
  }

  function keep(cell: Cell, birth: Birth, last: Kept | undefined): Keeping {
    const clocks = timers({ engine, cell, fire: (timer) => fire(cell, timer), watch });
    const keeping = newKeeping(birth, last, clocks, keepingTopics(cell, last, () => carrying!));
    keepings.set(cell, keeping);
    return keeping;
  }

  function put(cell: Cell, actor: object): void {
    const { last } = keepingOf(cell);
    if (last !== undefined) form.put(cell, actor, last);
  }

  function whole(cell: Cell): State {
    const keeping = keepingOf(cell);
    const kept = keeping.last = keptWith(form.read(cell).kept, keeping.topics.last);
    return { birth: keeping.birth, ...kept };
  }

  function snapshot(cell: Cell): void {
    const keeping = keepings.get(cell);
    if (keeping === undefined || cell.phase >= Phase.stopping) return;
    // In the middle of a step there is no state that could be kept; the end of the step asks again.
    keeping.owesSnapshot = true;
    if (cell.phase !== Phase.running && cell.phase !== Phase.draining) {
      return void home.environment.after(beginsMs, () => keeping.owesSnapshot && snapshot(cell));
    }
    if (cell.busy || keeping.inStep) return;
    keeping.owesSnapshot = false;
    try {
      driver.happen({ type: "snapshotted", actor: cell.id, state: whole(cell) });
    } catch (error) {
      home.failed(cell, error, "snapshot");
    }
  }

  return {
    step(cell) {
      const keeping = keepings.get(cell);
      if (keeping?.inStep !== true) return undefined;
      return keeping.world ??= { random: random(`${keeping.birth.seed}/${keeping.input}`), now: keeping.now };
    },
    began(cell, input, at) {
      const keeping = keepingOf(cell);
      keeping.inStep = true;
      keeping.world = undefined;
      keeping.input = `${cell.id}/${input.identity}`;
      keeping.now = input.timer === "" ? at : keeping.timers.dueAt(input.timer);
      keeping.fault = undefined;
      keeping.timers.began(input.timer);
      keeping.topics.began();
    },
    effect(cell) {
      const keeping = keepingOf(cell);
      // What it has told is taken on by now, or refused.
      if (keeping.inStep && parts.hasTold(cell)) driver.flush();
      const { birth, fault } = keeping;
      keeping.fault = undefined;
      if (fault !== undefined) throw fault;
      const { kept: own, pins } = form.read(cell);
      const kept = keeping.last = keptWith(own, keeping.topics.sealed());
      keeping.inStep = false;
      const change = { state: { birth, ...kept } satisfies State };
      const waiting = keeping.topics.tensors();
      const all = waiting.length === 0 ? pins : [...pins, ...pinsOf(waiting)];
      return { change, pins: all, ...keeping.timers.taken() };
    },
    refused(cell, error) {
      const keeping = keepings.get(cell);
      if (keeping?.inStep === true) keeping.fault ??= error;
    },
    restored({ actor: address, changes, timers: clocks }) {
      const last = changes.at(-1);
      // Its birth was never committed: nobody was told that it lives.
      if (last === undefined || !("state" in last)) return;
      reviving.set(address, []);
      beginnings.push(revive(address, last.state as State, clocks));
    },
    isReviving: () => reviving.size > 0,
    putsOff(actor, order) {
      const orders = reviving.get(actor);
      orders?.push(order);
      return orders !== undefined;
    },
    async begun() {
      await Promise.all(beginnings);
    },
    reload(cell) {
      if (cell === undefined) return;
      const keeping = keepingOf(cell);
      keeping.isReloading = false;
      keeping.reloaded?.();
      keeping.reloaded = undefined;
    },
    restore(cell, actor) {
      const keeping = keepings.get(cell);
      if (keeping === undefined) return undefined;
      if (!keeping.isReloading) {
        put(cell, actor);
        return undefined;
      }
      return new Promise((resolve, reject) => {
        const { life: lived } = cell;
        keeping.reloaded = () => {
          try {
            if (cell.life === lived) put(cell, actor);
            resolve();
          } catch (error) {
            reject(error);
          }
        };
      });
    },
    repeats: (cell, timer) => keepings.get(cell)?.timers.repeats(timer) ?? [],
    crashed(cell) {
      const keeping = keepingOf(cell);
      keeping.isReloading = true;
      keeping.inStep = false;
    },
    ended(cell) {
      keepings.get(cell)?.timers.close();
      keepings.delete(cell);
    },
    snapshot: (cell) => cell === undefined ? undefined : snapshot(cell),
    stepped(cell) {
      if (keepings.get(cell)?.owesSnapshot === true) snapshot(cell);
    },
    conceive(cell, options) {
      const former = driver.core.actors.get(cell.id);
      if (former?.ending === true) {
        const text = `Cannot spawn ${cell.className} ${options.name}: the durable actor of that name`;
        const why = former.endedHere
          ? "failed too often in this process; what it committed is kept: mend what made it fail, and run again"
          : "was stopped, and that is for the whole run; take another name";
        throw new ShoalError("Ended", `${text} ${why}`);
      }
      keep(cell, form.birthOf(cell, options), undefined);
    },
    async born(cell) {
      const keeping = keepingOf(cell);
      const said = whole(cell);
      known(cell);
      const isBorn = new Promise<void>((resolve) => keeping.isBorn = resolve);
      driver.happen({ type: "snapshotted", actor: cell.id, state: said });
      await isBorn;
    },
    committed({ actor, whole: isWhole, change }) {
      const cell = engine.addresses.get(actor);
      const keeping = cell === undefined ? undefined : keepings.get(cell);
      if (change !== undefined && "state" in change) keeping?.topics.committed((change.state as State).topics);
      if (!isWhole || keeping?.isBorn === undefined) return;
      keeping.isBorn();
      keeping.isBorn = undefined;
    },
    found(name) {
      const cell = before.get(name);
      before.delete(name);
      return cell === undefined || cell.phase >= Phase.stopping ? undefined : cell;
    },
    timer(cell, delayMs, repeat, method, message) {
      const keeping = keepings.get(cell);
      return keeping?.inStep === true ? keeping.timers.set(delayMs, repeat, method, message) : undefined;
    },
    publishes(cell) {
      const keeping = keepings.get(cell);
      return keeping?.inStep === true ? keeping.topics : undefined;
    },
    carries: (topics) => void (carrying = topics),
    watches(cell, address, method) {
      const keeping = keepings.get(cell);
      if (keeping?.inStep === true) keeping.timers.watch(address, method);
      return keeping?.inStep === true;
    },
    schedule(cell, timer) {
      if (cell !== undefined) keepingOf(cell).timers.schedule(timer);
    },
    timed: (cell, timer) => keepings.get(cell)?.timers.meaning(timer),
  };

  async function revive(address: string, state: State, clocks: readonly Timer[]): Promise<void> {
    const cell = await form.make(state.birth);
    const { name } = state.birth;
    cell.extra.name = name;
    cell.extra.address = address;
    known(cell);
    engine.names.set(name, cell);
    engine.addresses.set(address, cell);
    before.set(name, cell);
    const keeping = keep(cell, state.birth, state);
    for (const timer of clocks) keeping.timers.schedule(timer);
    keeping.topics.committed(state.topics);
    const orders = reviving.get(address) ?? [];
    reviving.delete(address);
    for (const order of orders) order();
    try {
      await parts.named(cell, name);
      await life.begin(cell);
    } catch (error) {
      home.failed(cell, error, "started");
    }
  }
}

/** How long a snapshot waits for an actor that begins a new life. */
const beginsMs = 5;
