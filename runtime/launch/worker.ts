// What runs in a process that was started for a run: it reads which node it is to be, opens that node over the run's
// store, joins the others, and is that node until it is told to leave, or another is it.

import { existsSync, realpathSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { isShoalError, ShoalError } from "../../stores/error.ts";
import { allowStoreModules, type OpenOptions, openStore } from "../../stores/open.ts";
import { captureConsole } from "../cells/console.ts";
import { nodeOf } from "../cells/posted.ts";
import { catalogue } from "../nodes/catalogue.ts";
import { openNode, type RunningNode } from "../nodes/node.ts";
import { type Change, type Member, takers } from "../nodes/registry.ts";
import type { Recipe, Recipes } from "../nodes/recipe.ts";
import { machine } from "../run/machine.ts";
import type { RunRecord } from "../run/records.ts";
import type { StopOptions } from "../system.ts";
import { crossing } from "./crossing.ts";
import { isGone } from "./heart.ts";
import { inOwnForm, type Joining, memberOf, readJoining, unjoinedExit } from "./joining.ts";
import { leaveNest, markNest, sweepNests } from "./nest.ts";
import { enter } from "./program.ts";
import { type Pulse, pulse } from "./pulse.ts";
import { recordingFor, threadDelivery } from "./thread.ts";
import { threads as threadsOf } from "./threads.ts";
import { version } from "./version.ts";
import { realWorld } from "./world.ts";

/** With what a worker ends that has joined, beside 0 where it was told to leave. */
export const exits = { failed: 1, orphaned: 71, fenced: 75 } as const;

const main = "main";
const removalsMax = 10;

/** Written at once: the process may end right behind it. */
function say(text: string): void {
  try {
    writeSync(2, `shoal: ${text}\n`);
  } catch {
    // Whoever would have read it is gone.
  }
}

function leave(code: number, text: string): never {
  say(text);
  return process.exit(code);
}

/** Is the node that the file says. */
async function work(joining: Joining): Promise<void> {
  const { run, node: name, ticket, token, limits, supervision, leader, group } = joining;
  if (joining.version !== version()) {
    const text = `Cannot join run ${run}: it is led by shoal ${joining.version}, this is ${version()}`;
    throw new ShoalError("Incompatible", `${text}; install the same version everywhere`);
  }
  const program = inOwnForm(joining.program, joining.form);
  enter(`node ${name}${program === undefined ? "" : ` of ${program}`}`);
  if (joining.captures) captureConsole();
  allowStoreModules(...joining.storeModules);
  const only = partOf(joining);
  const store = await openStore(joining.store, {
    run,
    environment: realWorld,
    strict: joining.strict,
    thresholdBytes: joining.storeThresholdBytes,
    ...only === undefined ? {} : { only },
  }).catch((error: unknown) => {
    throw unreached(error, joining);
  });
  const { folder, link } = joining;
  const isNear = leader.machine.host === machine().host;
  const ways = crossing(name, {
    run,
    token,
    link,
    folder,
    home: store,
    // Whom the one that leads will not have need not wait for more.
    refused: (error) => void (isIn || leave(unjoinedExit(error), error.message)),
  });
  const members = new Map<string, Member>([[main, leader]]);
  let isIn = false;
  let isLeaving = false;
  let node: RunningNode | undefined = undefined as RunningNode | undefined;
  const has = (of: string): boolean =>
    threads.has(of) || others().some(({ places }) => places.some((place) => place.node === of));
  const others = (): Member[] => [...members.values()].filter((one) => one.node !== name);

  /** What this process says of itself. */
  const memberHere = (): Member =>
    memberOf(name, node?.epoch ?? 0, ticket, [ways.place, ...threads.places()], group?.takes);

  let records: RunRecord[] = [];
  function record(one: RunRecord): void {
    records.push(one);
    if (records.length === 1) setImmediate(sendRecords);
  }

  function sendRecords(): void {
    const batch = records;
    records = [];
    if (batch.length > 0) node?.note(main, "records", batch);
  }

  function changed(change: Change): void {
    const { type, member, lost } = change;
    ways.changed(change);
    if (type === "gone") members.delete(member.node);
    else members.set(member.node, member);
    if (type === "gone") { for (const { node: other } of member.places) node?.gone(other); }
    else for (const other of lost) node?.lost(other);
    threads.changed(change);
  }

  async function drain(stopping: StopOptions): Promise<void> {
    isLeaving = true;
    await threads.drain(stopping);
    await node?.drain(stopping);
    sendRecords();
  }

  async function close(stopping: StopOptions): Promise<void> {
    isLeaving = true;
    await threads.close(stopping);
    await heart?.stop();
    await node?.system.close(stopping);
    actors?.close();
    // On another machine than the leader's nobody else takes away what was made for sockets.
    if (!isNear) leaveNest(folder);
    process.exit(0);
  }

  const recipes: Recipes = {
    spawned: (recipe) => node?.note(main, "recipe", { node: name, recipe }),
    ended: (id) => void (isLeaving || node?.note(main, "over", { node: name, id })),
  };
  /** What threads are told that start from now on. */
  const told = { ...joining, program, node: name, beyond: { link, folder }, only, isIn: false };
  const threads = threadsOf({
    told,
    threadHeapBytesMax: joining.threadHeapBytesMax,
    epoch: () => leader.epoch,
    count: joining.threads,
    opened: store,
    ports: ways.ports,
    record,
    lost: (of) => node?.lost(of),
    gone: (of) => node?.gone(of),
    reached: (of) => node!.reached(of),
    failed: ({ code, message }) => node?.note(main, "failed", { code, message }),
    say: (text) => record({ at: realWorld.date(), node: name, type: "MessageLogged", level: "warn", text }),
    known: others,
    moved: (lost) => isIn && node?.note(main, "moved", { member: memberHere(), lost }),
    recipes,
    givenUpElsewhere: (of) => node?.note(main, "givenUp", { node: of }),
    again: joining.again.filter(({ id }) => nodeOf(id) !== name),
  });
  const classes = catalogue({ program, root: joining.root, allow: joining.allow });
  const actors = await recordingFor({ ...joining, program, node: name, classes, say });
  const running = await openNode({
    run,
    token,
    name,
    ticket,
    seed: joining.seed,
    strict: joining.strict,
    environment: realWorld,
    store,
    link: ways.linking,
    classes,
    onlooker: actors?.onlooker,
    limits,
    delivery: threadDelivery,
    supervision,
    record: joining.records ? record : undefined,
    threads: joining.threads === 0 ? undefined : threads.nodes,
    processes: (task) =>
      Promise.resolve(others().filter((one) => one.node !== main).flatMap((one) => takers(one, task))),
    takes: group?.takes,
    services: {
      changed,
      drain,
      givenUp: ({ node: of }: { readonly node: string }) => threads.givenUp(of),
      lodgers: threads.expect,
      adopt: threads.adopt,
      leave: (stopping: StopOptions) =>
        void close(stopping).catch((error: unknown) => leave(exits.failed, textOf(error))),
    },
    // Whoever is made again may write before it is known who is there.
    knows: (of) => !isIn || of === name || has(of),
    givenUp: threads.givenUp,
    recipes,
    succeeds: has,
    accounts: main,
  });
  node = running;
  const heart: Pulse = pulse({
    run,
    store: joining.store,
    storeModules: joining.storeModules,
    node: name,
    epoch: running.epoch,
    leaseMs: limits.leaseMs,
    leader: main,
    leaderPid: isNear ? leader.pid : undefined,
    lapsed(of) {
      if (isNear && isGone(leader.pid)) removeAll(folder);
      leave(exits.orphaned, `node ${name} ends: ${of}, which led run ${run}, shows no sign of life`);
    },
    fenced: () => leave(exits.fenced, fencedText(name, run)),
    failed: (why) => leave(exits.failed, `node ${name} ends: its lease cannot be renewed: ${why}`),
  });
  void running.ended.then((error) => {
    if (isLeaving) return;
    if (error === undefined) return leave(exits.failed, `node ${name} has ended`);
    const isFenced = isShoalError(error, "Fenced");
    leave(isFenced ? exits.fenced : exits.failed, isFenced ? fencedText(name, run) : textOf(error));
  });
  // Whoever asks for them finds them there, and not that they are gone.
  await Promise.all(joining.again.filter(({ id }) => nodeOf(id) === name).map((recipe) => makeAgain(running, recipe)));
  ways.know([leader]);
  await ways.begin();
  if (!isNear && existsSync(folder)) {
    markNest(folder);
    sweepNests(dirname(folder));
  }
  if (joining.threads > 0) await threads.nodes();
  await Promise.all(joining.guests.map(threads.adopt));
  const member = memberHere();
  const known = await running.request(main, "join", member) as readonly Member[];
  told.isIn = isIn = true;
  for (const other of known) members.set(other.node, other);
  ways.know(known);
  for (const other of known) threads.changed({ type: "here", member: other, lost: [], isAll: other === known.at(-1) });
}

/** A group opens the stores of its own kinds of task, and the one that mail goes by: it need not reach others. */
function partOf({ group }: Joining): OpenOptions["only"] {
  if (group?.name === undefined) return undefined;
  return { topics: group.takes, who: `group ${group.name} on ${machine().host}` };
}

/** Whoever reads it knows which machine cannot reach what, and what to write. */
function unreached(error: unknown, { node, group }: Joining): unknown {
  if (group?.name === undefined || !isShoalError(error)) return error;
  const kinds = group.takes.join(", ");
  const text =
    `Cannot join as ${node}: group ${group.name} on ${machine().host} needs the store of mail and those of ${kinds} tasks, and one cannot be used: ${error.message}`;
  const flags = ["mail", ...group.takes].map((kind) => `--${kind}-store`).join(", ");
  return new ShoalError(error.code, `${text}; name one that it reaches (${flags}), as in file:///scratch/run`, {
    cause: error,
  });
}

async function makeAgain(node: RunningNode, recipe: Recipe): Promise<void> {
  try {
    await node.again(recipe);
  } catch (error) {
    say(`${recipe.class} ${recipe.id} is not made again: ${textOf(error)}`);
    node.note(main, "over", { node: node.name, id: recipe.id });
  }
}

/** Others may be at it too: what one has removed under the other's hands is no trouble. */
function removeAll(folder: string): void {
  for (let attempt = 0; attempt < removalsMax && existsSync(folder); attempt++) {
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // Once more: what is left is less each time.
    }
  }
}

const fencedText = (name: string, run: string): string =>
  `node ${name} ends: another process has its place in run ${run}, since this one showed no sign of life`;

const textOf = (error: unknown): string => error instanceof Error ? error.message : String(error);

/** Who leads the run ends it; a signal that was meant for all is not for this one. */
function heedNoSignals(): void {
  for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
  // What it writes when nobody reads is lost.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
}

const [, entry = "", file] = process.argv;
if (file !== undefined && existsSync(entry) && realpathSync(entry) === fileURLToPath(import.meta.url)) {
  heedNoSignals();
  try {
    await work(readJoining(file));
  } catch (error) {
    leave(unjoinedExit(error), textOf(error));
  }
}
