// The table of the producer-consumer benchmark: what is said of the rows, they bear out; of rows that overlap nothing is.
import { tableOf } from "../../actors/waves/markdown.ts";
import { observations, type Pattern, type Row, spreadOf } from "../../actors/waves/rows.ts";
import { assert, fc, property, test } from "../suite.ts";

/** A row with so many seconds in all, and in I/O, give or take. */
function row(way: string, grid: number, total: number, io: number, give = 0): Row {
  const around = (value: number) => spreadOf([value - give, value, value + give]);
  const none = spreadOf([0]);
  return {
    way,
    nodes: 1,
    sims: 32,
    grid,
    samples: 320,
    bytes: 320 * 16 * grid * grid,
    label: 320 * 8 * grid * grid / 2 ** 30,
    launch: none,
    simulate: around(total / 2),
    put: around(io / 2),
    putMax: none,
    train: around(total / 2),
    get: around(io / 2),
    getMax: none,
    putRate: spreadOf([2]),
    getRate: spreadOf([3]),
    total: around(total),
    io: around(io),
    backend: "wasm",
    rounds: 3,
  };
}

test("spreadOf is the middle, the least and the most", async () => {
  assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, least: 1, most: 3 });
  assert.deepEqual(spreadOf([4, 1, 2, 3]), { median: 2.5, least: 1, most: 4 });
  await property([fc.array(fc.double({ min: 0, max: 10, noNaN: true }), { minLength: 1 })], (values) => {
    const { median, least, most } = spreadOf(values);
    assert.ok(least <= median && median <= most);
  });
});

test("observations name the fastest, by how much, and where the order changes", () => {
  const rows = [
    row("shm:", 64, 2, 0.1),
    row("inline", 64, 4, 0.05),
    row("shm:", 512, 20, 0.2),
    row("inline", 512, 90, 8),
  ];
  const said = observations(rows, []);
  assert.ok(said.length >= 2 && said.length <= 5, said.join("\n"));
  assert.match(said[0]!, /32 simulations of 64² on 1 node, shm: is fastest .* 2.00 s, 2.0 × faster than inline/);
  assert.match(said[1]!, /512² .* shm: is fastest .* 20.00 s, 4.5 × faster than inline/);
  assert.ok(said.some((line) => /64².*inline is fastest in I\/O/.test(line)), said.join("\n"));
  assert.match(said.at(-1)!, /Of 2 comparisons of I\/O, 0 are left open/);
  const order = observations([
    row("shm:", 64, 1, 2),
    row("file:", 64, 1, 1),
    row("shm:", 512, 1, 1),
    row("file:", 512, 1, 2),
  ], []);
  assert.ok(
    order.some((line) => /changes with size: file: is ahead of shm: at 64², behind it at 512²/.test(line)),
    order.join("\n"),
  );
});

test("observations say nothing of rows whose spreads overlap", async () => {
  const said = observations([row("shm:", 64, 2, 0.1, 1), row("file:", 64, 2.5, 0.12, 1)], []);
  assert.match(said[0]!, /Of 1 comparisons of I\/O, 1 are left open/);
  assert.equal(said.length, 2);
  assert.ok(said.every((line) => !line.includes("fastest")), said.join("\n"));
  const times = fc.double({ min: 0.1, max: 10, noNaN: true });
  await property([fc.array(times, { minLength: 2, maxLength: 6 }), times], (totals, give) => {
    const rows = totals.map((total, index) => row(`way${index}:`, 64, total, total, give));
    for (const line of observations(rows, [])) {
      const [, best, , worst] = /(way\d:) is fastest (.*) faster than (way\d:)\./.exec(line) ?? [];
      if (best === undefined) continue;
      const [one, other] = [best, worst].map((way) => rows.find((each) => each.way === way)!);
      assert.ok(one!.total.most < other!.total.least, line);
    }
  });
});

test("observations tell which store is read fastest in each pattern, of the largest transfer", () => {
  const pattern = (way: string, transferBytes: number, read: number): Pattern => ({
    way,
    pattern: "many:1",
    transferBytes,
    write: spreadOf([1]),
    read: spreadOf([read]),
    writeMean: spreadOf([1]),
    readMean: spreadOf([read]),
    rounds: 1,
  });
  const said = observations([], [pattern("shm:", 1e6, 9), pattern("shm:", 8e6, 2), pattern("file:", 8e6, 4)]);
  assert.ok(said.includes("many:1 at 8.0 MB: file: is read fastest, 4.0 GB/s, 2.0 × the next, shm:."), said.join("\n"));
});

test("tableOf is Markdown whose rows have as many cells as their heads, published figures beside those that are alike", () => {
  const rows = [row("inline", 512, 4, 1), row("file:", 512, 2, 1), row("redis://n1", 512, 2, 1)];
  const lines = tableOf(rows, [], ["Nothing."], ["kafka:, a grid of 64: no server"]);
  const tables = lines.filter((line) => line.startsWith("|"));
  const cells = (line: string): number => line.split("|").length;
  assert.ok(tables.slice(0, 5).every((line) => cells(line) === cells(tables[0]!)), tables.slice(0, 5).join("\n"));
  assert.match(tables[2]!, /futures: 14.38 \/ –, 26.59 \/ –/);
  assert.match(tables[3]!, /files: 11.22 \/ 0.094, 14.9 \/ 0.422/);
  assert.match(tables[4]!, /dictionary: 7.01 \/ 0.233, 17.92 \/ 1.194/);
  assert.equal(lines.at(-1), "- kafka:, a grid of 64: no server");
});
