// Writes down what the actors of one thread are given and do, for `shoal replay`. What they look at that is not the
// runtime's, as another clock, is looked on at too.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Cell } from "../cells/cell.ts";
import { identity } from "../cells/failure.ts";
import type { Onlooker } from "../cells/onlooker.ts";
import type { Classes } from "../nodes/classes.ts";
import { machine } from "../run/machine.ts";
import { recordingWriter } from "../run/recording.ts";
import type { ActorIntroduced } from "../run/records.ts";
import { shelf } from "../run/shelf.ts";
import { lookOnAt, platform } from "../simulator/foreign.ts";
import { recorder } from "../simulator/recorder.ts";
import { shortened } from "../simulator/written.ts";
import type { ActorClass } from "../system.ts";
import { version } from "./version.ts";

/** That actors are recorded, and where. */
export interface RecordingOptions {
  readonly folder: string;
  /** Which head of the run it is. */
  readonly head: number;
  readonly bytesMax: number;
  readonly tensorBytesMax: number;
}

export interface RecordedNode extends RecordingOptions {
  readonly run: string;
  readonly node: string;
  readonly token: string;
  readonly program: string | undefined;
  readonly classes: Classes;
  say(text: string): void;
}

export interface Recording {
  readonly onlooker: Onlooker<Cell>;
  close(): void;
}

/** States are looked at as long as they are no more than what else is written, beside the first few. */
const looksCharsMin = 2 ** 20;
const lineChars = 100;

export function recording(options: RecordedNode): Recording {
  const { folder, head, bytesMax, tensorBytesMax, run, node, token, program, classes, say } = options;
  // As they are before anybody looks on.
  const { date, after } = platform();
  const writer = recordingWriter({
    folder,
    begun: { run, head, node, runtime: machine().runtime, shoal: version() },
    token,
    bytesMax,
    date,
    after: (delayMs, call) => after(delayMs, call),
    failed: ({ message }) => say(`what actors do is recorded no more on ${node}: ${message}`),
  });
  const introduced = new Set<string>();
  const stateChars = new Map<string, number>();
  let lookedChars = 0;
  let chars = 0;
  let steps = 0;

  function introduce(cell: Cell, actor: object): void {
    if (introduced.has(cell.id)) return;
    introduced.add(cell.id);
    const { name } = identity(cell);
    const who = { type: "ActorIntroduced", actor: cell.id, ...name === undefined ? {} : { name } } as const;
    const Class = Object.getPrototypeOf(actor).constructor as ActorClass;
    let introduction: ActorIntroduced = { ...who, class: Class.name };
    try {
      introduction = { ...who, class: classes.nameOf(Class), ...fileOf(Class, program) };
    } catch {
      // Whoever replays it is told that it has no name by which it could be found.
    }
    writer.write(introduction);
  }

  const records = recorder({
    step: () => ({ step: ++steps, timeMs: date() }),
    take({ id: actor }, line) {
      chars += lineChars + line.value.length + (line.answer?.length ?? 0);
      writer.write({ actor, ...line });
    },
    made: introduce,
    look({ id }, state) {
      if (lookedChars + (stateChars.get(id) ?? 0) > looksCharsMin + chars) return undefined;
      const written = state();
      stateChars.set(id, written.length);
      lookedChars += written.length;
      return shortened(written);
    },
    shelf: shelf(join(folder, "tensors"), tensorBytesMax),
    isSeeded: true,
  });
  const putBack = lookOnAt(records.port);
  return {
    onlooker: records.onlooker(() => {}),
    close() {
      records.end();
      putBack();
      writer.close();
    },
  };
}

/** The file that a class is in, and what it says: to tell whether it has changed. */
export function fileOf(Class: ActorClass, program: string | undefined): Pick<ActorIntroduced, "file"> {
  const said: unknown = Object.hasOwn(Class, "module") ? Reflect.get(Class, "module") : program;
  if (typeof said !== "string") return {};
  try {
    const path = fileURLToPath(said);
    return { file: { path, digest: createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 16) } };
  } catch {
    return {};
  }
}
