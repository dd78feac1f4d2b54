// What is known of the actors of each thread that others have asked for: enough to make them again in the thread that
// takes its place, as far as supervision lets them live on.

import { ShoalError } from "../../stores/error.ts";
import { nodeOf } from "../cells/posted.ts";
import type { Recipe } from "../nodes/recipe.ts";
import { supervisionFrom } from "../options.ts";
import { decide, type Failures, notResuming, type Supervision } from "../supervision.ts";
import { realWorld } from "./world.ts";

export interface RecipeBook {
  /** Those that live in this thread. */
  of(thread: string): readonly Recipe[];
  spawned(thread: string, recipe: Recipe): void;
  /** Each is of the thread that its address says. */
  expect(recipes: readonly Recipe[]): void;
  ended(thread: string, id: string): void;
  /** A thread has ended: of its actors those stay that live on elsewhere. */
  lost(thread: string, error: Error): void;
}

/** What is to be made again, and how often it was. */
interface Kept {
  readonly recipe: Recipe;
  failures: Failures | undefined;
}

/** `failed` is told of a failure that goes up beyond all who could judge it. */
export function recipeBook(supervision: Supervision, failed: (error: ShoalError) => void): RecipeBook {
  const threads = new Map<string, Map<string, Kept>>();

  function livesOn(one: Kept, error: Error): boolean {
    const { recipe } = one;
    const policy = supervisionFrom(`Cannot go on with ${recipe.id}`, supervision, recipe.options.supervision);
    const decision = decide(notResuming(policy), one.failures, error, realWorld.now());
    one.failures = decision.failures;
    if (decision.directive === "escalate") failed(new ShoalError("Lost", error.message));
    return decision.directive === "restart";
  }

  function spawned(thread: string, recipe: Recipe): void {
    let kept = threads.get(thread);
    if (kept === undefined) threads.set(thread, kept = new Map());
    kept.set(recipe.id, { recipe, failures: kept.get(recipe.id)?.failures });
  }

  return {
    of: (thread) => [...threads.get(thread)?.values() ?? []].map(({ recipe }) => recipe),
    spawned,
    expect(recipes) {
      for (const recipe of recipes) spawned(nodeOf(recipe.id), recipe);
    },
    ended: (thread, id) => void threads.get(thread)?.delete(id),
    lost(thread, error) {
      const kept = threads.get(thread);
      for (const [id, one] of kept ?? []) if (!livesOn(one, error)) kept?.delete(id);
    },
  };
}
