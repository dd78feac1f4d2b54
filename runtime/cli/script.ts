// `shoal script PROGRAM`: prints the job script that `shoal submit` would send.

import { join } from "node:path";
import { ShoalError } from "../../stores/error.ts";
import { scriptOf } from "../launch/batch/sending.ts";
import { checkWanted, type Wanted, wantedOf } from "../launch/batch/wanted.ts";
import { checkGpus, missingGpus, readGpus } from "../launch/gpus.ts";
import { userFolder } from "../launch/sources.ts";
import { numbered, runLayout } from "../run/layout.ts";
import { ownWords, typedWords } from "./batch.ts";
import { recordable } from "./campaign.ts";
import { type PlannedRun, planRun, programNames, runFlags } from "./run.ts";
import type { Request, Verb } from "./verb.ts";

const verb: Verb = {
  usage: "shoal script PROGRAM --launcher slurm|pbs [flags]",
  about: "Prints the job script that shoal submit --no-pack would send. Nothing is sent, and nothing is written.",
  words: [1, 1],
  missing: "no program named; it takes what shoal run takes",
  example: "shoal script waves --launcher slurm --walltime 01:00:00 --sims 64",
  flags: runFlags,
  help: programNames,
  async act(request) {
    const { wanted, planned, command } = await planJob(request);
    checkWanted(wanted);
    const { identity, directory } = planned;
    const output = join(runLayout(directory).jobs, numbered(1, ".out"));
    const text = scriptOf({ wanted, run: identity.run, folder: identity.folder, command }, output);
    request.terminal.result(text.trimEnd());
  },
};
export default verb;

/** A run as a job, of which nothing is written or sent yet. */
export interface PlannedJob {
  readonly planned: PlannedRun;
  readonly wanted: Wanted;
  /** What the job runs: the run that was typed, under its name; a job that begins again goes on with it. */
  readonly command: readonly string[];
}

export async function planJob(request: Request): Promise<PlannedJob> {
  const plan = await planRun(request);
  const wanted = wantedOf(plan.configuration, userFolder(process.env, "config"));
  // From here on it is known who starts it: on a login node, resuming sends the next job.
  const launcher = { value: wanted.scheduler, origin: plan.configuration["launcher"]?.origin ?? "found" };
  const configuration = { ...plan.configuration, launcher };
  const identity = { ...plan.identity, configuration: recordable(configuration) };
  const planned = { ...plan, configuration, identity };
  refuseSecrets(planned);
  checkAskedGpus(planned, wanted);
  const { flags, typed } = request;
  const own = new Set(
    [...typed].filter((name) => !["name", "runs", "go-on", "json", "quiet", "dry-run"].includes(name)),
  );
  const command = [
    ...ownWords(),
    "run",
    plan.program.typed,
    ...typedWords(flags, own),
    `--runs=${join(plan.directory, "..")}`,
    `--name=${identity.run}`,
    "--go-on",
    // What the job's output ends with.
    "--json",
  ];
  return { planned, wanted, command };
}

/** Those of the nodes are another machine's: the site knows how many they have, or nobody does. */
function checkAskedGpus({ configuration }: PlannedRun, { site }: Wanted): void {
  const asked = configuration["gpus"]?.value;
  if (asked === undefined) return;
  const what = `Cannot make a job${site === undefined ? "" : ` at ${site.name}`}`;
  const gpus = readGpus(what, String(asked));
  const installed = Array.from({ length: site?.gpus ?? 0 }, (_, gpu) => String(gpu));
  checkGpus(what, gpus, installed);
  const missing = missingGpus(gpus, installed);
  if (installed.length === 0 || missing.length === 0) return;
  const cure = `its nodes have ${installed.join()}`;
  throw new ShoalError("BadInput", `${what}: gpus is ${gpus.join()}: there is no GPU ${missing.join(", ")}; ${cure}`);
}

/** What was typed stands in the script and in the list of processes, for everybody to read. */
function refuseSecrets({ configuration, identity }: PlannedRun): void {
  for (const [path, { value, origin }] of Object.entries(configuration)) {
    const isSecret = identity.configuration[path]?.value !== value;
    if (!isSecret || !origin.startsWith("--") && !origin.startsWith("SHOAL_")) continue;
    const cure = `write ${path} = … into shoal.config.toml or your own configuration, readable by you alone`;
    throw new ShoalError(
      "BadInput",
      `Cannot make a job: ${origin} holds a password, which a job would not find; ${cure}`,
    );
  }
}
