// A store's URL as what laws are tried on: each case at a place of its own, so that none meets what another has left,
// and all of it gone in the end.

import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Subject, SubjectOptions } from "shoal/conformance";
import { ShoalError } from "../../stores/error.ts";
import { allowStoreModules, openStore, type Store } from "../../stores/open.ts";
import { realWorld } from "../launch/world.ts";
import { allowConfigured } from "./modules.ts";

export interface UrlSubject {
  readonly subject: Subject;
  /** Removes what is left of all cases. */
  close(): void;
}

const placeMark = "{place}";

/** Throws BadInput for a URL that opens no store, or one whose cases would meet. */
export async function urlSubject(url: string, clock: "virtual" | "real" | undefined): Promise<UrlSubject> {
  const [base = "", query = ""] = url.split("?", 2);
  const scheme = base.slice(0, Math.max(0, base.indexOf(":"))).toLowerCase();
  const options = query.split("&").filter((option) => option !== "");
  await allowConfigured(url);
  // Whoever types the name of a module himself allows it.
  if (scheme === "module") allowStoreModules(resolve(decodeURIComponent(base.slice("module:".length))));
  const folder = mkdtempSync(join(scheme === "shm" ? memoryFolder(options) : tmpdir(), "shoal-laws-"));
  const named = scheme === "file" && !url.includes(placeMark) ? pathOf(base) : undefined;
  const wasThere = named === undefined || existsSync(named);
  function close(): void {
    rmSync(folder, { recursive: true, force: true });
    if (named === undefined || wasThere) return;
    try {
      rmdirSync(named);
    } catch {
      // Somebody has put something there meanwhile, or nothing was ever made.
    }
  }

  function urlAt({ place, capacity }: Pick<SubjectOptions, "place" | "capacity">): string {
    const own = join(folder, place);
    const bounds = capacity === undefined
      ? []
      : [`capacity=${capacity.bytes}`, `full=${capacity.full}`, `waitMs=${capacity.waitMs}`];
    const given = options.filter((option) => bounds.every((bound) => bound.split("=")[0] !== option.split("=")[0]));
    const written = (address: string, all: readonly string[]): string =>
      all.length === 0 ? address : `${address}?${all.join("&")}`;
    if (url.includes(placeMark)) return url.replaceAll(placeMark, encodeURIComponent(own));
    if (scheme === "file") return written(`${base.replace(/\/+$/, "")}/${place}`, [...given, ...bounds]);
    if (scheme !== "shm") return written(base, [...given, ...bounds]);
    mkdirSync(own, { recursive: true });
    const others = given.filter((option) => !option.startsWith("dir="));
    const roomy = others.some((option) => option.startsWith("capacity=")) || capacity !== undefined
      ? []
      : ["capacity=1GiB"];
    return written(base, [`dir=${encodeURIComponent(own)}`, ...others, ...roomy, ...bounds]);
  }

  const subject: Subject = {
    name: url,
    open: (asked) => openStore(urlAt(asked), optionsOf(asked)),
    remove(place) {
      rmSync(join(folder, place), { recursive: true, force: true });
      if (named !== undefined) rmSync(join(named, place), { recursive: true, force: true });
    },
    bounded: scheme !== "module" && !url.includes(placeMark),
    unbreakable: "a URL gives no way to break what is behind its store",
    clock: clock ?? (scheme === "module" ? "real" : "virtual"),
  };
  try {
    await checked(subject, url, scheme);
  } catch (error) {
    close();
    throw error;
  }
  return { subject, close };
}

/** The folder of a `file:` URL; nothing for one that names none, which opening it will tell. */
function pathOf(base: string): string | undefined {
  try {
    return fileURLToPath(base);
  } catch {
    return undefined;
  }
}

const optionsOf = ({ run, environment, strict, thresholdBytes }: SubjectOptions): Parameters<typeof openStore>[1] => ({
  run,
  environment,
  strict,
  thresholdBytes,
});

function memoryFolder(options: readonly string[]): string {
  const dir = options.find((option) => option.startsWith("dir="))?.slice("dir=".length);
  return dir === undefined ? "/dev/shm" : resolve(decodeURIComponent(dir));
}

/** Opens it once, before any law: a URL that is wrong is found out here. */
async function checked(subject: Subject, url: string, scheme: string): Promise<void> {
  const place = `case-${process.pid}-first`;
  const options = { run: "run-1", environment: realWorld, strict: true, thresholdBytes: 0, place };
  let store: Store | undefined;
  try {
    store = await subject.open(options);
    const { shared, survives } = store.abilities;
    const isApart = scheme === "file" || scheme === "shm" || url.includes(placeMark);
    const leaves = survives === "nothing" || survives === "thread" ? "" : `survives ${survives}`;
    const meets = shared === "host" || shared === "network" ? `is shared by its ${shared}` : leaves;
    if (isApart || meets === "") return;
    const cure = `say where a case's own place goes, as in '${url}${url.includes("?") ? "&" : "?"}folder=${placeMark}'`;
    throw new ShoalError("BadInput", `Cannot try ${url}: it ${meets}, so that its cases would meet; ${cure}`);
  } finally {
    await store?.close();
    await subject.remove?.(place);
  }
}
