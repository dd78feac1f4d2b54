// What actors say to the console belongs to the run: with who said it and while doing what, from every thread, and
// stdout is left to results.
import { assert, test } from "../suite.ts";
import { entry, inFolder } from "./stage.ts";

const program = `
import { Actor } from ${JSON.stringify(entry)};

export class Talker extends Actor {
  static module = import.meta.url;
  at_once(word) { console.log("%s at once", word, { n: 1 }); return word; }
  async later(word) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    console.warn(word, "later");
    await nested(word);
    return word;
  }
}

async function nested(word) {
  await null;
  console.error(word, "nested");
}

export default async function (system) {
  console.log("the program itself");
  const near = await system.spawn(Talker, undefined, { name: "near" });
  const far = await system.spawn(Talker, undefined, { name: "far", on: "threads" });
  for (const [word, talker] of [["here", near], ["there", far]]) {
    await talker.ask("at_once", word);
    await talker.ask("later", word);
  }
  return { said: 6 };
}
`;

interface Said {
  readonly type: string;
  readonly level: string;
  readonly text: string;
  readonly actor?: { readonly name?: string; readonly class: string };
  readonly during?: string;
}

test("what actors say to the console is in the run's log, with their names, and not on stdout", async () => {
  await inFolder(async ({ shoal, write }) => {
    write("talk.mjs", program);
    const ran = await shoal("run", "./talk.mjs", "--name", "talk", "--json");
    assert.equal(ran.code, 0, ran.stderr);
    assert.deepEqual(ran.stdout.trim().split("\n").map((line) => line.slice(0, 18)), [
      "the program itself",
      '{"run":"talk","see',
    ]);
    assert.match(ran.stderr, /info near main\/\d+ \(at_once\): here at once \{ n: 1 \}/);
    assert.match(ran.stderr, /warn far main-t1\/\d+ \(later\): there later/);
    const logs = await shoal("logs", "talk", "--json");
    const said = logs.stdout.trim().split("\n").map((line) => JSON.parse(line) as Said)
      .filter(({ type, actor }) => type === "MessageLogged" && actor !== undefined);
    assert.deepEqual(
      said.map(({ level, text, actor, during }) => `${actor?.name} ${actor?.class} ${during} ${level} ${text}`).sort(),
      [
        "far Talker at_once info there at once { n: 1 }",
        "far Talker later error there nested",
        "far Talker later warn there later",
        "near Talker at_once info here at once { n: 1 }",
        "near Talker later error here nested",
        "near Talker later warn here later",
      ],
    );
    const far = await shoal("logs", "talk", "far", "--level", "warn");
    assert.deepEqual(far.stdout.trim().split("\n").map((line) => line.slice(24)), [
      "warn far main-t1/2 (later): there later",
      "error far main-t1/2 (later): there nested",
    ]);
  });
}, { timeoutMs: 120_000 });
