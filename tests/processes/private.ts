// A class that its module does not export under its own name: only who holds it can make actors of it.

import { Actor } from "../../runtime/mod.ts";

class Hidden extends Actor {
  static readonly module: string = import.meta.url;

  where(): number {
    return process.pid;
  }
}

export { Hidden as Private };
