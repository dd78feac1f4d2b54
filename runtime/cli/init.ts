// `shoal init DIR`: writes a campaign to start from, which runs as it stands.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { ShoalError } from "../../stores/error.ts";
import { errnoOf, troubleIn } from "../run/trouble.ts";
import type { Request, Verb } from "./verb.ts";
import { version } from "../launch/version.ts";

const verb: Verb = {
  usage: "shoal init DIR",
  about: "Writes a campaign: a simulation, a trainer, a controller, their configuration, a test and a README.",
  words: [1, 1],
  missing: "no folder named; write shoal init my-campaign",
  example: "shoal init my-campaign",
  flags: () => [{
    title: "Flags",
    flags: { json: { default: false, about: "the files that were written, as a list on stdout" } },
  }],
  act: init,
};
export default verb;

/** Each file of the campaign, and the template it is made from. */
const files: { readonly [file: string]: string } = {
  "campaign.ts": "campaign.ts.txt",
  "simulation.ts": "simulation.ts.txt",
  "trainer.ts": "trainer.ts.txt",
  "controller.ts": "controller.ts.txt",
  "test.ts": "test.ts.txt",
  "shoal.config.toml": "config.toml.txt",
  "tsconfig.json": "tsconfig.json.txt",
  "README.md": "readme.txt",
};

// deno-lint-ignore require-await
async function init({ flags, words: [typed = ""], terminal }: Request): Promise<number> {
  const folder = resolve(typed);
  const name = basename(folder).toLowerCase().replace(/[^a-z0-9-]+/g, "-").replace(/^-+|-+$/g, "") || "campaign";
  if (namesIn(folder).length > 0) {
    throw new ShoalError("BadInput", `Cannot write a campaign to ${folder}: it is not empty; name a new folder`);
  }
  // The store's URL as a URL: the folder's name may hold what has a meaning there.
  const store = pathToFileURL(join(folder, "runs", "store")).pathname;
  const texts = Object.entries(files).map(([file, template]): [string, string] => {
    const text = readFileSync(new URL(`./campaign/${template}`, import.meta.url), "utf8");
    return [file, text.replaceAll("file://STORE", `file://${store}`).replace("# NAME", `# ${name}`)];
  });
  texts.push(["package.json", `${JSON.stringify(manifest(name), undefined, 2)}\n`], [
    ".gitignore",
    "node_modules/\nruns/\n",
  ]);
  try {
    mkdirSync(folder, { recursive: true });
    for (const [file, text] of texts) writeFileSync(join(folder, file), text, { flag: "wx" });
  } catch (error) {
    throw troubleIn(folder, "write a campaign", error);
  }
  const written = texts.map(([file]) => join(typed, file));
  if (flags["json"] === true) terminal.result(JSON.stringify(written));
  else for (const file of written) terminal.result(file);
  terminal.say(`to run it: cd ${typed} && npm install && npm start`);
  return 0;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw troubleIn(folder, "write a campaign", error);
  }
}

function manifest(name: string): object {
  return {
    name,
    private: true,
    type: "module",
    scripts: { start: "shoal run ./campaign.ts", test: "shoal run ./test.ts" },
    dependencies: { shoal: version() },
    devDependencies: { "@types/node": "^20.19.43" },
  };
}
