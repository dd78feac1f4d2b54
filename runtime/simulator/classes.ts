// The classes of a simulation by name: all its nodes are one program, which has them.

import { ShoalError } from "../../stores/error.ts";
import type { Classes } from "../nodes/classes.ts";
import type { ActorClass } from "../system.ts";

/** All nodes of a simulation have the program's own classes, each under a name. */
export function sharedClasses(): Classes {
  const names = new Map<ActorClass, string>();
  const classes = new Map<string, ActorClass>();
  return {
    nameOf(Class) {
      let name = names.get(Class);
      for (let number = 1; name === undefined; number++) {
        const free = `simulation#${Class.name}${number === 1 ? "" : `-${number}`}`;
        if (classes.has(free)) continue;
        name = free;
        names.set(Class, name);
        classes.set(name, Class);
      }
      return name;
    },
    // deno-lint-ignore require-await
    async classOf(name) {
      const Class = classes.get(name);
      if (Class !== undefined) return Class;
      throw new ShoalError("BadInput", `Cannot find class ${name}: no node of this simulation has spawned it`);
    },
  };
}
