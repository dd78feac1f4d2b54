// Whose turn it is in this thread, in this very moment: known while a handler or a constructor runs, until it awaits.

import type { Target } from "../reference.ts";

/** The actor whose code runs right now, if any. */
export const turn: { actor: Target | undefined } = { actor: undefined };
