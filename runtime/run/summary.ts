// How far a run is: the fold of its records. The head keeps one as it goes; `status` makes one from the directory.

import type { ErrorRecord, RunRecord, TaskFinished } from "./records.ts";

/** The tasks of one kind. */
export interface TaskSummary {
  /** How many were asked for, since the head began; nothing where that is not known. */
  readonly planned: number | undefined;
  readonly done: number;
  readonly failed: number;
  readonly underWay: number;
}

export interface RunSummary {
  readonly heads: number;
  readonly startedAt: number | undefined;
  readonly lastAt: number | undefined;
  /** How the last head ended, if it said. */
  readonly ended: {
    readonly at: number;
    readonly state: "done" | "failed" | "interrupted";
    readonly error?: ErrorRecord;
  } | undefined;
  readonly tasks: ReadonlyMap<string, TaskSummary>;
  readonly actors: { readonly spawned: number; readonly crashes: number; readonly restarts: number };
  /** The processes beside the one that leads, by the names of their nodes. */
  readonly nodes: ReadonlyMap<string, NodeSummary>;
  readonly warnings: number;
  readonly records: number;
}

/** A process of the run, since the head began. */
export interface NodeSummary {
  readonly host: string;
  readonly pid: number;
  readonly runtime: string;
  /** The group of workers that it belongs to. */
  readonly group?: string;
  /** Whether it was last heard of as lost. */
  readonly isLost: boolean;
  /** How many of its processes were lost. */
  readonly losses: number;
}

interface Kind {
  planned: number | undefined;
  unknownPlan: boolean;
  /** Those with a name, by task: one that two heads finished counts once. */
  readonly done: Set<string>;
  readonly underWay: Set<string>;
  failed: number;
  counted: { begun: number; done: number; failed: number };
}

/** A task that its member never began, because it or the run was ending: somebody may do it yet. */
function isGivenBack({ outcome, error }: TaskFinished): boolean {
  return outcome === "failed" && ["Ended", "ShuttingDown", "Cancelled"].includes(error?.code ?? "");
}

export interface Summary {
  take(head: number, record: RunRecord): void;
  read(): RunSummary;
}

export function runSummary(): Summary {
  const kinds = new Map<string, Kind>();
  const nodes = new Map<string, NodeSummary>();
  const actors = { spawned: 0, crashes: 0, restarts: 0 };
  let head = 0;
  let heads = 0;
  let startedAt: number | undefined;
  let lastAt: number | undefined;
  let ended: RunSummary["ended"];
  let warnings = 0;
  let records = 0;

  function kindOf(name: string): Kind {
    let kind = kinds.get(name);
    if (kind === undefined) {
      kind = {
        planned: undefined,
        unknownPlan: false,
        done: new Set(),
        underWay: new Set(),
        failed: 0,
        counted: { begun: 0, done: 0, failed: 0 },
      };
      kinds.set(name, kind);
    }
    return kind;
  }

  /** The program begins again from its first line: only what has a name and is done stays so. */
  function begin(next: number): void {
    head = next;
    heads += 1;
    for (const kind of kinds.values()) {
      kind.planned = undefined;
      kind.unknownPlan = false;
      kind.underWay.clear();
      kind.failed = 0;
      kind.counted = { begun: 0, done: 0, failed: 0 };
    }
    ended = undefined;
    nodes.clear();
  }

  return {
    take(from, record) {
      if (from !== head) begin(from);
      records += 1;
      startedAt ??= record.at;
      lastAt = Math.max(lastAt ?? 0, record.at);
      switch (record.type) {
        case "TasksPlanned": {
          const kind = kindOf(record.kind);
          if (record.tasks === undefined) kind.unknownPlan = true;
          else kind.planned = (kind.planned ?? 0) + record.tasks;
          break;
        }
        case "TasksCounted":
          kindOf(record.kind).counted = record;
          break;
        case "TaskStarted":
          kindOf(record.kind).underWay.add(record.task);
          break;
        case "TaskFinished": {
          const kind = kindOf(record.kind);
          kind.underWay.delete(record.task);
          if (record.outcome === "done") kind.done.add(record.task);
          else if (!isGivenBack(record)) kind.failed += 1;
          break;
        }
        case "ActorSpawned":
          actors.spawned += 1;
          break;
        case "ActorCrashed":
          actors.crashes += 1;
          break;
        case "ActorRestarted":
          actors.restarts += 1;
          break;
        case "NodeJoined": {
          const { pid, machine: { host, runtime } } = record;
          const group = record.group === undefined ? {} : { group: record.group };
          const losses = nodes.get(record.node)?.losses ?? 0;
          nodes.set(record.node, { host, pid, runtime, isLost: false, losses, ...group });
          break;
        }
        case "NodeLost": {
          const node = nodes.get(record.node);
          if (node !== undefined) nodes.set(record.node, { ...node, isLost: true, losses: node.losses + 1 });
          break;
        }
        case "MessageLogged":
          if (record.level === "warn" || record.level === "error") warnings += 1;
          break;
        case "RunEnded":
          ended = {
            at: record.at,
            state: record.state,
            ...(record.error === undefined ? {} : { error: record.error }),
          };
          break;
        default:
      }
    },
    read: () => ({
      heads,
      startedAt,
      lastAt,
      ended,
      tasks: new Map([...kinds].map(([name, kind]): [string, TaskSummary] => [name, {
        planned: kind.unknownPlan ? undefined : kind.planned,
        done: kind.done.size + kind.counted.done,
        failed: kind.failed + kind.counted.failed,
        underWay: kind.underWay.size + kind.counted.begun - kind.counted.done - kind.counted.failed,
      }])),
      actors: { ...actors },
      nodes: new Map(nodes),
      warnings,
      records,
    }),
  };
}
