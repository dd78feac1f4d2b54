// Several processes on one folder: one reads what another writes, one is killed in the middle, and several claim.
import type { Claimed, Position, TensorRef } from "../../stores/store.ts";
import { assert, test } from "../suite.ts";
import { child, inFolder, opened } from "./place.ts";

test(
  "file store: a writer that is killed leaves nothing half-written, and nothing acknowledged is lost",
  () =>
    inFolder(async (root) => {
      const reader = await opened(root);
      const refs: TensorRef[] = [];
      const positions: Position[] = [];
      const kills = 10;
      const one = async (epoch: number): Promise<void> => {
        const writer = child("write", root, `${epoch}`);
        let left = 3 + epoch * 4;
        for await (const line of writer.lines) {
          const said = JSON.parse(line) as { ref?: TensorRef; position?: Position };
          if (said.ref !== undefined) refs.push(said.ref);
          if (said.position !== undefined) positions.push(said.position);
          if (--left === 0) writer.kill("SIGKILL");
        }
        await writer.ended;
      };
      for (let epoch = 1; epoch <= kills; epoch++) await one(epoch);
      assert.ok(positions.length >= kills);
      for (const ref of refs) {
        const tensor = await reader.tensors.get(ref);
        assert.ok(tensor.data.every((value) => value === tensor.data[0]));
        tensor.done();
      }
      const entries = await reader.logs.read("s", undefined, { entriesMax: 1e6 });
      const found = new Set(entries.map(({ epoch, sequence }) => `${epoch}-${sequence}`));
      for (const { epoch, sequence } of positions) assert.ok(found.has(`${epoch}-${sequence}`));
      for (const [index, { epoch, sequence, frame }] of entries.entries()) {
        const before = entries[index - 1];
        assert.equal(sequence, before?.epoch === epoch ? before.sequence + 1 : 1);
        const text = Buffer.from(frame).toString();
        assert.equal(text, sequence % 2 === 0 ? "b" : `${epoch} ${(sequence + 1) / 2} a`);
      }
      for await (const { id, bytes } of reader.tensors.list()) assert.ok(id !== "" && bytes > 0);
      await reader.close();
    }),
  { timeoutMs: 60_000 },
);

test(
  "file claims: raced by several processes, each epoch has one holder and one value",
  () =>
    inFolder(async (root) => {
      const said = await Promise.all(["a", "b", "c"].map(async (who) => {
        const all: (Claimed & { held: boolean; who: string })[] = [];
        const { lines, ended } = child("claim", root, who);
        for await (const line of lines) all.push({ ...JSON.parse(line) as Claimed & { held: boolean }, who });
        await ended;
        assert.equal(all.length, 30);
        return all;
      }));
      const values = new Map<number, string>();
      for (const { epoch, value, held, who } of said.flat()) {
        assert.equal(values.get(epoch) ?? value, value);
        values.set(epoch, value);
        if (held) assert.equal(value, who);
      }
      assert.ok(values.has(30));
    }),
  { timeoutMs: 60_000 },
);
