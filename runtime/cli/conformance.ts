// `shoal conformance URL`: the laws of stores against the store that a URL names, each with what happened in its cases,
// and for one that is broken the smallest case and the command that brings it back.

import type { Law, Verdict } from "shoal/conformance";
import { nearest, ShoalError } from "../../stores/error.ts";
import { urlSubject } from "./subject.ts";
import type { Terminal } from "./terminal.ts";
import type { Request, Verb } from "./verb.ts";

const verb: Verb = {
  usage: "shoal conformance URL [flags]",
  about:
    "Runs the laws of stores against a store. Each case has a place of its own: below the folder of a file: or shm:\n" +
    "URL, and where {place} stands in another. Ends with 1 where a law is broken.",
  words: [1, 1],
  missing: "name a store: shoal conformance file:///scratch/laws",
  example: "shoal conformance 'module:./mine.mjs?folder={place}' --law L7 --runs 1000",
  flags: () => [{
    title: "Flags",
    flags: {
      law: { default: undefined, about: "only laws whose name holds this, as in L7 or names", value: "TEXT" },
      runs: { default: 100, about: "how many cases of each law", least: 1 },
      seed: { default: undefined, about: "draw the cases of an earlier run", value: "N" },
      path: { default: undefined, about: "the one case of a failure that was shown", value: "PATH" },
      clock: {
        default: undefined,
        about: "real for a store with timers of its own; module: is taken for one",
        choices: ["virtual", "real"],
      },
      json: { default: false, about: "the verdicts as one object on stdout" },
      quiet: { default: false, about: "say nothing on the way" },
    },
  }],
  act,
};
export default verb;

const seedMax = 2 ** 31;

async function act({ flags, typed, words: [url = ""], terminal }: Request): Promise<number> {
  const { deliveryLaws, storeLaws } = await import("shoal/conformance");
  const laws = chosen([...storeLaws(), ...deliveryLaws()], flags["law"]);
  if (typed.has("path") && laws.length > 1) {
    throw new ShoalError("BadInput", "Cannot read --path: it is the case of one law; name that with --law");
  }
  const clock = flags["clock"] === "real" || flags["clock"] === "virtual" ? flags["clock"] : undefined;
  const { subject, close } = await urlSubject(url, clock);
  try {
    const seed = flags["seed"] === undefined ? Math.floor(Math.random() * seedMax) : Number(flags["seed"]);
    const path = flags["path"] === undefined ? {} : { path: String(flags["path"]) };
    const verdicts: Verdict[] = [];
    const width = Math.max(...laws.map(({ name }) => name.length));
    for (const law of laws) {
      terminal.progress(`${verdicts.length} of ${laws.length} laws: ${law.name}`);
      const replay = (own: number, where: string): string => {
        const again = where === "" ? "" : ` --path ${where}`;
        return `shoal conformance ${quoted(url)} --law ${quoted(law.name)} --seed ${own}${again}`;
      };
      const verdict = await law.run(subject, { runs: Number(flags["runs"]), seed, replay, ...path });
      verdicts.push(verdict);
      if (flags["json"] !== true) { for (const line of linesOf(verdict, width, terminal)) terminal.result(line); }
    }
    terminal.settle();
    const broken = verdicts.filter(({ failure }) => failure !== undefined).length;
    const skipped = verdicts.filter(({ failure, skipped }) => failure === undefined && skipped !== undefined).length;
    const kept = verdicts.length - broken - skipped;
    if (flags["json"] === true) {
      const plain = verdicts.map(({ failure, ...rest }) => {
        if (failure === undefined) return rest;
        const { cause: _, ...said } = failure;
        return { ...rest, failure: said };
      });
      terminal.result(JSON.stringify({ url, seed, kept, skipped, broken, laws: plain }));
    } else terminal.result(`${kept} kept, ${skipped} skipped, ${broken} broken · seed ${seed}`);
    return broken === 0 ? 0 : 1;
  } finally {
    close();
  }
}

function chosen(laws: readonly Law[], wanted: unknown): readonly Law[] {
  if (wanted === undefined) return laws;
  const text = String(wanted);
  const exact = laws.filter(({ name }) => name === text || name.split(" ")[0] === text);
  const found = exact.length > 0 ? exact : laws.filter(({ name }) => name.toLowerCase().includes(text.toLowerCase()));
  if (found.length > 0) return found;
  const near = nearest(text, laws.map(({ name }) => name));
  const hint = near === undefined ? `there are ${laws.map(({ name }) => name).join(", ")}` : `did you mean ${near}?`;
  throw new ShoalError("BadInput", `Cannot find law ${text}: there is none of that name; ${hint}`);
}

/** Who breaks a law is told all that helps to mend it. */
function linesOf({ law, runs, happened, failure, skipped }: Verdict, width: number, { paint }: Terminal): string[] {
  const cases = `${runs} case${runs === 1 ? "" : "s"}`;
  const name = law.padEnd(width);
  if (failure !== undefined) {
    return [
      `${paint("BROKEN ", "red")}  ${name}  ${cases}: ${failure.message}`,
      ...(failure.case === "" ? [] : [`         case    ${failure.case}`]),
      `         replay  ${failure.replay}`,
    ];
  }
  if (skipped !== undefined) return [`${paint("skipped", "yellow")}  ${name}  ${skipped}`];
  const all = Object.entries(happened).sort(([a], [b]) => a < b ? -1 : 1).map(([what, count]) => `${what} ${count}`);
  return [`${paint("kept   ", "green")}  ${name}  ${cases.padStart("1000 cases".length)}  ${all.join(", ")}`.trimEnd()];
}

/** As a shell takes it for one word. */
const quoted = (text: string): string => /^[\w./:=?@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
