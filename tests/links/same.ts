// What must be the same whatever mail goes through (L13), and that it did go through a store's logs.

import { mailStream } from "../../runtime/links/log.ts";
import { assert, seed } from "../suite.ts";
import { beside, linked, type LinkedOptions, type Replaced } from "./nodes.ts";
import { applied, expected, type Workload } from "./workload.ts";

/** Few enough for the slowest store, and for nothing to be trimmed. */
export const work: Workload = { seed, speakers: 3, hearers: 3, count: 400 };

/** What was applied is what the seed says: then it is the same on any two stores. */
export function checkApplied(came: Awaited<ReturnType<typeof applied>>, workload: Workload): void {
  const wanted = expected(workload);
  assert.deepEqual(came.there, wanted);
  assert.deepEqual(came.back, Object.fromEntries(Object.entries(wanted[0]!).map(([from, n]) => [`back ${from}`, n])));
}

/**
 * The workload between two processes that have nothing but a store's logs between them. What is in `replaced` is for the
 * one of the test; the other opens the store by its URL.
 */
export async function sameOver(
  both: Pick<LinkedOptions, "run" | "token" | "store">,
  replaced: Replaced = {},
): Promise<void> {
  const there = { ...both, hasLog: true, only: "log" } as const;
  const b = await beside({ ...there, node: "b", others: ["a"] });
  const a = await linked({ ...there, node: "a", others: ["b"] }, replaced);
  checkApplied(await applied(a.running.system, "b", work), work);
  assert.equal(a.ways.to("b"), "log");
  assert.equal(a.sockets, undefined);
  // Nothing but the log carries mail here: all that either node got stands in it.
  const counted = await b.close("a");
  const { sent, received } = a.log!.counts("b")!;
  assert.ok(counted !== undefined && counted.received.packets > 0 && received.packets > 0);
  assert.deepEqual([sent.trims, counted.sent.trims], [0, 0]);
  const stands = async (from: string, to: string): Promise<number> =>
    (await a.store.logs.read(mailStream(from, to), undefined, { entriesMax: 1e6 })).length;
  assert.ok(await stands("a", "b") >= counted.received.entries);
  assert.ok(await stands("b", "a") >= received.entries);
  await a.close();
}
