// What a law is: a plain value that anyone can run on a store of their own. A verdict says how many cases were tried
// and what happened in them, and for a failure the smallest case, and how to repeat it.
import type { Abilities, Store } from "../store.ts";
import { fc } from "./arbitraries.ts";
import type { Subject } from "./subject.ts";
import { type Stage, stage } from "./stage.ts";

export interface LawOptions {
  /** How many cases are tried. 100 unless said. */
  readonly runs?: number;
  /** The same seed draws the same cases. By chance unless said. */
  readonly seed?: number;
  /** The one case of a failure that was shown, to be run again. */
  readonly path?: string;
  /** Whether a failing case is made smaller. It is unless said. */
  readonly shrink?: boolean;
  /** The command that repeats a failure, to be shown with it. */
  readonly replay?: (seed: number, path: string) => string;
}

export interface Failure {
  /** What the law found, in words. */
  readonly message: string;
  /** The smallest case that breaks the law, as text. */
  readonly case: string;
  readonly seed: number;
  readonly path: string;
  /** The command that runs this case again. */
  readonly replay: string;
  readonly cause: unknown;
}

export interface Verdict {
  readonly law: string;
  readonly subject: string;
  /** Cases that were tried; for a law that is skipped, those in which its deviation was. */
  readonly runs: number;
  /** What happened in how many cases: a law that was never put to the test has not been kept. */
  readonly happened: Readonly<Record<string, number>>;
  readonly failure?: Failure;
  /** Why the law itself does not apply. */
  readonly skipped?: string;
}

/** Why a law does not apply to a store that can do no more than it declares, or nothing where it does. */
export type Needs = (abilities: Abilities, subject: Subject) => string | undefined;

export interface Law {
  /** Its number in the design where it has one, and what it is called. */
  readonly name: string;
  /** What must hold, in a sentence. */
  readonly about: string;
  readonly needs: Needs;
  run(subject: Subject, options?: LawOptions): Promise<Verdict>;
  /** The same for a test: throws where the law is broken, with all that the verdict says. */
  test(subject: Subject, options?: LawOptions): Promise<Verdict>;
}

/** What a law tries, and how it judges. */
export interface Trial<Case> {
  readonly cases: (subject: Subject) => fc.Arbitrary<Case>;
  /** More cases than this show nothing new. */
  readonly runsMax?: number;
  readonly holds: (tried: Case, stage: Stage) => Promise<void>;
  /** What must have happened within a hundred cases. */
  readonly wants?: readonly string[] | ((subject: Subject) => readonly string[]);
}

export interface LawText<Case> extends Trial<Case> {
  readonly name: string;
  readonly about: string;
  readonly needs?: Needs;
  /** What holds instead where the law does not apply. */
  readonly deviation?: (stage: Stage) => Promise<void>;
}

const runsUnlessSaid = 100;
/** With fewer cases, what a law wants to have happened may well not have. */
const wantsRunsMin = 100;
/** A case has hung after this long, in steps: on a machine that is busy elsewhere they come late, as all else does. */
const caseMsMax = 20_000;
const caseStepMs = 50;
/** A failure is shown as small as it has become by then: one that comes and goes would be made smaller for ever. */
const shrinkMsMax = 15_000;

/** A law from its text. */
export function law<Case>(text: LawText<Case>): Law {
  const { name, about, needs = (): undefined => undefined, deviation } = text;

  async function run(subject: Subject, options: LawOptions = {}): Promise<Verdict> {
    const reason = needs(await abilitiesOf(subject), subject);
    if (reason === undefined) return tried(name, text, subject, options);
    const skipped = { law: name, subject: subject.name, runs: 0, happened: {}, skipped: reason };
    if (deviation === undefined) return skipped;
    const instead: Trial<null> = { cases: () => fc.constant(null), holds: (_, stage) => deviation(stage) };
    return { ...await tried(name, instead, subject, { ...options, runs: 1 }), skipped: reason };
  }

  return {
    name,
    about,
    needs,
    run,
    async test(subject, options) {
      const verdict = await run(subject, options);
      const { failure } = verdict;
      if (failure === undefined) return verdict;
      const lines = [
        `${name} is broken by ${subject.name} after ${verdict.runs} cases: ${failure.message}`,
        `law: ${about}`,
        `case: ${failure.case}`,
        `replay: ${failure.replay}`,
      ];
      throw new Error(lines.join("\n    "), { cause: failure.cause });
    },
  };
}

/** A call that never settles breaks every law; the time is the machine's own. */
async function inTime(work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setInterval> | undefined;
  const limit = new Promise<never>((_, reject) => {
    let passedMs = 0;
    timer = setInterval(() => {
      passedMs += caseStepMs;
      if (passedMs >= caseMsMax) reject(new Error(`Hangs: a call has not settled after ${caseMsMax} ms`));
    }, caseStepMs);
  });
  try {
    await Promise.race([work, limit]);
  } finally {
    clearInterval(timer);
  }
}

async function abilitiesOf(subject: Subject): Promise<Abilities> {
  const asking = stage(subject, () => {});
  try {
    const store: Store = await asking.open();
    return store.abilities;
  } finally {
    await asking.close();
  }
}

async function tried<Case>(
  name: string,
  { cases, holds, wants = [], runsMax = Infinity }: Trial<Case>,
  subject: Subject,
  options: LawOptions,
): Promise<Verdict> {
  const { runs = runsUnlessSaid, seed = Math.floor(Math.random() * 2 ** 31), path, shrink = true } = options;
  const happened: Record<string, number> = {};
  let shrinkEnd = Infinity;
  const property = fc.asyncProperty(cases(subject), async (value) => {
    if (performance.now() > shrinkEnd) return;
    const own = new Set<string>();
    const one = stage(subject, (what) => own.add(what));
    try {
      await inTime(holds(value, one));
    } catch (error) {
      shrinkEnd = Math.min(shrinkEnd, performance.now() + shrinkMsMax);
      throw error;
    } finally {
      await one.close();
      for (const what of own) happened[what] = (happened[what] ?? 0) + 1;
    }
  });
  const once = path === undefined ? {} : { path };
  const result = await fc.check(property, {
    seed,
    numRuns: Math.min(runs, runsMax),
    endOnFailure: !shrink || path !== undefined,
    ...once,
  });
  const verdict = { law: name, subject: subject.name, runs: result.numRuns, happened };
  const replay = (where: string): string =>
    options.replay?.(seed, where) ?? `run(subject, { seed: ${seed}, path: ${JSON.stringify(where)} }) of ${name}`;
  if (result.failed) {
    const cause = result.errorInstance;
    const where = result.counterexamplePath ?? "";
    return {
      ...verdict,
      failure: {
        message: cause instanceof Error ? cause.message : String(cause),
        case: result.counterexample === null ? "" : fc.stringify(result.counterexample[0]),
        seed,
        path: where,
        replay: replay(where),
        cause,
      },
    };
  }
  const wanted = typeof wants === "function" ? wants(subject) : wants;
  const missing = runs < wantsRunsMin || path !== undefined
    ? []
    : wanted.filter((what) => happened[what] === undefined);
  if (missing.length === 0) return verdict;
  const message = `never put to the test: ${missing.join(", ")}`;
  return { ...verdict, failure: { message, case: "", seed, path: "", replay: replay(""), cause: undefined } };
}
