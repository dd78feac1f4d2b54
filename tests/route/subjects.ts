// Routes that the laws are tried on: tensors go to one store or the other by their size, and some to a topic's.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Subject, SubjectOptions } from "../../stores/conformance/mod.ts";
import { openStore } from "../../stores/open.ts";

/** A route of stores whose URLs a place and a capacity make; each part keeps to the capacity. */
export function routeSubject(
  name: string,
  from: string,
  parts: (place: string, bounds: string) => { readonly small: string; readonly large: string },
  others: Partial<Subject> = {},
): Subject {
  return {
    name,
    bounded: true,
    unbreakable: "what stands behind the parts of a route is tried on each of them",
    open({ capacity, place, ...options }: SubjectOptions) {
      const bounds = capacity && `&capacity=${capacity.bytes}&full=${capacity.full}&waitMs=${capacity.waitMs}`;
      const { small, large } = parts(place, bounds ?? "");
      // Each part keeps to its own capacity: where one is asked for, all tensors go to one part.
      return openStore(routeUrl({ small, large, from: capacity === undefined ? from : "1MB" }), options);
    },
    ...others,
  };
}

/** The URL of a route, its parts escaped. */
export const routeUrl = (words: Readonly<Record<string, string>>): string =>
  `route:?${Object.entries(words).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}`;

const parts = ["a", "b"] as const;

/** Removes what a case has left below a folder. */
export const removeIn = (folder: string) => (place: string): void => {
  for (const part of parts) rmSync(join(folder, `${place}-${part}`), { recursive: true, force: true });
};

/** A folder of a case's own for one part, as `file:` or as `shm:`. */
export const fileAt = (folder: string, place: string, part: typeof parts[number], bounds: string): string =>
  `${pathToFileURL(join(folder, `${place}-${part}`)).href}?pool=1MB${bounds}`;

export function shmAt(folder: string, place: string, part: typeof parts[number], bounds: string): string {
  const dir = join(folder, `${place}-${part}`);
  mkdirSync(dir, { recursive: true });
  return `shm:?dir=${encodeURIComponent(dir)}${bounds}`;
}
