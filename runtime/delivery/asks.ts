// What actors ask: a volatile one outside any handler, or from within a step, where an ask has its place among all that
// the step makes, and is answered the same when the step runs again.

import type { Question, Sending } from "./events.ts";
import type { Outcome, Refusal } from "./protocol.ts";
import type { Actor, Node, Outbound } from "./state.ts";
import { outboundOf } from "./origin.ts";
import { append, refusal, settle, stir, take } from "./outbox.ts";

export function ask(
  node: Node,
  actor: Actor,
  { to, node: at }: Pick<Sending, "to" | "node">,
  questions: readonly Question[],
): void {
  const { step, durable } = actor;
  const chain = step === undefined ? ownChain(actor, to) : [...step.chain, actor.name];
  if ((step !== undefined && chain.includes(to)) || (durable && step === undefined)) {
    return refuseAll(node, actor, questions, "failed", "BadInput", chain);
  }
  if (node.gone.has(to)) {
    return refuseAll(node, actor, questions, durable ? node.rules.refusedAsk("Ended") : "failed", "Ended");
  }
  const out = outboundOf(node, actor, to, at);
  if (!durable) return askAll(node, out, questions, chain);
  for (const question of questions) askInStep(node, actor, out, question, chain);
}

/** Who asks for itself alone says the same each time: those that wait for acknowledgements share it. */
function ownChain({ name, outbounds }: Actor, to: string): readonly string[] {
  const before = outbounds.get(to)?.items.at(-1)?.chain;
  return before?.length === 1 && before[0] === name ? before : [name];
}

function refuseAll(
  node: Node,
  { step }: Actor,
  questions: readonly Question[],
  outcome: Outcome,
  code: Refusal,
  chain?: readonly string[],
): void {
  // An ask is known by its place among all that a run makes: what one run is refused, another may be granted.
  if (step !== undefined) step.ordinal += questions.length;
  for (const { token } of questions) settle(node, token, outcome, code, chain);
}

function askAll(node: Node, out: Outbound, questions: readonly Question[], chain: readonly string[]): void {
  const { last } = out;
  for (const question of questions) {
    const code = out.calls.length >= node.limits.callsMax ? "CapacityExceeded" : refusal(node, out, question.bytes);
    if (code !== undefined) settle(node, question.token, "failed", code);
    else take(node, out, "call", question, "", question.digest, chain);
  }
  if (out.last > last) stir(node, out);
}

function askInStep(node: Node, actor: Actor, out: Outbound, question: Question, chain: readonly string[]): void {
  const step = actor.step!;
  step.ordinal += 1;
  // Each run counts its asks alike: one too many was refused to every earlier run, and never left.
  if (step.ordinal > node.limits.callsMax) return settle(node, question.token, "failed", "CapacityExceeded");
  const isFirst = !step.asked.includes(out);
  // Leave to forget the answers will need room when the step ends.
  if (isFirst) out.reserved += 1;
  const code = refusal(node, out, question.bytes);
  if (code !== undefined) {
    if (isFirst) out.reserved -= 1;
    // What this run of a step is refused, an earlier run may have been granted.
    return settle(node, question.token, node.rules.refusedAsk(code), code);
  }
  if (isFirst) step.asked.push(out);
  const key = node.rules.callKey(node.rules.stepKey(actor.name, step.identity), step.ordinal);
  const { sequence } = append(node, out, "call", question, key, question.digest, chain);
  actor.touched.push(out);
  // It may know what earlier steps did, and leaves at once only when they are committed.
  const before = actor.uncommitted.at(-1);
  if (before === undefined) out.leave = sequence;
  else before.leaves.push({ out, sequence });
}
