// What classes of actors are called between nodes. No code travels in a message: a class is a name there, and each node
// finds its own under it. Types only.

import type { ActorClass } from "../system.ts";

export interface Classes {
  /** `package-or-program-root/path-without-extension#Export`. Throws BadInput for a class that says no such place. */
  nameOf(Class: ActorClass): string;
  /** The class of that name. Throws BadInput where it is not on the allow-list, or not exported there. */
  classOf(name: string): Promise<ActorClass>;
}
