// A disk that exists in memory and is as bad as POSIX allows: a power cut keeps any subset of what was not synced
// (data, lengths, names, in any order), writes are short, and any call may fail. Chance comes from outside.
import type { Disk, DiskFile } from "../../stores/file/disk.ts";

interface Inode {
  data: Uint8Array;
  durable: Uint8Array;
  /** Since the last sync. */
  pending: ((data: Uint8Array) => Uint8Array)[];
}

type Node = Inode | "folder";

export interface SimulatedDisk extends Disk {
  /** Calls that were made. */
  readonly steps: number;
  /** What is there after the power has gone, on a disk that works. */
  afterPowerCut(): SimulatedDisk;
  /** The same as it stands, for the next process: only who used it has died. */
  afterKill(): SimulatedDisk;
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

function written(data: Uint8Array, bytes: Uint8Array, position: number): Uint8Array {
  const grown = new Uint8Array(Math.max(data.byteLength, position + bytes.byteLength));
  grown.set(data);
  grown.set(bytes, position);
  return grown;
}

function resized(data: Uint8Array, bytes: number): Uint8Array {
  const cut = new Uint8Array(bytes);
  cut.set(data.subarray(0, bytes));
  return cut;
}

interface State {
  readonly nodes: Map<string, Node>;
  readonly durable: Map<string, Node>;
  /** Names that changed since their folder was synced. */
  readonly pending: [string, Node | undefined][];
}

export function simulatedDisk(options: DiskOptions, state?: State): SimulatedDisk {
  const { chance, endsAt = Infinity, failsAt = Infinity, errno = "ENOSPC" } = options;
  const { nodes, durable, pending }: State = state ?? { nodes: new Map(), durable: new Map(), pending: [] };
  let steps = 0;

  /** Whether this call fails halfway; throws where there is no disk any more. */
  async function step(path: string): Promise<boolean> {
    steps += 1;
    await Promise.resolve();
    if (steps > endsAt) throw failure("EIO", path);
    return steps === failsAt;
  }

  async function fragile(path: string): Promise<void> {
    if (await step(path)) throw failure(errno, path);
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

  function change(inode: Inode, how: (data: Uint8Array) => Uint8Array): void {
    inode.data = how(inode.data);
    inode.pending.push(how);
  }

  function fileOf(path: string, inode: Inode): DiskFile {
    return {
      async read(into, position) {
        await step(path);
        const bytes = inode.data.subarray(position, position + into.byteLength);
        const count = bytes.byteLength > 1 && chance() < 0.2 ? Math.ceil(bytes.byteLength / 2) : bytes.byteLength;
        into.set(bytes.subarray(0, count));
        return count;
      },
      async write(bytes, position) {
        const fails = await step(path);
        const count = fails || chance() < 0.2 ? Math.max(1, Math.floor(bytes.byteLength * chance())) : bytes.byteLength;
        const piece = bytes.slice(0, count);
        change(inode, (data) => written(data, piece, position));
        if (fails) throw failure(errno, path);
        return count;
      },
      async size() {
        await step(path);
        return inode.data.byteLength;
      },
      async truncate(bytes) {
        await fragile(path);
        change(inode, (data) => resized(data, bytes));
      },
      async sync() {
        await fragile(path);
        inode.durable = inode.data;
        inode.pending = [];
      },
      async close() {},
    };
  }

  function afterPowerCut(): SimulatedDisk {
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
        let data = node.durable;
        for (const how of node.pending) if (chance() < 0.5) data = how(data);
        Object.assign(node, { data, durable: data, pending: [] });
      }
      reached.set(path, node);
    }
    return simulatedDisk({ chance }, { nodes: reached, durable: new Map(reached), pending: [] });
  }

  return {
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
      const inode: Inode = { data: new Uint8Array(0), durable: new Uint8Array(0), pending: [] };
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
    afterPowerCut,
    afterKill: () => simulatedDisk({ chance }, { nodes, durable, pending }),
  };
}
