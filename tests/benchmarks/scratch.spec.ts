// Folders of benchmarks: gone when one is over; what one that was killed has left goes when the next begins, and nothing
// else goes with it.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { assert, runtime, test } from "../suite.ts";

const program = fileURLToPath(new URL(`program.${runtime === "node" ? "js" : "ts"}`, import.meta.url));
const flags = runtime === "node" ? [] : ["run", "-A", "--no-lock", "--conditions=source"];

/** A benchmark that has begun, and its folder. */
async function begun(place: string): Promise<{ readonly child: ChildProcess; readonly folder: string }> {
  const child = spawn(process.execPath, [...flags, program, place], { stdio: ["pipe", "pipe", "inherit"] });
  const [folder] = await once(createInterface(child.stdout), "line") as [string];
  writeFileSync(join(folder, "data"), "something");
  return { child, folder };
}

async function over(child: ChildProcess, end: () => void): Promise<void> {
  const closed = once(child, "close");
  end();
  await closed;
}

test("benchmarks: what one that was killed has left goes when the next begins, and nothing else", async () => {
  const place = mkdtempSync(join(tmpdir(), "shoal-scratch-"));
  const children: ChildProcess[] = [];
  try {
    const strange = ["shoal-bench-test", "shoal-bench-test-elsewhere-1-0", "torch-0123456789abcdef"];
    for (const name of strange) mkdirSync(join(place, name));
    const [one, other] = [await begun(place), await begun(place)];
    children.push(one.child, other.child);
    // Not by the child's own kill: on Deno that ends its input first, and it might go in good order.
    await over(one.child, () => process.kill(one.child.pid!, "SIGKILL"));
    assert.ok(existsSync(one.folder), "nobody was there to take it away");
    const next = await begun(place);
    children.push(next.child);
    assert.deepEqual([one, other, next].map(({ folder }) => existsSync(folder)), [false, true, true]);
    for (const { child } of [other, next]) await over(child, () => child.stdin!.end());
    assert.deepEqual(readdirSync(place).sort(), strange);
  } finally {
    for (const child of children) child.kill("SIGKILL");
    rmSync(place, { recursive: true, force: true });
  }
}, { timeoutMs: 120_000 });
