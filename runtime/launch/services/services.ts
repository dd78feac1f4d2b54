// The servers that a run starts for itself: one Redis server a node, or one Kafka broker. They are started before the
// store is opened, found again by whoever resumes the run, and end with it.

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runningWords } from "#platform";
import { ShoalError } from "../../../stores/error.ts";
import { type OwnAsked, ownServer } from "../../../stores/open.ts";
import { fileMode, folderMode, writeWhole } from "../../run/layout.ts";
import type { Launcher, WorkerProcess } from "../launcher.ts";
import { endOf } from "../start.ts";
import { addressHere } from "./address.ts";
import type { Kept, Published } from "./keeper.ts";
import { lastWords, type RunningServer, runServer } from "./server.ts";

export interface ServicesOptions {
  readonly run: string;
  /** Where they keep what they keep, and are written down: all nodes see it. */
  readonly folder: string;
  /** Whether nobody can go on with the run: then nothing of them stays, whatever ends it. */
  readonly isPassing: boolean;
  /** Starts them on other nodes; without one, or with one host, they are on this machine. */
  readonly launcher: Launcher | undefined;
  /** The network by which nodes reach each other. */
  readonly network: string | undefined;
  readonly joinTimeoutMs: number;
  readonly say: (text: string) => void;
}

export interface Services {
  /** The URL that stands for one that asked for servers. */
  urlOf(url: string): string;
  /** Ends them. What they keep goes where nobody is to go on with the run. */
  end(isOver: boolean): Promise<void>;
}

/** Something that runs, here or by a keeper. */
interface Member {
  readonly published: Published;
  stop(): Promise<void>;
}

const lookMs = 50;
/** What an earlier head has left ends by itself within so long. */
const leftMsMax = 60_000;

/** Nothing where none of the URLs asks for a server. */
export async function startServices(
  urls: readonly string[],
  options: ServicesOptions,
): Promise<Services | undefined> {
  const asked = new Map<string, OwnAsked>();
  for (const url of urls) {
    const own = await ownServer(url);
    if (own !== undefined) asked.set(url, own);
  }
  if (asked.size === 0) return undefined;
  const all: Member[] = [];
  const found = new Map<string, string>();
  const { folder, run, isPassing } = options;

  async function end(isOver: boolean): Promise<void> {
    // Those elsewhere end with the first.
    await Promise.all(all.splice(0).map((member) => member.stop()));
    await options.launcher?.close(0);
    if (isOver || isPassing) rmSync(folder, { recursive: true, force: true });
  }

  try {
    mkdirSync(folder, { recursive: true, mode: folderMode });
    for (const scheme of new Set([...asked.values()].map(({ server }) => server.scheme))) {
      const same = [...asked].filter(([, { server }]) => server.scheme === scheme);
      const [url, first] = same[0]!;
      const members = await started(url, first, options, all);
      const passwordFile = passwordFileIn(folder, scheme);
      const places = members.map(({ published }) => published);
      for (const [url, { server, options }] of same) found.set(url, server.url(places, passwordFile, run, options));
      const where = places.map(({ host, port }) => `${host}:${port}`).join(", ");
      options.say(`${scheme}:auto is ${places[0]!.about}, on ${where}`);
    }
  } catch (error) {
    await end(false);
    throw error;
  }
  let ending: Promise<void> | undefined;
  return { urlOf: (url) => found.get(url) ?? url, end: (isOver) => ending ??= end(isOver) };
}

const passwordFileIn = (folder: string, scheme: string): string => join(folder, `${scheme}.password`);

/** Made once a run: who resumes it is let in where the servers still stand. */
function passwordIn(path: string): string {
  if (!existsSync(path)) writeWhole(path, randomBytes(24).toString("hex"), true);
  return readFileSync(path, "utf8");
}

