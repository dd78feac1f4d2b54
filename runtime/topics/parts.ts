// What a publication and a reading of a topic stand on. Types only.

import type { Claims, Logs, TensorRef } from "../../stores/store.ts";
import type { Deadlines } from "../deadlines.ts";
import type { Environment } from "../environment.ts";
import type { TopicReadOptions } from "../topic.ts";
import type { Credit } from "./credit.ts";
import type { Head, TopicNames } from "./frames.ts";
import type { Members } from "./members.ts";
import type { Held } from "./retained.ts";
import type { Opened } from "./values.ts";

export interface PublicationParts {
  readonly topic: string;
  readonly members: Members;
  /** The publisher, and its claim and log. */
  readonly publisher: string;
  readonly name: string;
  readonly logs: Logs;
  readonly claims: Claims;
  readonly environment: Environment;
  readonly deadlines: Deadlines;
  readonly credit: Credit;
  readonly hasCredit: boolean;
  readonly retainBytes: number;
  readonly waitingMax: number;
  /** Ends its waits when it is to end. */
  readonly controller: AbortController;
  hold(tensors: readonly TensorRef[]): Held;
  release(held: Held): void;
  /** The tensors that an entry of an earlier process references. */
  tensorsIn(frame: Uint8Array): readonly TensorRef[];
  /** Its log is there: whoever looks finds it. */
  opened(): void;
  /** Something went wrong that nobody was there to hear. */
  say(text: string): void;
}

export interface ReadingParts {
  readonly topic: string;
  readonly names: TopicNames;
  readonly members: Members;
  /** The reader itself, and its claim and log. */
  readonly reader: string;
  readonly name: string;
  /** When whoever had this name before is done. */
  readonly before: Promise<void> | undefined;
  readonly logs: Logs;
  readonly claims: Claims;
  readonly environment: Environment;
  readonly idleTimeoutMs: number;
  readonly options: TopicReadOptions;
  /** Whether how far it is counts only once it is committed. */
  readonly isDurable: boolean;
  /** Refuses a reader whose life has ended. */
  alive(): void;
  /** The value of an entry, as the reader's own, and what keeps the tensors that it references. */
  open(frame: Uint8Array, head: Head): Opened;
  release(held: Held, isRead: boolean): void;
  /** Tells of the end of the actor that publishes; the answer stops that. */
  watch(publisher: string, ended: (why: string, isLost: boolean) => void): () => void;
  /** Calls back when a publisher of this thread has begun; the answer stops that. */
  onPublisher(look: () => void): () => void;
  closed(): void;
  /** Nobody waits for it any more: its name may be another's. */
  left(): void;
}
