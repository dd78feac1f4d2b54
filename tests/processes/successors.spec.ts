// Whoever takes the place of a process that died may not come at once, or not where that one was: what was kept is there
// when it comes, and what others send meanwhile waits for it.
import { isShoalError, type RunRecord } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { Here, Keeper, Listener } from "./actors.ts";
import { Account, opening } from "./bank.ts";
import { lodged, onStage, persistently } from "./stage.ts";

const patient = { timeoutMs: 240_000 };

const refused = (node: string) => (one: RunRecord): boolean =>
  one.type === "MessageLogged" && one.text.startsWith(`Cannot start node ${node}: `);

test(
  "launch: a node whose successors cannot join for a while is not given up, and has what it had",
  () =>
    onStage({ nodes: 2 }, async ({ system, end, admit, until }) => {
      const account = await system.spawn(Account, undefined, { name: "a", node: "n2" });
      await account.ask("deposit", { id: 1, amount: 7 });
      end("n2");
      await until(4, refused("n2"));
      // Who does not want to wait for it need not.
      await assert.rejects(account.ask("books", undefined, { timeoutMs: 200 }), (error) =>
        isShoalError(error, "Timeout"));
      admit("n2");
      assert.deepEqual(await account.ask("books"), { balance: opening + 7, paid: [], got: [1] });
    }),
  patient,
);

test(
  "system: what a durable actor tells one whose node has nobody yet waits, also from a process that came later",
  () =>
    onStage({ nodes: 3 }, async ({ system, end, admit, until }) => {
      const [payer, payee] = await Promise.all(
        ["n2", "n3"].map((node) => system.spawn(Account, undefined, { name: `on ${node}`, node })),
      );
      end("n3");
      await until(1, refused("n3"));
      end("n2");
      await until(1, refused("n2"));
      admit("n2");
      // Who comes now has never seen anybody be n3. Until it is let in it takes anybody for a node of the run.
      await until(2, (one) => one.type === "NodeJoined" && one.node === "n2");
      await payer!.ask("books");
      assert.equal(await payer!.ask("pay", { id: 1, to: payee!, amount: 7 }), opening - 7);
      admit("n3");
      while ((await payee!.ask("books")).balance !== opening + 7) await new Promise((done) => setTimeout(done, 20));
    }),
  patient,
);

/** What was heard is a run of what was told, without a hole in it, and nothing of it twice, up to the end. */
function checkRun(heard: readonly number[], last: number): void {
  assert.deepEqual(heard, heard.map((_, index) => last - heard.length + 1 + index));
  assert.ok(heard.length > 0);
}

test(
  "launch: where nobody can take a process's place, its actors live on in another, and that one may end too",
  () =>
    onStage({ nodes: 3, limits: { replaceTimeoutMs: 200 } }, async ({ system, pids, bar, end, until }) => {
      const here = await system.spawn(Here, undefined, { name: "here", node: "n3" });
      const kept = await system.spawn(Keeper, 5, { node: "n3" });
      const account = await system.spawn(Account, undefined, { name: "a", node: "n3" });
      const other = await system.spawn(Here, undefined, { node: "n2" });
      await account.ask("deposit", { id: 1, amount: 7 });
      const books = { balance: opening + 7, paid: [], got: [1] };
      bar("n3");
      // It is under way when its process ends, and nobody can know how far it came.
      await assert.rejects(here.ask("end", 3), (error) => isShoalError(error) && error.outcome === "unknown");
      assert.equal((await persistently(() => here.ask("where"))).pid, pids.get("n2"));
      assert.equal(await other.ask("ask", here), pids.get("n2"));
      assert.equal(await here.ask("ask", other), pids.get("n2"));
      assert.equal(await kept.ask("value"), 5);
      assert.deepEqual(await account.ask("books"), books);
      assert.equal((await (await system.find(Here, "here"))!.ask("where")).pid, pids.get("n2"));
      // Who comes in the place of that process has the guests too.
      const before = pids.get("n2")!;
      process.kill(before, "SIGKILL");
      await until(1, (one) => one.type === "NodeJoined" && one.node === "n2" && one.pid !== before);
      assert.equal(await persistently(() => kept.ask("value")), 5);
      assert.equal((await here.ask("where")).pid, pids.get("n2"));
      // Where no worker is left, the process that leads has all of them.
      end("n2");
      await until(1, lodged("n3", "main"));
      assert.equal((await persistently(() => here.ask("where"))).pid, process.pid);
      assert.equal((await persistently(() => other.ask("where"))).pid, process.pid);
      assert.equal(await other.ask("ask", here), process.pid);
      assert.equal(await kept.ask("value"), 5);
      assert.deepEqual(await account.ask("books"), books);
      // Nobody new is put where nobody is.
      await assert.rejects(system.spawn(Here, undefined, { on: "processes" }), (error) => isShoalError(error));
      const found = await system.find(Here, "here");
      assert.equal((await system.stop(found!)).reason, "stopped");
      await assert.rejects(here.ask("where"), (error) => isShoalError(error, "Ended"));
    }),
  patient,
);

for (const [signal, how] of [["SIGKILL", "is killed"], ["SIGSTOP", "is stopped for longer than its lease"]] as const) {
  test(
    `system: what is told to an actor whose process ${how} and not replaced is heard in order, and once`,
    () =>
      onStage({ nodes: 3, limits: { leaseMs: 2_000, replaceTimeoutMs: 200 } }, async ({ system, pids, bar, until }) => {
        const listener = await system.spawn(Listener, undefined, { node: "n3" });
        let last = 0;
        const tell = (count: number): void => {
          for (let i = 0; i < count; i++) void listener.tell("hear", ++last);
        };
        tell(100);
        assert.deepEqual(await listener.ask("heard"), [...Array(100).keys()].map((index) => index + 1));
        const pid = pids.get("n3")!;
        bar("n3");
        tell(100);
        process.kill(pid, signal);
        tell(100);
        await until(1, lodged("n3", "n2"));
        assert.equal(await persistently(() => listener.ask("pid")), pids.get("n2"));
        tell(100);
        checkRun(await listener.ask("heard"), last);
        if (signal === "SIGKILL") return;
        process.kill(pid, "SIGCONT");
        tell(100);
        await until(1, (one) =>
          one.type === "MessageLogged" &&
          one.text.includes(`process ${pid}, which was node n3, ended with exit code 75`));
        tell(100);
        checkRun(await listener.ask("heard"), last);
        assert.equal(await listener.ask("pid"), pids.get("n2"));
      }),
    patient,
  );
}
