// A disk that exists in memory and is as bad as POSIX allows: a power cut keeps any subset of what was not synced
// (data, lengths, names, in any order), writes are short, and any call may fail. Chance comes from outside.
import type { Disk, DiskFile } from "../file/disk.ts";
import { type Asked, type Calls, calls as callsOf, type Trouble, type Way } from "./way.ts";

/** Bytes that grow in place. */
interface Content {
  buffer: Uint8Array;
  length: number;
}

type Change = { readonly bytes: Uint8Array; readonly position: number } | { readonly length: number };

interface Inode {
  readonly data: Content;
  readonly durable: Content;
  /** Since the last sync. */
  pending: Change[];
}

type Node = Inode | "folder";

export interface SimulatedDisk extends Disk {
  /** Calls that were made. */
  readonly steps: number;
  /** What is there after the power has gone, on a disk that works. */
  afterPowerCut(): SimulatedDisk;
  /** The same as it stands, for the next process: only who used it has died. */
  afterKill(): SimulatedDisk;
  /** One process's way to it: what happens there happens to its calls alone. */
  by(way: Way): Disk;
  /** Cuts the power: what was under way, and every open file, is gone. Answers how many changes were under way. */
  cut(): number;
}

export interface DiskOptions {
  /** From 0 to below 1. */
  readonly chance: () => number;
  /** From this call on nothing works any more. */
  readonly endsAt?: number;
  /** This call fails with an errno, halfway where it writes. */
  readonly failsAt?: number;
  readonly errno?: string;
}

const failure = (code: string, path: string): Error => Object.assign(new Error(`${code}: ${path}`), { code });
const split = (path: string): [string, string] => {
  const at = path.lastIndexOf("/");
  return [path.slice(0, at) || "/", path.slice(at + 1)];
};

const nothing = (): Content => ({ buffer: new Uint8Array(0), length: 0 });

function apply(content: Content, change: Change): void {
  const end = "bytes" in change ? Math.max(content.length, change.position + change.bytes.byteLength) : change.length;
  if (end > content.buffer.byteLength) {
    const grown = new Uint8Array(Math.max(end, 2 * content.buffer.byteLength));
    grown.set(content.buffer.subarray(0, content.length));
    content.buffer = grown;
  }
  // What is cut off reads as zeros where the file grows again.
  if (end < content.length) content.buffer.fill(0, end, content.length);
  content.length = end;
  if ("bytes" in change) content.buffer.set(change.bytes, change.position);
}

interface State {
  readonly nodes: Map<string, Node>;
  readonly durable: Map<string, Node>;
  /** Names that changed since their folder was synced. */
  readonly pending: [string, Node | undefined][];
}

