// The folders of sockets that killed processes leave are taken away by whoever makes the next, and no others are.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, test } from "../suite.ts";
import { leaveNest, markNest, sweepNests } from "../../runtime/launch/nest.ts";
import { markOfThis } from "../../runtime/run/process.ts";

const hourAgo = new Date(Date.now() - 3_600_000);

test("sweepNests takes what processes that have ended left, and nothing of those that live or cannot be seen", () => {
  const above = mkdtempSync(join(tmpdir(), "nests-"));
  const made = (name: string, marks: readonly object[], file?: string): string => {
    const folder = join(above, name);
    mkdirSync(folder);
    for (const [index, mark] of marks.entries()) writeFileSync(join(folder, `${index}.owner`), JSON.stringify(mark));
    if (file !== undefined) writeFileSync(join(folder, file), "");
    utimesSync(folder, hourAgo, hourAgo);
    return folder;
  };
  const here = markOfThis();
  const { pid } = spawnSync("true");
  const ended = { ...here, pid, start: "1" };
  try {
    const gone = [
      made("shoal-ended1", [ended], "0123456789abcdef.sock"),
      made("shoal-ended2", [ended, ended]),
      made("shoal-empty1", []),
      made("shoal-boot01", [{ ...here, boot: "another" }]),
    ];
    const kept = [
      made("shoal-alive1", [ended, here]),
      made("shoal-other1", [{ ...ended, host: "elsewhere" }]),
      made("shoal-space1", [{ ...ended, space: "0:0" }]),
      made("shoal-theirs", [], "data"),
      made("shoal-half01", [ended], "7.owner"),
      made("shoal-not-ours", [ended]),
    ];
    const young = join(above, "shoal-young1");
    mkdirSync(young);
    sweepNests(above);
    for (const folder of gone) assert.equal(existsSync(folder), false, folder);
    for (const folder of [...kept, young]) assert.equal(existsSync(folder), true, folder);
    sweepNests(join(above, "nowhere"));
  } finally {
    rmSync(above, { recursive: true, force: true });
  }
});

test("leaveNest takes a folder away with the last that is in it", () => {
  const folder = mkdtempSync(join(tmpdir(), "nests-"));
  markNest(folder);
  writeFileSync(join(folder, "other.owner"), "");
  leaveNest(folder);
  assert.equal(existsSync(folder), true);
  rmSync(join(folder, "other.owner"));
  leaveNest(folder);
  assert.equal(existsSync(folder), false);
  leaveNest(folder);
});
