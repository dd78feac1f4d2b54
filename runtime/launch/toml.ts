// Reads TOML, for configuration files.

import { parse, TomlError } from "smol-toml";
import { ShoalError } from "../../stores/error.ts";

/** The data of a TOML text; BadInput with the line where it is none. */
export function parseToml(text: string, name: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const why = cause.message.split("\n")[0]!.replace(/^Invalid TOML document: /, "");
    throw new ShoalError("BadInput", `Cannot read ${name}: line ${cause.line}, column ${cause.column}: ${why}`, {
      cause,
    });
  }
}