export function simulatedDisk(options: DiskOptions, state?: State): SimulatedDisk {
  const { chance, endsAt = Infinity, failsAt = Infinity, errno = "ENOSPC" } = options;
  let { nodes, durable, pending }: State = state ?? { nodes: new Map(), durable: new Map(), pending: [] };
  const connections = new Set<Calls>();
  let steps = 0;
  let cuts = 0;

  /** Whether this call fails halfway; throws where there is no disk any more. */
  async function stepAt(path: string): Promise<boolean> {
    steps += 1;
    await Promise.resolve();
    if (steps > endsAt) throw failure("EIO", path);
    return steps === failsAt;
  }

  async function fragile(path: string): Promise<void> {
    if (await stepAt(path)) throw failure(errno, path);
  }

  function set(path: string, node: Node | undefined): void {
    if (node === undefined) nodes.delete(path);
    else nodes.set(path, node);
    pending.push([path, node]);
  }

  function inodeAt(path: string): Inode {
    const node = nodes.get(path);
    if (node === undefined) throw failure("ENOENT", path);
    if (node === "folder") throw failure("EISDIR", path);
    return node;
  }

  function change(inode: Inode, how: Change): void {
    apply(inode.data, how);
    inode.pending.push(how);
  }

  function fileOf(path: string, inode: Inode): DiskFile {
    const openedIn = cuts;

    async function step(path: string): Promise<boolean> {
      if (openedIn !== cuts) throw failure("EIO", path);
      return await stepAt(path);
    }

    async function fragile(path: string): Promise<void> {
      if (await step(path)) throw failure(errno, path);
    }

    return {
      async read(into, position) {
        await step(path);
        const { buffer, length } = inode.data;
        const bytes = buffer.subarray(position, Math.max(position, Math.min(length, position + into.byteLength)));
        const count = bytes.byteLength > 1 && chance() < 0.2 ? Math.ceil(bytes.byteLength / 2) : bytes.byteLength;
        into.set(bytes.subarray(0, count));
        return count;
      },
      async write(bytes, position) {
        const fails = await step(path);
        const count = fails || chance() < 0.2 ? Math.max(1, Math.floor(bytes.byteLength * chance())) : bytes.byteLength;
        const piece = bytes.slice(0, count);
        change(inode, { bytes: piece, position });
        if (fails) throw failure(errno, path);
        return count;
      },
      async size() {
        await step(path);
        return inode.data.length;
      },
      async truncate(bytes) {
        await fragile(path);
        change(inode, { length: bytes });
      },
      async sync() {
        await fragile(path);
        for (const how of inode.pending) apply(inode.durable, how);
        inode.pending = [];
      },
      async close() {},
    };
  }

  function rest(): State {
    const names = new Map(durable);
    for (const [path, node] of pending) {
      if (chance() < 0.5) continue;
      if (node === undefined) names.delete(path);
      else names.set(path, node);
    }
    const reached = new Map<string, Node>();
    const isReached = (path: string): boolean => path === "/" || (reached.has(path) && reached.get(path) === "folder");
    for (const [path, node] of [...names].sort(([a], [b]) => a.length - b.length)) {
      if (!isReached(split(path)[0])) continue;
      if (node !== "folder") {
        for (const how of node.pending) if (chance() < 0.5) apply(node.durable, how);
        node.pending = [];
        Object.assign(node.data, { buffer: node.durable.buffer.slice(), length: node.durable.length });
      }
      reached.set(path, node);
    }
    return { nodes: reached, durable: new Map(reached), pending: [] };
  }

  const disk: SimulatedDisk = {
    get steps() {
      return steps;
    },
    async makeFolder(path) {
      await fragile(path);
      const parts = path.split("/").slice(1);
      for (let depth = 1; depth <= parts.length; depth++) {
        const folder = `/${parts.slice(0, depth).join("/")}`;
        if (nodes.get(folder) === undefined) set(folder, "folder");
      }
    },
    async open(path, how) {
      await fragile(path);
      if (how !== "create") return fileOf(path, inodeAt(path));
      if (nodes.has(path)) throw failure("EEXIST", path);
      if (nodes.get(split(path)[0]) !== "folder") throw failure("ENOENT", path);
      const inode: Inode = { data: nothing(), durable: nothing(), pending: [] };
      set(path, inode);
      return fileOf(path, inode);
    },
    async link(from, to) {
      await fragile(to);
      const inode = inodeAt(from);
      if (nodes.has(to)) throw failure("EEXIST", to);
      set(to, inode);
    },
    async rename(from, to) {
      await fragile(to);
      const inode = inodeAt(from);
      set(to, inode);
      set(from, undefined);
    },
    async remove(path) {
      await fragile(path);
      inodeAt(path);
      set(path, undefined);
    },
    async list(path) {
      await fragile(path);
      if (nodes.get(path) !== "folder") throw failure(nodes.has(path) ? "ENOTDIR" : "ENOENT", path);
      return [...nodes.keys()].filter((each) => split(each)[0] === path).map((each) => split(each)[1]);
    },
    async exists(path) {
      await fragile(path);
      return nodes.has(path);
    },
    async syncFolder(path) {
      await fragile(path);
      for (let index = 0; index < pending.length; index++) {
        const [name, node] = pending[index]!;
        if (split(name)[0] !== path) continue;
        pending.splice(index--, 1);
        if (node === undefined) durable.delete(name);
        else durable.set(name, node);
      }
    },
    afterPowerCut: () => simulatedDisk({ chance }, rest()),
    afterKill: () => simulatedDisk({ chance }, { nodes, durable, pending }),
    by(way) {
      const calls = callsOf(way, troubleOf);
      connections.add(calls);
      return carried(disk, calls);
    },
    cut() {
      cuts += 1;
      const files = [...nodes.values()].filter((node) => node !== "folder");
      const changes = files.reduce((sum, file) => sum + file.pending.length, pending.length);
      ({ nodes, durable, pending } = rest());
      for (const calls of connections) calls.cut();
      return changes;
    },
  };
  return disk;
}

const errnos: Readonly<Record<Trouble, string>> = { unavailable: "EIO", full: "ENOSPC", unheard: "EIO" };
const troubleOf = (trouble: Trouble, { what }: Asked): Error => failure(errnos[trouble], what);

/** A disk whose calls go another way. */
function carried(disk: Disk, calls: Calls): Disk {
  const ask = <T>(what: string, serve: () => Promise<T>, wantsRoom: boolean = false): Promise<T> =>
    calls.call({ what, writes: true, wantsRoom }, serve);
  const file = (path: string, inner: DiskFile): DiskFile => ({
    read: (into, position) => ask(`read ${path}`, () => inner.read(into, position)),
    write(bytes, position) {
      const sent = bytes.slice();
      return ask(`write ${path}`, () => inner.write(sent, position), true);
    },
    size: () => ask(`size ${path}`, () => inner.size()),
    truncate: (bytes) => ask(`truncate ${path}`, () => inner.truncate(bytes)),
    sync: () => ask(`sync ${path}`, () => inner.sync()),
    close: () => ask(`close ${path}`, () => inner.close()),
  });
  return {
    makeFolder: (path) => ask(`mkdir ${path}`, () => disk.makeFolder(path), true),
    open: async (path, how) => file(path, await ask(`${how} ${path}`, () => disk.open(path, how), how === "create")),
    link: (from, to) => ask(`link ${to}`, () => disk.link(from, to), true),
    rename: (from, to) => ask(`rename ${to}`, () => disk.rename(from, to)),
    remove: (path) => ask(`remove ${path}`, () => disk.remove(path)),
    list: (path) => ask(`list ${path}`, () => disk.list(path)),
    exists: (path) => ask(`look at ${path}`, () => disk.exists(path)),
    syncFolder: (path) => ask(`sync ${path}`, () => disk.syncFolder(path)),
  };
}
