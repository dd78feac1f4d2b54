// Where the nodes of a process live on that nobody will be again: each in a thread of another process of the run, with
// the actors that it had.

import { nodeOf } from "../cells/posted.ts";
import type { Recipe } from "../nodes/recipe.ts";
import type { Change, Member } from "../nodes/registry.ts";
import type { Allotment } from "./allotment.ts";
import type { Crew } from "./crews.ts";
import type { RecipeBook } from "./recipes.ts";
import type { Asking, Slot } from "./slot.ts";

export interface LodgingParts extends Pick<Allotment, "fitting" | "lodged" | "refuse"> {
  /** The processes that still are, or will be again. */
  readonly slots: ReadonlyMap<string, Slot>;
  readonly recipes: RecipeBook;
  readonly asking: Asking;
  /** All nodes are told. */
  tell(change: Change): void;
  /** The process that leads takes in a node. */
  adopt(node: string, again: readonly Recipe[]): void;
  say(text: string): void;
}

export interface Lodging {
  /** Nobody will be this process again. */
  giveUp(slot: Slot): void;
  /** Those that were given up, as others know them: their nodes are nodes of the run, and take nobody new. */
  readonly departed: ReadonlyMap<string, Member>;
  /** Whether this was a node of one of them. */
  has(node: string): boolean;
}

interface Found {
  readonly host: Slot | undefined;
  /** Those for which there is room. */
  readonly again: readonly Recipe[];
}

/** The node that leads. */
const main = "main";
/** What is known of so many actors, or of those that were made with so much, crosses in one message. */
const [lodgersMax, lodgersBytesMax] = [256, 2 ** 18];

function* parts(again: readonly Recipe[]): Iterable<readonly Recipe[]> {
  let part: Recipe[] = [];
  let bytes = 0;
  for (const recipe of again) {
    if (part.length === lodgersMax || (part.length > 0 && bytes + recipe.input.length > lodgersBytesMax)) {
      yield part;
      [part, bytes] = [[], 0];
    }
    part.push(recipe);
    bytes += recipe.input.length;
  }
  if (part.length > 0) yield part;
}

export function lodging(given: LodgingParts): Lodging {
  const { slots, recipes, asking, tell, adopt, say, fitting, lodged, refuse } = given;
  const departed = new Map<string, Member>();

  /**
   * Of the processes in which there is room for most of these actors the one with the fewest guests: workers, before the
   * one that leads them.
   */
  function hostFor(crew: Crew, actors: readonly Recipe[]): Found {
    // One of another group may not reach the stores that they need.
    const there = [...slots.values()].filter((one) => one.isIn && (one.crew === crew || one.crew.name === undefined));
    const hosts = [...there.toSorted((a, b) => a.guests.size - b.guests.size), undefined].map((host) => ({
      host,
      again: fitting(host?.node ?? main, actors),
    }));
    return hosts.toSorted((a, b) => b.again.length - a.again.length)[0]!;
  }

  function lodge(node: string, crew: Crew, actors: readonly Recipe[]): void {
    const { host, again } = hostFor(crew, actors);
    const isKept = new Set(again);
    for (const one of actors) {
      if (isKept.has(one)) continue;
      say(refuse(one).message);
      // Nothing is left there that would end with the one that has spawned it.
      if (one.parent !== "") asking.note(one.parent, "childEnded", { id: one.id });
    }
    const name = host?.node ?? main;
    lodged(node, name);
    say(`node ${node} lives on in the process of ${name}, with ${again.length} of its actors`);
    if (host === undefined) return adopt(node, again);
    host.guests.add(node);
    for (const recipe of again) recipes.spawned(host.node, recipe);
    // Should that process end before it has done so, whoever takes its place is told of its guests.
    for (const part of parts(again)) asking.note(host.node, "lodgers", part);
    asking.note(host.node, "adopt", node);
  }

  return {
    departed,
    has: (node) => [...departed.values()].some(({ places }) => places.some((place) => place.node === node)),
    giveUp({ node, crew, member, guests }) {
      if (member === undefined) return;
      const nodes = new Set([...member.places.map((place) => place.node), ...guests]);
      const ghost = { ...member, places: [...nodes].map((one) => ({ node: one, path: "", isGuest: true })) };
      departed.set(node, ghost);
      tell({ type: "here", member: ghost, lost: [] });
      const kept = recipes.of(node);
      for (const one of nodes) lodge(one, crew, kept.filter(({ id }) => nodeOf(id) === one));
      for (const { id } of kept) recipes.ended(node, id);
    },
  };
}
