// `shoal config [show|schema]`: the configuration that holds with the origin of each value, and the JSON schema for
// editors.

import { ShoalError } from "../../stores/error.ts";
import type { Configuration } from "../launch/configuration.ts";
import { jsonSchema, schema } from "../launch/schema.ts";
import { configure } from "../launch/sources.ts";
import { recordable } from "./campaign.ts";
import { configuring } from "./flags.ts";
import { builtInSchemas } from "./program.ts";
import { columns, type Paint } from "./terminal.ts";
import type { Request, Verb } from "./verb.ts";

const verb: Verb = {
  usage: "shoal config [show|schema] [flags]",
  about: "Shows each value that holds in this folder and where it comes from; schema is for your editor.",
  words: [0, 1],
  example: "shoal config show --set limits.stopTimeoutMs=5000",
  flags: () => [
    { title: "Configuration", flags: configuring },
    { title: "Output", flags: { json: { default: false, about: "one object on stdout" } } },
  ],
  help: () => Promise.resolve([["show", "the values and their origins (unless said)"], ["schema", "the JSON schema"]]),
  act: config,
};
export default verb;

async function config({ flags, words: [which = "show"], terminal }: Request): Promise<void> {
  const programs = await builtInSchemas();
  if (which === "schema") return terminal.result(JSON.stringify(jsonSchema(programs), undefined, 2));
  if (which !== "show") throw new ShoalError("BadInput", `Cannot show config ${which}: expected show or schema`);
  const configuration = await configure({
    folder: process.cwd(),
    found: true,
    environment: process.env,
    files: flags["config"] as readonly string[],
    flags: [],
    sets: flags["set"] as readonly string[],
  }, { schema, programs });
  if (flags["json"] === true) return terminal.result(JSON.stringify(recordable(configuration), undefined, 2));
  for (const line of configurationLines(configuration, terminal.paint)) terminal.result(line);
}

/** A line a value: what was said first, then the defaults. */
export function configurationLines(configuration: Configuration, paint: Paint): string[] {
  const all = Object.entries(recordable(configuration));
  const said = all.filter(([, { origin }]) => origin !== "default");
  const usual = all.filter(([, { origin }]) => origin === "default");
  const rows = [...said, ...usual].map(([path, { value, origin }]) => [path, String(value), origin]);
  const lines = columns(rows);
  return lines.map((line, index) => index < said.length ? line : paint(line, "dim"));
}
