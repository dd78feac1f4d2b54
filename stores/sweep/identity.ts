// Who a process is, so that another can tell later whether it is still there: a process id alone is given out again.
// What cannot be read (another system, a runtime without the permission) leaves only the signs of life in a store.
import { readFileSync, readlinkSync } from "node:fs";
import type { Presence } from "../sweep.ts";

export interface Identity {
  readonly pid: number;
  /** When the process began, in the machine's own ticks since it was started. */
  readonly began: string;
  /** This start of this machine. */
  readonly boot: string;
  /** The process ids of a container mean nothing outside it. */
  readonly space: string;
  readonly host: string;
}

function tried(read: () => string): string {
  try {
    return read().trim();
  } catch {
    return "";
  }
}

const bootOf = (): string => tried(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"));
const spaceOf = (): string => tried(() => readlinkSync("/proc/self/ns/pid"));
const hostOf = (): string => tried(() => readFileSync("/proc/sys/kernel/hostname", "utf8"));

/** The fields of a process behind its name, which may hold any sign; nothing where there is no such process. */
function fieldsOf(pid: number | "self"): string[] | undefined {
  const text = tried(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  const end = text.lastIndexOf(")");
  return end < 0 ? undefined : text.slice(end + 2).split(" ");
}

const [stateField, beganField] = [0, 19];
let own: Identity | undefined;

/** Who this process is. */
export function ownIdentity(): Identity {
  own ??= {
    pid: process.pid,
    began: fieldsOf("self")?.[beganField] ?? "",
    boot: bootOf(),
    space: spaceOf(),
    host: hostOf(),
  };
  return own;
}

/** Whether that process is still there, as far as can be told from here. */
export function presenceOf({ pid, began, boot, space }: Identity, here: Identity = ownIdentity()): Presence {
  if (boot === "" || here.boot === "" || began === "") return "elsewhere";
  // Machines share names, and copies of one share even more: after a start of its own, each is another.
  if (boot !== here.boot || space !== here.space) return "elsewhere";
  const fields = fieldsOf(pid);
  // One that was killed and that its parent has not asked after yet is a name and no process.
  if (fields === undefined || fields[beganField] !== began) return "dead";
  return fields[stateField] === "Z" || fields[stateField] === "X" ? "dead" : "live";
}

/** An identity as it was written down, or nothing where it is none. */
export function identityFrom(value: unknown): Identity | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { pid, began, boot, space, host }: { readonly [Key in keyof Identity]?: unknown } = value;
  if (typeof pid !== "number" || !Number.isSafeInteger(pid) || pid < 1) return undefined;
  if (typeof began !== "string" || typeof boot !== "string") return undefined;
  if (typeof space !== "string" || typeof host !== "string") return undefined;
  return { pid, began, boot, space, host };
}
