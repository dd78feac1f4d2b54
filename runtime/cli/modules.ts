// Which modules of stores the configuration of this folder allows: for verbs that open a store without a run.

import { allowStoreModules } from "../../stores/open.ts";
import { schema } from "../launch/schema.ts";
import { configure } from "../launch/sources.ts";
import { builtInSchemas } from "./program.ts";

/** Allows them, where a URL wants one. Throws BadInput for a configuration that is not understood. */
export async function allowConfigured(url: string): Promise<void> {
  if (!/\bmodule(:|%3a)/i.test(url)) return;
  const configuration = await configure({
    folder: process.cwd(),
    found: true,
    environment: process.env,
    files: [],
    flags: [],
    sets: [],
  }, { schema, programs: await builtInSchemas() });
  const said = configuration["storeModules"]?.value;
  const places = typeof said === "string" ? said.split(",") : Array.isArray(said) ? said.map(String) : [];
  allowStoreModules(...places.filter((place) => place !== ""));
}
