// Where Slurm and Munge come from: the PATH, else Debian's packages by apt, unpacked into a folder of ours: nothing is
// installed, and nobody need be root. Answers why where they cannot be had.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { root } from "../suite.ts";

export interface SlurmPlaces {
  /** Folders in which its programs are. */
  readonly path: string;
  /** Where its libraries are, unless they are the system's own. */
  readonly libraries: string | undefined;
  readonly plugins: string | undefined;
  /** The program that slurmd starts for each step. */
  readonly stepd: string | undefined;
}

const fetchMsMax = 180_000;
const programs = ["slurmctld", "slurmd", "munged", "sbatch", "squeue", "scancel", "scontrol", "srun", "sinfo"];
const packages = ["slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins", "munge", "libmunge2"];
const systemPath = `${process.env["PATH"] ?? ""}:/usr/sbin:/usr/local/sbin`;

/** Commands are looked for as a shell does. */
function isOnPath(program: string): boolean {
  return systemPath.split(":").some((folder) => folder !== "" && existsSync(join(folder, program)));
}

function unpacked(folder: string): SlurmPlaces {
  const libraries = readdirSync(join(folder, "usr/lib")).map((name) => join(folder, "usr/lib", name))
    .find((path) => existsSync(join(path, "slurm-wlm")))!;
  return {
    path: `${join(folder, "usr/bin")}:${join(folder, "usr/sbin")}`,
    libraries: `${libraries}:${join(libraries, "slurm-wlm")}`,
    plugins: join(libraries, "slurm-wlm"),
    stepd: join(folder, "usr/sbin/slurmstepd"),
  };
}

function said(program: string, args: readonly string[], cwd: string): { readonly text: string; readonly why?: string } {
  const { error, status, stdout, stderr } = spawnSync(program, args, { cwd, timeout: fetchMsMax, encoding: "utf8" });
  if (error !== undefined) return { text: "", why: `${program} does not start: ${error.message}` };
  const last = `${stdout}${stderr}`.trim().split("\n").at(-1) ?? "";
  return status === 0 ? { text: stdout } : { text: "", why: `${program} ${args[0] ?? ""} failed: ${last}` };
}

/** Fetches what this machine lacks, and unpacks it. */
function fetchInto(making: string): string | undefined {
  let options: string[] = [];
  const list = (): ReturnType<typeof said> =>
    said("apt-get", [...options, "install", "--print-uris", "-qq", "--no-install-recommends", ...packages], making);
  let wanted = list();
  if (
    wanted.why !== undefined && /Unable to locate|no installation candidate|does not start/.test(wanted.why) === false
  ) {
    return wanted.why;
  }
  if (wanted.why !== undefined) {
    // A container comes without lists of packages: then into lists of our own.
    for (const name of ["lists/partial", "cache/archives/partial"]) mkdirSync(join(making, name), { recursive: true });
    const [state, cache] = [join(making, "lists"), join(making, "cache")];
    options = ["-o", `Dir::State::lists=${state}`, "-o", `Dir::Cache=${cache}`, "-o", "APT::Sandbox::User="];
    const updated = said("apt-get", [...options, "update"], making);
    if (updated.why !== undefined) return updated.why;
    wanted = list();
    if (wanted.why !== undefined) return wanted.why;
  }
  const names = [...wanted.text.matchAll(/ ([a-z0-9][a-z0-9+.-]*)_\S+\.deb /g)].map(([, name]) => name!);
  const downloaded = said("apt-get", [...options, "download", ...names], making);
  if (downloaded.why !== undefined) return downloaded.why;
  const files = readdirSync(making).filter((name) => name.endsWith(".deb"));
  for (const file of files) {
    const { why } = said("dpkg-deb", ["-x", file, "root"], making);
    if (why !== undefined) return why;
  }
  // Debian gives these their names by links that only an installation makes.
  for (const name of ["slurmctld", "slurmd", "slurmstepd"]) {
    symlinkSync(`${name}-wlm`, join(making, "root/usr/sbin", name));
  }
  return undefined;
}

/** The programs of a Slurm that runs here, or why there is none. */
export function slurmPlaces(): SlurmPlaces | { readonly reason: string } {
  if (process.platform !== "linux") return { reason: `Slurm runs on Linux, this is ${process.platform}` };
  const missing = programs.filter((program) => !isOnPath(program));
  if (missing.length === 0) return { path: systemPath, libraries: undefined, plugins: undefined, stepd: undefined };
  const cache = join(root, "node_modules", ".cache", "services");
  const folder = join(cache, `slurm-${process.arch}`);
  if (existsSync(folder)) return unpacked(folder);
  if (!isOnPath("apt-get")) return { reason: `no ${missing[0]} on the PATH, and no apt-get to fetch it` };
  mkdirSync(cache, { recursive: true });
  const making = mkdtempSync(join(cache, "fetch-"));
  try {
    const why = fetchInto(making);
    if (why !== undefined) return { reason: `no ${missing[0]} on the PATH; ${why}` };
    // Whole or not at all: another run may be fetching the same.
    if (!existsSync(folder)) renameSync(join(making, "root"), folder);
    return unpacked(folder);
  } catch (error) {
    if (existsSync(folder)) return unpacked(folder);
    return { reason: `Slurm's packages cannot be unpacked: ${error instanceof Error ? error.message : String(error)}` };
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}