/** All servers of one kind, the first of them first: the others end with it. */
async function started(url: string, asked: OwnAsked, options: ServicesOptions, all: Member[]): Promise<Member[]> {
  const { server, keeps } = asked;
  const { scheme } = server;
  const { folder, launcher, network, isPassing } = options;
  const hosts = launcher === undefined || !server.isSharded ? ["here"] : [...launcher.hosts];
  const isAlone = launcher === undefined || launcher.hosts.length < 2;
  const passwordFile = passwordFileIn(folder, scheme);
  const password = passwordIn(passwordFile);
  // What lies on how many cannot be read from more or fewer.
  const countFile = join(folder, `${scheme}.count`);
  writeWhole(countFile, String(hosts.length), true);
  const count = Number(readFileSync(countFile, "utf8"));
  const publishedAt = (number: number): string => join(folder, `${scheme}-${number}.json`);
  await untilFree(Array.from({ length: count }, (_, index) => publishedAt(index + 1)), asked, password, options);
  const shareOf = (host: string): number =>
    hosts.filter((one) => one === host).length * Math.ceil(count / hosts.length);

  async function here(number: number): Promise<Member> {
    const host = isAlone ? "127.0.0.1" : await addressHere(network);
    const own = join(folder, `${scheme}-${number}`);
    const away = isPassing ? folder : undefined;
    const running = await runServer({ server, folder: own, host, password, keeps, share: shareOf(hosts[0]!), away });
    const published = { ...running.place, about: running.about, ticket: "" };
    writeWhole(publishedAt(number), JSON.stringify(published), false);
    return member(running, published, publishedAt(number));
  }

  function member(running: RunningServer, published: Published, file: string): Member {
    let isOver = false;
    void running.ended.then((said) => {
      if (!isOver) options.say(`${running.about} has ended, on which this run stands; ${lastWords(said)}`);
    });
    return {
      published,
      async stop() {
        isOver = true;
        await running.stop();
        rmSync(file, { force: true });
      },
    };
  }

  async function elsewhere(number: number, host: string, lifeline: Published): Promise<Member> {
    const ticket = randomBytes(8).toString("hex");
    const own = join(folder, `${scheme}-${number}`);
    mkdirSync(own, { recursive: true, mode: folderMode });
    const published = publishedAt(number);
    const file = join(own, "keeper.json");
    const share = shareOf(host);
    const told: Kept = { url, folder: own, passwordFile, network, share, published, ticket, lifeline };
    writeFileSync(file, JSON.stringify(told), { mode: fileMode });
    const [program, ...args] = [...runningWords(), keeperFile()];
    const kept = launcher!.start(number, host, {
      program,
      args: [...args, file],
      env: {},
      folder: process.cwd(),
    });
    return {
      published: await untilPublished(kept, published, ticket, options.joinTimeoutMs + server.readyMsMax),
      async stop() {
        const timer = setTimeout(() => kept.signal("SIGKILL"), 2 * server.endMsMax);
        await kept.ended;
        clearTimeout(timer);
        rmSync(published, { force: true });
      },
    };
  }

  const first = await here(1);
  all.push(first);
  const others = await Promise.allSettled(Array.from({ length: count - 1 }, async (_, index) => {
    const host = hosts[(index + 1) % hosts.length]!;
    const made = await (host === hosts[0] ? here(index + 2) : elsewhere(index + 2, host, first.published));
    all.push(made);
    return made;
  }));
  const failed = others.find((one) => one.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return [first, ...others.flatMap((one) => one.status === "fulfilled" ? [one.value] : [])];
}

/** The entry of a keeper, in the form in which this module runs. */
function keeperFile(): string {
  return fileURLToPath(new URL(`./keeper${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`, import.meta.url));
}

function readPublished(path: string): Published | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Published;
  } catch {
    // It was never written, or a power cut has emptied it.
    return undefined;
  }
}

async function untilPublished(kept: WorkerProcess, path: string, ticket: string, msMax: number): Promise<Published> {
  const end = performance.now() + msMax;
  let why: string | undefined;
  void kept.ended.then((how) => why = endOf(how));
  for (;;) {
    const found = readPublished(path);
    if (found?.ticket === ticket) return found;
    if (performance.now() > end) why ??= `has said nothing for ${Math.round(msMax / 1_000)} s`;
    if (why !== undefined) {
      kept.signal("SIGKILL");
      const said = lastWords(kept.output().join("\n"));
      throw new ShoalError(
        "Unavailable",
        `Cannot start a server on ${kept.host}: its process ${why}; it was run as ${kept.shown}; ${said}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

/** Two servers on the same files would spoil them: those that an earlier head has left are on their way to end. */
async function untilFree(
  files: readonly string[],
  { server }: OwnAsked,
  password: string,
  { say }: ServicesOptions,
): Promise<void> {
  const end = performance.now() + leftMsMax + server.endMsMax;
  for (const file of files) {
    const left = readPublished(file);
    let isSaid = false;
    // Who answers and does not know the password is somebody else's, and has nothing to do with these files.
    while (left !== undefined && /^(ready|starting)$/.test(await server.who(left, password))) {
      const where = `${left.host}:${left.port}`;
      if (!isSaid) say(`waiting for ${server.scheme}:auto of an earlier head to end, on ${where}`);
      isSaid = true;
      if (performance.now() > end) {
        const cure = `end it there (its files are in ${file.replace(/\.json$/, "")}), then resume`;
        throw new ShoalError(
          "Conflict",
          `Cannot start ${server.scheme}:auto: an earlier one runs on ${where}; ${cure}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
    rmSync(file, { force: true });
  }
}
