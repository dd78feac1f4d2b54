// Runs a program under one head of its run: starts the system, shows how far it is, ends it in order when it is told
// to, and leaves the run directory so that `resume` can go on.

import { isShoalError } from "../../stores/error.ts";
import { redactUrl } from "../../stores/open.ts";
import { type Configuration, sectionOf } from "../launch/configuration.ts";
import { launchOptions } from "../launch/asked.ts";
import { start } from "../launch/launch.ts";
import type { RecordingOptions } from "../launch/recording.ts";
import { realWorld } from "../launch/world.ts";
import { logLine } from "../log.ts";
import { removeRun, type RunIdentity, type RunLayout } from "../run/layout.ts";
import { machine } from "../run/machine.ts";
import type { Configured, Fact, RunRecord } from "../run/records.ts";
import { errorRecordOf, runSession, type Session } from "../run/session.ts";
import type { System } from "../system.ts";
import { type HeadJob, headJob, whenFree } from "./job.ts";
import { groupsHere, launcherHere, serversHere } from "./launching.ts";
import type { ReadyProgram } from "./program.ts";
import { progressLine } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

export interface Campaign {
  readonly program: ReadyProgram;
  readonly identity: RunIdentity;
  readonly layout: RunLayout;
  readonly configuration: Configuration;
  readonly terminal: Terminal;
  readonly json: boolean;
  /** Is shown what earlier heads left, before the program starts. */
  readonly began?: (session: Session) => void;
}

const progressMs = 200;
const interruptedCode = 130;
/** Signals that come together are one. */
const sameSignalMs = 2_000;

/** The program's end, one way or another. */
type End =
  | { readonly state: "done"; readonly result: unknown }
  | { readonly state: "interrupted" }
  | { readonly state: "failed"; readonly error: unknown };

/** Answers the exit code; throws what the program threw. */
export async function runCampaign(campaign: Campaign): Promise<number> {
  const { identity, layout, configuration, terminal, json } = campaign;
  const job = headJob(campaign);
  const session = await whenFree(job, terminal, () =>
    runSession({
      layout,
      identity,
      environment: realWorld,
      configuration: recordable(configuration),
      machine: machine(),
      node: "main",
      seen: (record) => show(record, terminal),
    }));
  let end: End;
  let isStarted = false;
  let isDone = false;
  try {
    const { seed, run: name } = identity;
    const launcher = launcherHere(campaign, job?.allocation);
    // In a job of several nodes, the run is on all of them.
    const nodes = launcher === undefined ? {} : { nodes: launcher.hosts.length };
    const options = { ...nodes, ...launchOptions(configuration), name, seed, record: session.record };
    const system = await start(
      options,
      {
        home: layout.checkpoints,
        ledger: session.ledger,
        opened: session.opened,
        launcher,
        group: groupsHere(campaign, job?.allocation),
        recording: recordingOf(campaign, session.head.number),
        services: layout.services,
        ...serversHere(campaign, job?.allocation),
        isOver: () => isDone,
      },
      campaign.program.url,
    );
    isStarted = true;
    campaign.began?.(session);
    terminal.say(`run ${identity.run} in ${layout.directory}`);
    if (job?.allocation !== undefined) {
      const { job: name, scheduler } = job.allocation;
      session.record(factNow({ type: "JobChanged", job: name, scheduler, state: "running" }));
    }
    end = await lead(campaign, session, system, job, (is) => isDone = is);
  } catch (error) {
    end = { state: "failed", error };
  }
  terminal.settle();
  try {
    await session.end(end.state, end.state === "failed" ? errorRecordOf(end.error) : undefined);
  } catch (error) {
    // That it could not be recorded is why it failed, unless something else was.
    if (end.state !== "failed") end = { state: "failed", error };
  }
  if (end.state === "failed") {
    // A request that was wrong leaves no run behind: nothing of it ever began.
    if (!isStarted && session.head.number === 1) {
      removeRun(layout);
      throw end.error;
    }
    terminal.say(
      isShoalError(end.error, "BadInput")
        ? `the run failed; if a flag was wrong, run it anew; if a file was, cure it and shoal resume ${identity.run}`
        : `the run failed; after a cure: shoal resume ${identity.run}`,
    );
    throw end.error;
  }
  if (end.state === "interrupted") {
    terminal.say(`interrupted; to go on: shoal resume ${identity.run}`);
    // The program may hold timers of its own, and does not know that it is over.
    process.exit(interruptedCode);
  }
  if (json) terminal.result(JSON.stringify({ run: identity.run, seed: identity.seed, ...Object(end.result) }));
  return 0;
}

