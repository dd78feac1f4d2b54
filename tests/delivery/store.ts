// The store of the simulated world: claims and journals that keep what they acknowledge and fence what is stale, and
// that now and then cannot say whether they did what was asked.

import type { Event } from "../../runtime/delivery/events.ts";
import type { Epoch, StepRecord } from "../../runtime/delivery/protocol.ts";
import type { Laws } from "./laws.ts";
import { nodeName, type Process, type Request } from "./process.ts";
import { showRecord } from "./shown.ts";

interface Journal {
  epoch: Epoch;
  readonly commits: { readonly epoch: Epoch; readonly number: number; readonly records: readonly StepRecord[] }[];
}

export interface Store {
  /** The highest epoch that is claimed for a node. */
  standing(index: number): Epoch;
  serve(process: Process, b: number): Event;
  append(process: Process, commit: Extract<Request, { type: "commit" }>): "held" | "fenced";
  trim(index: number, before: { readonly epoch: Epoch; readonly through: number }): void;
}

interface Stage {
  readonly laws: Laws;
  count(what: string): void;
  trace(line: string): void;
}

export function simulatedStore(nodes: number, stage: Stage): Store {
  const claims = Array.from({ length: nodes }, () => ({ epoch: 0, holder: 0 }));
  const journals = Array.from({ length: nodes }, (): Journal => ({ epoch: 0, commits: [] }));

  /** Does what a process asked for first, and answers: for `b` of 7 modulo 8, that nobody knows. */
  function serve(process: Process, b: number): Event {
    const request = process.requests.shift()!;
    const claim = claims[process.index]!;
    const journal = journals[process.index]!;
    const isLost = b % 8 === 7;
    switch (request.type) {
      case "claim": {
        const held = request.epoch > claim.epoch || (request.epoch === claim.epoch && claim.holder === process.id);
        if (held) Object.assign(claim, { epoch: request.epoch, holder: process.id });
        return { type: "claimed", held };
      }
      case "open": {
        const fenced = request.epoch < journal.epoch;
        if (!fenced) journal.epoch = request.epoch;
        return { type: "opened", fenced };
      }
      case "read": {
        const records = journal.commits.flatMap((commit) => commit.records);
        return { type: "read", records, end: true };
      }
      case "commit": {
        if (isLost && b >= 32) {
          stage.count("commit unknown, not applied");
          stage.trace(`store answers unknown to commit ${request.number} of process ${process.id}, not applied`);
          return { type: "committed", number: request.number, outcome: "unknown" };
        }
        const outcome = append(process, request);
        if (!isLost || outcome === "fenced") {
          return { type: "committed", number: request.number, outcome };
        }
        stage.count("commit unknown, applied");
        stage.trace(`store answers unknown to commit ${request.number} of process ${process.id}, applied`);
        return { type: "committed", number: request.number, outcome: "unknown" };
      }
    }
  }

  function append(
    process: Process,
    { epoch, number, records }: Extract<Request, { type: "commit" }>,
  ): "held" | "fenced" {
    const journal = journals[process.index]!;
    if (epoch < journal.epoch) {
      stage.count("commit fenced");
      stage.trace(`store fences commit ${number} of process ${process.id}`);
      return "fenced";
    }
    if (journal.commits.some((commit) => commit.epoch === epoch && commit.number === number)) return "held";
    journal.commits.push({ epoch, number, records });
    stage.trace(
      `journal of ${nodeName(process.index)} has commit ${epoch}.${number}: ${records.map(showRecord).join("; ")}`,
    );
    stage.laws.appended(nodeName(process.index), records, process.meanings);
    return "held";
  }

  return {
    standing: (index) => claims[index]!.epoch,
    serve,
    append,
    trim(index, before) {
      const journal = journals[index]!;
      const kept = journal.commits.filter(({ epoch, number }) =>
        epoch > before.epoch || (epoch === before.epoch && number > before.through)
      );
      if (kept.length < journal.commits.length) stage.count("journal trimmed");
      journal.commits.splice(0, journal.commits.length, ...kept);
    },
  };
}
