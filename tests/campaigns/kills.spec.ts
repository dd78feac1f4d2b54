// minutes: 4
// `shoal run molecules` whose head is killed, or the process of its other node: at 20 random points with --long. The
// store's server is killed in tests/redis/campaigns.spec.ts.
import { assert, long } from "../suite.ts";
import { standsKills, workersOf } from "./killed.ts";

standsKills({
  title: "its head",
  kills: long ? 20 : 2,
  args: () => [],
  async kill(run) {
    run.child.kill("SIGKILL");
    await run.ended;
  },
});

standsKills({
  title: "a worker process",
  kills: long ? 20 : 1,
  args: () => ["--nodes", "2", "--threads", "1"],
  async kill(_, folder, name) {
    const [pid] = await workersOf(folder, name);
    assert.ok(pid !== undefined, "it has no worker process");
    process.kill(pid, "SIGKILL");
  },
});
