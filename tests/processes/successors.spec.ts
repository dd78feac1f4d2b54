// Whoever takes the place of a process that died may not come at once, or not where that one was: what was kept is there
// when it comes, and what others send meanwhile waits for it.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch, type LaunchOptions, type RunRecord, type System } from "../../runtime/mod.ts";
import { workerFile } from "../../runtime/launch/joining.ts";
import { assert, root, runtime, test } from "../suite.ts";
import { Account, opening } from "./bank.ts";

const patient = { timeoutMs: 240_000 };
const ending = import.meta.url.slice(import.meta.url.lastIndexOf("."));
const worker = new URL(`../../runtime/launch/worker${ending}`, import.meta.url).href;
const words = runtime === "node"
  ? [process.execPath]
  : [process.execPath, "run", "-A", "--no-lock", "--conditions=source", `--config=${join(root, "deno.json")}`];

/** A worker that ends at once while a file says so of its node. */
const gated = (folder: string): string => `
import { existsSync } from "node:fs";
import { basename } from "node:path";
const [node] = basename(process.argv[2]).split(".");
if (existsSync(${JSON.stringify(folder)} + "/not-" + node)) process.exit(9);
process.argv[1] = ${JSON.stringify(workerFile())};
await import(${JSON.stringify(worker)});
`;

interface Stage {
  readonly system: System;
  /** Ends a node's process, and lets nobody be that node. */
  end(node: string): void;
  /** From here on somebody may be that node. */
  admit(node: string): void;
  /** Settles once so many records fit. */
  until(count: number, fits: (record: RunRecord) => boolean): Promise<void>;
}

async function onStage(options: LaunchOptions, call: (stage: Stage) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "shoal-successors-"));
  const pids = new Map<string, number>();
  const records: RunRecord[] = [];
  const looks = new Set<() => void>();
  try {
    const script = join(folder, `gated.${runtime === "node" ? "mjs" : "ts"}`);
    writeFileSync(script, gated(folder));
    const system = await launch({
      threads: 0,
      workerCommand: [...words, script],
      ...options,
      record(one) {
        records.push(one);
        if (one.type === "NodeJoined") pids.set(one.node, one.pid);
        for (const look of looks) look();
      },
    });
    try {
      await call({
        system,
        end(node) {
          writeFileSync(join(folder, `not-${node}`), "");
          process.kill(pids.get(node)!, "SIGKILL");
        },
        admit: (node) => rmSync(join(folder, `not-${node}`)),
        until: (count, fits) =>
          new Promise((resolve) => {
            const look = (): void => {
              if (records.filter(fits).length < count) return;
              looks.delete(look);
              resolve();
            };
            looks.add(look);
            look();
          }),
      });
    } finally {
      await system.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  assert.ok(!existsSync(folder));
}

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
