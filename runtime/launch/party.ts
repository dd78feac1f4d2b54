// What a process that leads a run of several does beside its own work: its heart watches the others, and what happens
// to them is told to its own threads too.

import { rmSync } from "node:fs";
import { ShoalError } from "../../stores/error.ts";
import type { RunningNode } from "../nodes/node.ts";
import type { Change, Member } from "../nodes/registry.ts";
import type { Services } from "../nodes/steward.ts";
import type { StopOptions } from "../system.ts";
import type { Crossing, LinkKind } from "./crossing.ts";
import type { Crew } from "./crews.ts";
import { type Common, memberOf } from "./joining.ts";
import { type Processes, processes, type ProcessesOptions } from "./processes.ts";
import { pulse } from "./pulse.ts";
import type { Threads } from "./threads.ts";
import { version } from "./version.ts";

/** How a system has other processes. */
export interface Workers {
  /** The first is the leading process's own, which it is one of. */
  readonly crews: readonly [Crew, ...Crew[]];
  readonly link: LinkKind;
  /** A private folder for the run's sockets. Removed in the end. */
  readonly folder: string;
}

type Passed = "record" | "failed" | "say" | "answers" | "allotment";

export interface PartyOptions extends Pick<ProcessesOptions, Passed> {
  readonly workers: Workers;
  readonly common: Common;
  readonly main: RunningNode;
  readonly ways: Crossing;
  readonly threads: Threads;
}

export interface Party
  extends Pick<Processes, "joined" | "nodes" | "members" | "rooms" | "has" | "givenUp" | "services"> {
  /** The threads of this process are there, or some of them are others now. */
  moved(lost: readonly string[]): void;
  drain(stopping: StopOptions): Promise<void>;
  close(stopping: StopOptions): Promise<void>;
  /** Takes its folder away, once nobody uses the store any more. */
  remove(): void;
}

export function party(given: PartyOptions): Party {
  const { workers, common, main, ways, threads, record, failed, say, answers, allotment } = given;
  const { crews, folder } = workers;
  let isOver = false;

  const leader = (): Member => memberOf(main.name, main.epoch, "", [ways.place, ...threads.places()], crews[0].takes);

  function changed(change: Change): void {
    const { type, member, lost } = change;
    ways.changed(change);
    if (type === "gone") { for (const { node } of member.places) main.gone(node); }
    else for (const node of lost) main.lost(node);
    threads.changed(change);
  }

  const heart = pulse({
    run: common.run,
    store: common.store,
    storeModules: common.storeModules,
    node: main.name,
    epoch: main.epoch,
    leaseMs: common.limits.leaseMs,
    leader: undefined,
    lapsed: (node) => others.lapsed(node),
    fenced() {
      if (!isOver) failed(new ShoalError("Fenced", `Cannot go on with run ${common.run}: another process leads it`));
    },
    failed(why) {
      if (!isOver) failed(new ShoalError("Unavailable", `Cannot go on with run ${common.run}: no lease: ${why}`));
    },
  });
  const others = processes({
    common,
    crews,
    version: version(),
    folder,
    asking: main,
    leader,
    changed,
    expect: ways.expect,
    watch: heart.watch,
    answers,
    allotment,
    forget(member) {
      heart.forget(member.node);
      ways.leave(member);
    },
    adopt(node, again) {
      threads.expect(again);
      threads.adopt(node).catch(() => {});
    },
    givenUpHere: threads.givenUp,
    record,
    failed,
    say,
  });

  return {
    joined: others.joined,
    services: others.services,
    nodes: others.nodes,
    members: others.members,
    rooms: others.rooms,
    has: others.has,
    givenUp: others.givenUp,
    moved: (lost) => others.tell({ type: "here", member: leader(), lost }),
    drain: others.drain,
    async close(stopping) {
      isOver = true;
      await others.close(stopping);
      await heart.stop();
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** What workers ask of the process that leads: it is known once they are started. */
export function servicesOf(party: () => Party | undefined): Services {
  const names = ["join", "records", "moved", "givenUp", "recipe", "over", "failed"];
  return Object.fromEntries(names.map((name) => [name, (argument: never): unknown => {
    const serve = party()?.services[name];
    if (serve === undefined) throw new ShoalError("Unavailable", `Cannot ${name}: this run has one process`);
    return serve(argument);
  }]));
}