/** From the first line of the program to the end of its system. `done` is told of the program's own end before that. */
async function lead(
  campaign: Campaign,
  session: Session,
  system: System,
  job: HeadJob | undefined,
  done: (isDone: boolean) => void,
): Promise<End> {
  const { program, configuration, terminal } = campaign;
  const settings = { ...defaultsOf(program), ...sectionOf(configuration, `programs.${program.name}`) };
  let draining: Promise<End> | undefined;
  let drainedAt: number | undefined;
  let sending: Promise<void> | undefined;
  let tellEnd!: (end: Promise<End>) => void;
  const asked = new Promise<End>((resolve) => tellEnd = resolve);

  function drain(now: boolean, why: string, isOfTime: boolean): void {
    if (draining !== undefined && !now) return;
    terminal.say(why);
    done(false);
    // Before what runs is waited for: whoever ends us while we wait does not end the run.
    if (isOfTime) sending ??= job?.interrupted((fact) => session.record(factNow(fact)));
    const interrupted = (): End => ({ state: "interrupted" });
    draining ??= system.close({ now }).then(interrupted, interrupted);
    drainedAt ??= performance.now();
    if (now) system.close({ now }).catch(() => {});
    tellEnd(draining);
  }

  /** What was recorded so far is written on the way out. */
  function leave(): void {
    void session.end("interrupted").catch(() => {});
    process.exit(interruptedCode);
  }

  const onSignal = (signal: NodeJS.Signals): void => {
    if (signal.startsWith("SIGUSR")) {
      job?.warned();
      return drain(false, "the scheduler says that the walltime ends: what runs is finished first", true);
    }
    if (drainedAt === undefined) {
      return drain(false, "interrupted: what runs is finished first (once more ends at once)", signal === "SIGTERM");
    }
    // A scheduler signals the script, which hands it on, and its programs: both times it means the same.
    if (signal === "SIGTERM" && performance.now() - drainedAt < sameSignalMs) return;
    leave();
  };
  const signals = ["SIGINT", "SIGTERM", ...job?.signals ?? []] as const;
  for (const signal of signals) process.on(signal, onSignal);
  const unwatchTime = job?.watch((urgency, why) => urgency === "gone" ? leave() : drain(urgency === "now", why, true));
  const unwatch = session.onStop((now) =>
    drain(now, now ? "stopped at once by shoal stop" : "stopped by shoal stop: what runs is finished first", false)
  );
  const show = (): void => terminal.progress(progressLine(session.summary(), performance.now() - startedAt));
  const startedAt = performance.now();
  const ticking = setInterval(show, progressMs);
  ticking.unref();

  const running = (async (): Promise<End> => {
    const result = await program.program(system, settings, terminal.say, campaign.layout.directory);
    return { state: "done", result };
  })();
  // Once it is being ended, what the program still throws is no news.
  running.catch(() => {});
  const broken = Promise.race([session.lost, system.ended.then(() => new Promise<never>(() => {}))])
    .then((error): End => ({ state: "failed", error }));
  broken.catch(() => {});
  let end: End;
  try {
    end = await Promise.race([running, asked, broken]);
    if (draining !== undefined) end = await draining;
  } catch (error) {
    end = draining === undefined ? { state: "failed", error } : await draining;
  }
  clearInterval(ticking);
  done(end.state === "done" && draining === undefined);
  // What was told and not awaited is still handled; after a failure nobody waits for it.
  const closing = system.close({ now: end.state === "failed" });
  try {
    await closing;
  } catch (error) {
    if (end.state === "done") end = { state: "failed", error };
  }
  await sending;
  unwatch();
  unwatchTime?.();
  for (const signal of signals) process.off(signal, onSignal);
  return end.state === "done" && draining !== undefined ? await draining : end;
}

/** Whether what actors do is kept for a replay, and where. */
function recordingOf({ configuration, layout }: Campaign, head: number): RecordingOptions | undefined {
  const { actors, bytesMax, tensorBytesMax } = sectionOf(configuration, "recording");
  if (actors !== true) return undefined;
  return { folder: layout.recording, head, bytesMax: Number(bytesMax), tensorBytesMax: Number(tensorBytesMax) };
}

function defaultsOf({ settings }: ReadyProgram): { [name: string]: unknown } {
  return Object.fromEntries(Object.entries(settings).map(([name, flag]) => [name, flag.default]));
}

const factNow = (fact: Fact): RunRecord => ({ at: realWorld.date(), node: "main", ...fact });

function show(record: RunRecord, terminal: Terminal): void {
  if (record.type === "MessageLogged" && record.level !== "debug") terminal.say(logLine(record));
}

/** The configuration as it may be written down: without the passwords of URLs. */
export function recordable(configuration: Configuration): Configuration {
  return Object.fromEntries(
    Object.entries(configuration).map(([path, { value, origin }]): [string, Configured] => [path, {
      value: typeof value === "string" && /^[a-z][a-z0-9+.-]*:/i.test(value) ? redactUrl(value) : value,
      origin,
    }]),
  );
}
