// From options to a running system. What is not said comes from the environment, then from the defaults below.

import { randomBytes } from "node:crypto";
import { ShoalError } from "../../stores/error.ts";
import { openStore } from "../../stores/open.ts";
import { localSystem } from "../cells/local.ts";
import { checkKeys, checkKinds, type Kinds, limitsFrom, supervisionFrom } from "../options.ts";
import { defaultSupervision } from "../supervision.ts";
import type { LaunchOptions, Limits, System } from "../system.ts";
import { turn } from "../cells/turn.ts";
import { loading } from "./program.ts";
import { realWorld } from "./world.ts";

/** What holds where nobody says otherwise. */
export const defaultLimits: Limits = {
  mailboxMessagesMax: 1_024,
  mailboxBytesMax: 4 * 2 ** 30,
  overflowMessagesMax: 16_384,
  messageBytesMax: 2 ** 20,
  sendTimeoutMs: 60_000,
  // A simulation may take hours. A node that dies is noticed in another way, long before this.
  replyTimeoutMs: 24 * 3_600_000,
  streamIdleTimeoutMs: 10 * 60_000,
  stopTimeoutMs: 30_000,
  timersMax: 100_000,
  deadLettersMax: 1_000,
  nameCharsMax: 200,
};

const storeThresholdBytesDefault = 10_000;

/**
 * Starts a system of actors. Call it from a file that holds no actors: one that holds some is imported wherever they
 * run, and must be importable without effect.
 */
export async function launch(options: LaunchOptions = {}): Promise<System> {
  refuseInside();
  const what = "Cannot launch";
  checkKeys(what, options, [...Object.keys(kinds), "limits", "supervision"]);
  checkKinds(what, options, kinds);
  const limits = limitsFrom(what, defaultLimits, options.limits);
  const supervision = supervisionFrom(what, defaultSupervision, options.supervision);
  const strict = options.strict ?? process.env["SHOAL_STRICT"] === "1";
  const run = options.name ?? newRunName();
  const seed = options.seed ?? randomBytes(4).readUInt32LE();
  const store = await openStore(options.store ?? "memory:", {
    run,
    environment: realWorld,
    strict,
    thresholdBytes: options.storeThresholdBytes ?? storeThresholdBytesDefault,
  });
  return localSystem({
    run,
    node: "main",
    seed,
    strict,
    environment: realWorld,
    store,
    limits,
    supervision,
    record: options.record,
  });
}

const kinds: Kinds = {
  store: "string",
  storeThresholdBytes: "natural",
  name: "string",
  seed: "natural",
  strict: "boolean",
  record: "function",
};

/** A launch inside an actor, or in a module that is loaded for its actors, would start one system per actor. */
function refuseInside(): void {
  const program = loading();
  if (program !== undefined) {
    throw new ShoalError(
      "BadInput",
      `Cannot launch inside ${program}: it is loaded for its actors; export a default function that takes the system`,
    );
  }
  const { actor } = turn;
  if (actor !== undefined) {
    const who = `${actor.className} ${actor.id}`;
    throw new ShoalError("BadInput", `Cannot launch inside ${who}: an actor is part of a system, use this.spawn`);
  }
}

/** Sorts by time, and two runs of one second differ. */
function newRunName(): string {
  const stamp = new Date().toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
  return `${stamp}-${randomBytes(3).toString("hex")}`;
}
