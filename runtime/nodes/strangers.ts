// What becomes of packets that are none of this run's, and of nodes that will have none of this one's: the former are
// spoken of once, and of the latter those hear who wait for them, unless it is only another run's node of that name.

import type { ShoalError } from "../../stores/error.ts";
import type { Claims } from "../../stores/store.ts";
import type { LogSink } from "../log.ts";
import type { Orders } from "./driver.ts";
import type { Refused } from "./packets.ts";

export interface StrangersParts {
  readonly run: string;
  /** In which each node of this run has its epoch. */
  readonly claims: Pick<Claims, "claimed">;
  readonly log: LogSink;
  /** Whether a node of this run has been heard of. */
  heardOf(node: string): boolean;
  /** It will have none of what this one sends. */
  refuses(node: string, error: ShoalError): void;
}

/** So many texts are remembered as said. */
const saidMax = 64;

export function strangers({ run, claims, log, heardOf, refuses }: StrangersParts): Pick<Orders, "refused" | "strange"> {
  const said = new Set<string>();
  /** Of those it is looked up whether this run has such a node. */
  const sought = new Set<string>();

  /** Where this run has a node of that name, what one of another run says is nothing that concerns it. */
  async function seek(node: string, error: ShoalError): Promise<void> {
    sought.add(node);
    try {
      if (await claims.claimed(`node/${node}`) === undefined && !heardOf(node)) refuses(node, error);
    } catch {
      // What is sent again is refused again.
    } finally {
      sought.delete(node);
    }
  }

  return {
    refused(error, node) {
      const text = `${error.message}${error.cause === undefined ? "" : ` (${String(error.cause)})`}`;
      // A stranger repeats itself; what is damaged may be another each time.
      if (node !== undefined) {
        if (said.has(`${node} ${text}`)) return;
        if (said.size >= saidMax) said.clear();
        said.add(`${node} ${text}`);
      }
      log({ type: "MessageLogged", level: "warn", text });
    },
    strange({ node, error, run: its, other }: Refused) {
      // Meant for a node of another run that has this one's name.
      if (other !== "" && other !== run) return;
      if (its === "" || its === run) return refuses(node, error);
      if (!sought.has(node)) void seek(node, error);
    },
  };
}
