// The version of this package, from the one place that says it.

import { readFileSync } from "node:fs";

/** As package.json says it. */
export function version(): string {
  // Beside the sources, and one folder further up from dist/.
  for (const path of ["../../package.json", "../../../package.json"]) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
      if (name === "shoal") return version;
    } catch {
      // Not there: the other place then.
    }
  }
  return "unknown";
}
