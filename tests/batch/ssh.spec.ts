// Workers on hosts that ssh reaches, by a stand-in that runs on this machine what ssh would run there.
import { chmodSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inFolder } from "../cli/stage.ts";
import { shown } from "../command.ts";
import { assert, test } from "../suite.ts";
import { program, resultIn } from "./stage.ts";

/** As a login over there: another environment, another folder, and one string for a shell to read. */
const ssh = `#!/bin/sh
while [ "$1" != -- ]; do shift; done
host=$2; shift 2
[ "$host" = gone ] && { echo "ssh: Could not resolve hostname gone: Name or service not known" >&2; exit 255; }
cd / && exec env -i HOME="$HOME" PATH=/usr/bin:/bin PALS_HOST="$host" sh -c "$*"
`;

test("a run by ssh has processes on the hosts that were named, with its own environment there", async () => {
  await inFolder(async ({ path, write, start }) => {
    mkdirSync(join(path, "bin"));
    write("bin/ssh", ssh);
    chmodSync(join(path, "bin/ssh"), 0o755);
    write(
      "squares.mjs",
      program.replace('process.env.SLURMD_NODENAME ?? ""', "process.env.PALS_HOST + process.env.TOLD"),
    );
    const env = { PATH: `${join(path, "bin")}:${process.env["PATH"]}`, TOLD: " it's 'told'", PALS_HOST: "here" };
    const flags = ["--launcher", "ssh", "--hosts", "far[1-2]", "--nodes", "3", "--ms", "100", "--json"];
    const said = await start(["run", "./squares.mjs", ...flags, "--name", "apart"], { env }).ended;
    assert.equal(said.code, 0, shown(said));
    assert.deepEqual(resultIn(said.stdout).nodes, ["far1", "far2", "here"].map((host) => `${host} it's 'told'`));
    const worker = readFileSync(join(path, "runs/apart/workers/worker.sh"), "utf8");
    assert.match(worker, /^export TOLD=/m);

    const gone = [...flags.slice(0, 3), "gone", "--nodes", "2"];
    const lost = await start(["run", "./squares.mjs", ...gone, "--name", "lost"], { env }).ended;
    assert.equal(lost.code, 1, shown(lost));
    assert.match(lost.stderr, /on gone .*[^]*Could not resolve hostname gone/);
    const none = await start(["run", "./squares.mjs", "--launcher", "ssh"], { env }).ended;
    assert.equal(none.code, 2, shown(none));
    assert.match(none.stderr, /it knows no hosts; name them: --hosts n1,n2/);
  });
}, { timeoutMs: 180_000 });
