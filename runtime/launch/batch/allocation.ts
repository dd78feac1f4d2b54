// The job that this process stands in, from what the scheduler says in the environment.

import { readFileSync } from "node:fs";
import { ShoalError } from "../../../stores/error.ts";
import { expandNodelist, readNodeFile } from "./nodelist.ts";
import type { Allocation } from "./scheduler.ts";

type Environment = { readonly [name: string]: string | undefined };

/** Nothing outside a job. */
export function allocationIn(environment: Environment): Allocation | undefined {
  const slurm = environment["SLURM_JOB_ID"];
  if (slurm !== undefined && slurm !== "") return inSlurm(slurm, environment);
  const pbs = environment["PBS_JOBID"];
  return pbs === undefined || pbs === "" ? undefined : inPbs(pbs, environment);
}

/** This node first: it is the head's. */
function hereFirst(hosts: readonly string[], here: string | undefined): string[] {
  const isHere = (host: string): boolean => host === here || host.split(".")[0] === here?.split(".")[0];
  return [...hosts.filter(isHere), ...hosts.filter((host) => !isHere(host))];
}

const number = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : undefined;

const endIn = (environment: Environment): number | undefined => {
  const seconds = number(environment["SLURM_JOB_END_TIME"]) ?? number(environment["SHOAL_JOB_ENDS"]);
  return seconds === undefined ? undefined : seconds * 1_000;
};

function inSlurm(job: string, environment: Environment): Allocation {
  const here = environment["SLURMD_NODENAME"];
  const list = environment["SLURM_JOB_NODELIST"] ?? environment["SLURM_NODELIST"] ?? here ?? "";
  return {
    scheduler: "slurm",
    job,
    hosts: hereFirst(expandNodelist(list), here),
    restarts: number(environment["SLURM_RESTART_COUNT"]) ?? 0,
    endsAt: endIn(environment),
    cores: number(environment["SLURM_CPUS_ON_NODE"]),
  };
}

function inPbs(job: string, environment: Environment): Allocation {
  const path = environment["PBS_NODEFILE"];
  let text = "";
  if (path !== undefined && path !== "") {
    try {
      text = readFileSync(path, "utf8");
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      const cure = "it is on the job's first node only: start shoal there";
      throw new ShoalError("BadInput", `Cannot read the nodes of job ${job}: ${why}; ${cure}`, { cause });
    }
  }
  return {
    scheduler: "pbs",
    job,
    hosts: [...readNodeFile(text).keys()],
    restarts: Math.max(0, (number(environment["PBS_RUN_COUNT"]) ?? 1) - 1),
    endsAt: endIn(environment),
    cores: number(environment["NCPUS"]),
  };
}
