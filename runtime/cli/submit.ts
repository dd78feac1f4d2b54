// `shoal submit PROGRAM`: makes a run directory, and sends the job that runs the program in it.

import { ShoalError } from "../../stores/error.ts";
import { allocationIn } from "../launch/batch/allocation.ts";
import { checkWanted } from "../launch/batch/wanted.ts";
import { removeRun } from "../run/layout.ts";
import { sayHopeless, submitted } from "./batch.ts";
import { configurationLines } from "./config.ts";
import { beginRun, programNames, runFlags } from "./run.ts";
import { planJob } from "./script.ts";
import type { Request, Verb } from "./verb.ts";

const verb: Verb = {
  usage: "shoal submit PROGRAM --launcher slurm|pbs [flags]",
  about: "Sends a job that runs a program. shoal status shows how it stands, shoal resume sends the next one.",
  words: [1, 1],
  missing: "no program named; it takes what shoal run takes",
  example: "shoal submit waves --launcher slurm --walltime 01:00:00 --auto-resume --sims 64",
  flags: runFlags,
  help: programNames,
  act: submit,
};
export default verb;

async function submit(request: Request): Promise<number> {
  const { flags, terminal } = request;
  const { planned, wanted, command } = await planJob(request);
  const { identity, directory, configuration } = planned;
  const { run, folder } = identity;
  // Before anything is written: a request that was wrong leaves no run behind.
  checkWanted(wanted);
  if (flags["dry-run"] === true) {
    terminal.say(`would send a job to ${wanted.scheduler} for ${run} in ${directory}; shoal script shows it`);
    for (const line of configurationLines(configuration, terminal.paint)) terminal.result(line);
    return 0;
  }
  const here = allocationIn(process.env);
  if (here !== undefined) terminal.say(`this is job ${here.job} already; shoal run would run in it`);
  const layout = beginRun(planned, terminal);
  try {
    const sent = await submitted(
      { wanted, run, layout, folder, command, program: identity.file?.path, seen: undefined },
      terminal,
    );
    await sayHopeless(sent, run, terminal);
    terminal.say(`its output: ${sent.output}; how it stands: shoal status ${run}`);
    const { job, scheduler, script, output } = sent;
    if (flags["json"] === true) {
      terminal.result(JSON.stringify({ run, directory, job, scheduler: scheduler.name, script, output }));
    }
    return 0;
  } catch (error) {
    // Without an answer it may have been sent all the same: then its directory is wanted.
    if (!(error instanceof ShoalError && error.code === "Timeout")) removeRun(layout);
    throw error;
  }
}
