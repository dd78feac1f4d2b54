// A job without a scheduler: what `shoal submit` has written is run as PBS would run it, with two nodes that are this
// machine, each reached by an mpiexec of the test's own, which may make a node what a test wants it to be.
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Folder, inFolder } from "../cli/stage.ts";
import { type Environment, run, type Said, shown } from "../command.ts";
import { assert } from "../suite.ts";

const nodes: readonly string[] = ["p1", "p2"];

export interface Site extends Folder {
  /** Sends a run as a job of two nodes, of which nothing runs yet: its script, and what was said. */
  send(name: string, ...words: string[]): Promise<{ readonly script: string; readonly said: Said }>;
  /** Runs a script to its end, as on the first of the two nodes; a job may be sent with variables besides. */
  work(script: string, variables?: Environment): Promise<Said>;
}

/**
 * `onNode` are lines of bash before a command is run on a node: `$host` is its name, `"$@"` the command. `settings` is
 * what the site's file says besides.
 */
export async function atSite(onNode: string, body: (site: Site) => Promise<void>, settings = ""): Promise<void> {
  await inFolder(async (folder) => {
    const { path, write } = folder;
    const bin = join(path, "bin");
    mkdirSync(bin);
    write("bin/qsub", "#!/bin/sh\necho 1.login\n");
    write(
      "bin/mpiexec",
      `#!/bin/bash
while [ "$1" != --hostfile ]; do shift; done
host=$(cat "$2"); shift 2
export PALS_HOST=$host
${onNode}
exec "$@"
`,
    );
    for (const name of ["qsub", "mpiexec"]) chmodSync(join(bin, name), 0o755);
    const nodeFile = write("nodes", nodes.map((node) => `${node}\n`).join(""));
    const site = write("site.toml", `scheduler = "pbs"\nlaunch = "mpiexec"\n${settings}`);
    const env: Environment = { ...folder.env, PATH: `${bin}:${process.env["PATH"]}` };
    await body({
      ...folder,
      env,
      async send(name, ...words) {
        const flags = ["--site", site, "--nodes", "2", "--walltime", "10m", "--name", name];
        const said = await folder.start(["submit", ...words, ...flags], { env }).ended;
        assert.equal(said.code, 0, shown(said));
        return { script: join(path, "runs", name, "jobs/000001.sh"), said };
      },
      work: (script, variables) => {
        const [program, ...args]: [string, ...string[]] = ["/bin/bash", script];
        return run(program, args, {
          cwd: "/",
          env: { ...env, PBS_JOBID: "1.login", PBS_NODEFILE: nodeFile, PALS_HOST: "p1", ...variables },
        });
      },
    });
  });
}
