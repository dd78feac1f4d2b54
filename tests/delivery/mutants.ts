// The core with one rule broken, each time another. What shows is worth something only as far as these are caught, each
// by a law that it breaks.

import { rules } from "../../runtime/delivery/rules.ts";
import { confused } from "./confused.ts";
import type { Mutant } from "./mutant.ts";
import { nothing, type Op, type Weights } from "./plan.ts";
import type { Ways } from "./schedules.ts";
import type { WorldOptions } from "./options.ts";

/** Nodes that change hands among much mail, and nothing else that would tell of it. */
const handovers: Weights = {
  ...nothing,
  zombie: 8,
  kill: 8,
  restart: 16,
  store: 50,
  send: 30,
  run: 40,
  deliver: 40,
  tick: 2,
  repeat: 10,
};

const broken: readonly Mutant[] = [
  { name: "an old epoch is not fenced", laws: ["L5", "L1"], broken: { isStale: () => false } },
  {
    name: "the epoch is forgotten on restart",
    laws: ["L3"],
    broken: { nextEpoch: (standing) => Math.max(1, standing) },
  },
  {
    name: "a successor does not know which processes its predecessor has accepted",
    laws: ["L5", "L1", "L3"],
    broken: { remembers: (_, known) => known },
    length: 300,
    weights: handovers,
  },
  { name: "a successor reads before it claims", laws: ["L12", "L1"], broken: { takeover: ["read", "claim", "open"] } },
  {
    name: "a successor claims and reads, and opens later",
    laws: ["L12", "L1"],
    broken: { takeover: ["claim", "read", "open"] },
  },
  {
    name: "what is only in the mailbox is acknowledged",
    laws: ["L2"],
    broken: { acknowledges: ({ accepted }) => accepted },
  },
  {
    name: "what is sealed but not committed is acknowledged",
    laws: ["L2"],
    broken: { acknowledges: ({ sealed }) => sealed },
  },
  { name: "the cursor is not in the effect's commit", laws: ["L1", "L2"], broken: { commitsCursor: () => undefined } },
  {
    name: "the cursor is committed before the effect",
    laws: ["L3", "L1"],
    broken: { commitsCursor: ({ accepted }) => accepted },
  },
  { name: "the outbox forgets one too many", laws: ["L3", "L2"], broken: { forgetThrough: (through) => through + 1 } },
  { name: "a resend begins one too late", laws: ["L3"], broken: { resendAfter: ({ accepted }) => accepted + 1 } },
  { name: "nothing is said again", laws: ["L3"], broken: { resendAfter: ({ sent }) => sent } },
  { name: "a tell leaves before its commit", laws: ["L1"], broken: { mayLeave: ({ last }) => last } },
  { name: "an answer leaves before its commit", laws: ["L4"], broken: { mayAnswer: () => Number.MAX_SAFE_INTEGER } },
  {
    name: "a second run sends other content under a sequence that was applied",
    laws: ["L1", "L3"],
    broken: { standsAt: (cursor) => cursor },
  },
  {
    name: "only the last opening is told",
    laws: ["L1", "L3"],
    broken: { openingsAfter: (_, base, epoch) => [{ epoch, base }] },
    length: 300,
    weights: handovers,
  },
  {
    name: "a new epoch is adopted over a mailbox of the old one",
    laws: ["L5", "L1", "L3"],
    broken: { mayAdopt: () => true },
  },
  { name: "an acknowledgement of an older epoch counts", laws: ["L2", "L3"], broken: { speaksOf: () => true } },
  {
    name: "gaps in the sequence are let in",
    laws: ["L1"],
    broken: { isNext: (sequence, accepted) => sequence > accepted },
  },
  { name: "a repeated call is a new call", laws: ["L1"], broken: { isRepeat: () => false } },
  {
    name: "an answer is dropped before its asker has committed",
    laws: ["L1"],
    broken: { keeps: ({ epoch, sequence }, at, got) => epoch === at && sequence > got },
  },
  {
    name: "answers are kept for ever",
    laws: ["L3"],
    broken: { forgets: () => false },
    limits: { callsMax: 2, answersMax: 4 },
    length: 300,
  },
  {
    name: "a call that is on its way once more is forgotten",
    laws: ["L1"],
    broken: { isUnderWay: () => false },
    plan: JSON.parse(
      `[["send",2,20],["send",22,0],["send",0,0],["deliver",0,0],["deliver",0,0],["repeat",10,0],["send",0,0],["run",0,0],["run",0,0],["repeat",13,0],["run",0,0],["kill",53,0],["send",54,0],["zombie",55,0],["kill",40,0],["peer",0,10],["expire",0,0],["tick",0,0],["restart",44,0],["run",0,0],["expire",0,0],["deliver",0,0],["drop",9,0],["store",0,0],["store",0,0],["store",0,0],["run",31,0],["deliver",0,0],["send",22,0],["store",0,0],["deliver",0,0],["lose",0,0],["drop",0,0],["run",63,0],["deliver",0,0],["deliver",0,0],["store",0,0]]`,
    ) as Op[],
  },
  { name: "a step that may run again is forgotten", laws: ["L1"], broken: { isOver: () => true } },
  { name: "two asks of one step have one key", laws: ["L4"], broken: { callKey: (step) => step } },
  { name: "the asks of two steps have one key", laws: ["L4", "L1"], broken: { stepKey: (asker) => `${asker}()` } },
  { name: "the outbox has no bound", laws: ["L6"], broken: { outboxHolds: () => true } },
  {
    name: "the mailbox has no bound in messages",
    laws: ["L6"],
    broken: {
      admits: ({ limits }, { actor, kept, awaited }, bytes, isCall) =>
        actor.mailBytes + bytes <= limits.mailboxBytesMax &&
        !(isCall && kept.length + awaited.length >= limits.answersMax),
    },
  },
  {
    name: "the mailbox has no bound in bytes",
    laws: ["L6"],
    broken: {
      admits: ({ limits }, { actor, kept, awaited }, _, isCall) =>
        actor.mailMessages < limits.mailboxMessagesMax &&
        !(isCall && kept.length + awaited.length >= limits.answersMax),
    },
  },
  {
    name: "kept answers have no bound",
    laws: ["L6"],
    broken: { admits: (node, inbound, bytes) => rules.admits(node, inbound, bytes, false) },
    limits: { answersMax: 2 },
  },
  { name: "snapshots are never forced", laws: ["L6"], broken: { mustSnapshot: () => false } },
  {
    name: "a wake-up that is lost is not asked for again",
    laws: ["L3"],
    broken: { isWaiting: (out, got) => rules.isWaiting(out, got) && out.limitSequence > out.accepted },
  },
  {
    name: "a stream with open calls and nothing to send never asks",
    laws: ["L3"],
    broken: { isWaiting: ({ last, acked }) => last > acked },
  },
  {
    name: "a parked stream blocks its neighbours",
    laws: ["L3"],
    broken: {
      admits: (node, inbound, bytes, isCall) =>
        rules.admits(node, inbound, bytes, isCall) &&
        [...node.actors.values()].every(({ parkedStreams, mailMessages }) => parkedStreams === 0 || mailMessages === 0),
    },
  },
  { name: "a gap is not told", laws: ["L1"], broken: { isToldOfGap: () => false } },
  {
    name: "what was under way to a dead life is sent to the next",
    laws: ["L1"],
    broken: { gapThrough: ({ acked }) => acked },
  },
  { name: "any life of a receiver is meant", laws: ["L1", "L3"], broken: { isMeant: () => true } },
  { name: "a life that restarts is not a new one", laws: ["L1", "L3"], broken: { nextLife: (life) => life } },
  { name: "a message that left is withdrawn", laws: ["L4"], broken: { isWithdrawable: ({ key }) => key === "" } },
  {
    name: "the ask of a second run is withdrawn",
    laws: ["L4"],
    broken: { isWithdrawable: ({ sequence }, { everSent }) => sequence > everSent },
    weights: { crash: 10, expire: 10, kill: 6, restart: 12 },
  },
  {
    name: "the refused ask of a second run is called failed",
    laws: ["L4"],
    broken: { refusedAsk: () => "failed" },
    limits: { outboxMessagesMax: 2, suspendProbesMax: 1 },
  },
  { name: "silence is never reported", laws: ["L3"], broken: { isSilent: () => false } },
  {
    name: "an unknown commit is taken for done",
    laws: ["L2", "L4", "L12"],
    broken: { outcomeOf: (outcome) => outcome === "unknown" ? "held" : outcome },
  },
  {
    name: "an unknown commit is repeated under a new number",
    laws: ["L1", "L12"],
    broken: { repeatsAs: (number) => number + 1 },
  },
  {
    name: "a fenced commit is taken for done",
    laws: ["L2", "L4", "L5"],
    broken: { outcomeOf: (outcome) => outcome === "fenced" ? "held" : outcome },
  },
  {
    name: "a receiver whose store lost what it acknowledged is waited for",
    laws: ["L3"],
    broken: { hasLost: () => false },
    survives: "process",
  },
  {
    name: "what was lost with a host is not told",
    laws: ["L2", "L1"],
    broken: { isToldOfLoss: () => false },
    survives: "process",
    weights: { host: 6, power: 0 },
  },
  {
    name: "what a server has forgotten is not told",
    laws: ["L2", "L1"],
    broken: { isToldOfLoss: () => false },
    survives: "host",
    weights: { server: 4, power: 0 },
  },
  { name: "what a failed handler told leaves", laws: ["L1"], broken: { isTold: () => true } },
  { name: "a timer that fires twice counts twice", laws: ["L12"], broken: { fires: () => true, counts: () => true } },
  { name: "a restored outbox does not pin", laws: ["L9"], broken: { repins: () => false } },
];

export const mutants: readonly Mutant[] = [...broken, ...confused];

/** A world in which the mutant takes the place of what ships. */
export function worldOf(mutant: Mutant): Ways & Pick<WorldOptions, "rules"> & Pick<Mutant, "weights"> {
  const { broken, core, driver, store, limits, survives, weights } = mutant;
  return {
    rules: { ...rules, ...broken },
    ...(core === undefined ? {} : { advance: core() }),
    ...(driver === undefined ? {} : { driver }),
    ...(store === undefined ? {} : { store }),
    ...(limits === undefined ? {} : { limits }),
    ...(survives === undefined ? {} : { survives }),
    ...(weights === undefined ? {} : { weights }),
  };
}
