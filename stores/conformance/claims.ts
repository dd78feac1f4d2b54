// The law of claims: whoever asks, in whatever order, one value holds an epoch of a name, and everybody learns which.
import type { Claimed } from "../store.ts";
import { fc, listOf, names } from "./arbitraries.ts";
import { type Law, law } from "./law.ts";
import { isShared } from "./subject.ts";
import { hold, same } from "./verdicts.ts";

const asks = fc.record({
  name: fc.constantFrom("a", "aa", "a/b"),
  epoch: fc.nat(3),
  value: fc.constantFrom("x", "y", "z"),
  handle: fc.nat(1),
});

interface Answered extends Claimed {
  readonly asked: Claimed;
  readonly held: boolean;
  readonly began: number;
  readonly ended: number;
}

/** What no order of the calls could explain. */
function judge(name: string, answers: readonly Answered[], standing: Claimed | undefined): void {
  const holders = new Map<number, string>();
  for (const { asked, held, epoch, value } of answers) {
    if (held) same([epoch, value], [asked.epoch, asked.value], `claim of ${name} is held, and says otherwise`);
    const known = holders.get(epoch);
    hold(known === undefined || known === value, `epoch ${epoch} of ${name} is held by ${known} and by ${value}`);
    holders.set(epoch, value);
    hold(
      answers.some(({ asked }) => asked.epoch === epoch && asked.value === value),
      `nobody claimed ${epoch} ${value}`,
    );
    hold(epoch >= asked.epoch, `claim ${asked.epoch} of ${name} is told of epoch ${epoch}, which is older`);
    const isOwn = epoch === asked.epoch && value === asked.value;
    hold(held || !isOwn, `claim ${epoch} ${value} of ${name} stands and is told as taken`);
  }
  for (const late of answers) {
    for (const early of answers) {
      if (early.ended >= late.began) continue;
      hold(late.epoch >= early.epoch, `${name} went back from epoch ${early.epoch} to ${late.epoch}`);
    }
  }
  const highest = answers.reduce((best, { epoch }) => Math.max(best, epoch), -1);
  same(standing, { epoch: highest, value: holders.get(highest) }, `what stands under ${name}`);
}

export const oneHolder: Law = law({
  name: "claims have one holder",
  about: "of all who claim one epoch of one name the first value holds, again when repeated, and the others learn it",
  cases: () => listOf(listOf(asks, 6, 1), 8, 1),
  wants: ["held", "taken", "held again", "at once"],
  async holds(rounds, stage) {
    const first = await stage.open();
    const second = isShared(first.abilities) ? await stage.open() : first;
    const answers = new Map<string, Answered[]>();
    let clock = 0;
    for (const round of rounds) {
      if (round.length > 1) stage.happened("at once");
      await Promise.all(round.map(async ({ name, epoch, value, handle }) => {
        const began = clock++;
        const answer = await (handle === 0 ? first : second).claims.claim(name, epoch, value);
        const known = answers.get(name) ?? [];
        if (answer.held && known.some((other) => other.held && other.epoch === epoch)) stage.happened("held again");
        stage.happened(answer.held ? "held" : "taken");
        known.push({ ...answer, asked: { epoch, value }, began, ended: clock++ });
        answers.set(name, known);
      }));
    }
    for (const [name, known] of answers) judge(name, known, await second.claims.claimed(name));
    same((await first.claims.claims("")).toSorted(), [...answers.keys()].sort(), "names that were claimed");
  },
});

export const namesAreApart: Law = law({
  name: "names are apart",
  about: "streams and claims whose names differ in anything are others, and a prefix finds those that begin with it",
  cases: () => fc.record({ own: fc.uniqueArray(names, { maxLength: 22, size: "max" }), prefix: names }),
  async holds({ own, prefix }, stage) {
    const { logs, claims } = await stage.open();
    await Promise.all(own.map(async (name, index) => {
      await claims.claim(name, index, name);
      await logs.append(name, index, [Uint8Array.of(index)]);
    }));
    for (const [index, name] of own.entries()) {
      same(await claims.claimed(name), { epoch: index, value: name }, `what stands under ${JSON.stringify(name)}`);
      const found = (await logs.read(name, undefined)).map(({ epoch, frame }) => [epoch, ...frame]);
      same(found, [[index, index]], `what stands in ${JSON.stringify(name)}`);
    }
    for (const start of ["", prefix]) {
      const wanted = own.filter((name) => name.startsWith(start)).sort();
      same((await claims.claims(start)).toSorted(), wanted, `claims of ${JSON.stringify(start)}`);
      same((await logs.streams(start)).toSorted(), wanted, `streams of ${JSON.stringify(start)}`);
    }
  },
});
