// Acknowledgements wait for something to leave with: an answer, other mail, or a moment in which they are needed. Alone
// they would be as many packets as there are messages.

import type { AckFrame, Frame, MailFrame, NodeName } from "../delivery/protocol.ts";
import type { Environment } from "../environment.ts";

export interface HeldAcks {
  /** Mail has come in, and takes of what its sender was granted. */
  heard(frame: MailFrame): void;
  /** Keeps frames that only acknowledge; false where they are to leave now. */
  hold(node: NodeName, frames: readonly Frame[]): boolean;
  /** What leaves now, with what waits for the same node. */
  joined(node: NodeName, frames: readonly Frame[]): readonly Frame[];
  /** All that waits. */
  taken(): Iterable<readonly [NodeName, readonly Frame[]]>;
}

export interface HeldAcksParts {
  readonly environment: Pick<Environment, "later" | "after">;
  readonly mailboxMessagesMax: number;
  /** What waits is to leave. */
  release(): void;
}

/** What a stream's sender has last been told, and what has come since. */
interface Granted {
  limit: number;
  bytes: number;
  ack: AckFrame | undefined;
  isHeld: boolean;
}

/** How long an acknowledgement may wait that nobody needs yet: less than a sender waits before it asks. */
const waitMsMax = 5;
/** Mail that weighs more is acknowledged without delay: its sender keeps what it references until then. */
const bytesMax = 2 ** 16;
/** Streams whose state is kept when nothing waits. */
const streamsMax = 1_024;

/** An acknowledgement that opens such a part of a mailbox is worth a packet. */
const roomParts = 4;

const isAck = (frame: Frame): frame is AckFrame => frame.type === "ack";

export function heldAcks({ environment, mailboxMessagesMax, release }: HeldAcksParts): HeldAcks {
  const streams = new Map<string, Map<string, Granted>>();
  const held = new Map<NodeName, Granted[]>();
  let count = 0;
  let isSoon = false;
  let isWaiting = false;

  function grantedTo(source: string, destination: string): Granted {
    let known = streams.get(source);
    if (known === undefined) streams.set(source, known = new Map());
    let granted = known.get(destination);
    if (granted === undefined) {
      known.set(destination, granted = { limit: 0, bytes: 0, ack: undefined, isHeld: false });
      count++;
    }
    return granted;
  }

  function told(granted: Granted, { accepted, creditMessages }: AckFrame): void {
    granted.limit = accepted + creditMessages;
    granted.bytes = 0;
    granted.ack = undefined;
  }

  /** Whether its sender may soon have to wait for it, or has to be told what it does not expect. */
  function isNeeded({ limit, bytes }: Granted, ack: AckFrame): boolean {
    return ack.state !== "known" || ack.doubts.length > 0 || bytes > bytesMax ||
      (limit - ack.accepted) * 2 < Math.min(ack.creditMessages, mailboxMessagesMax);
  }

  /** Whether it makes room for so much that its sender can go on while the rest is handled. */
  function isWorth({ limit }: Granted, { accepted, creditMessages }: AckFrame): boolean {
    return limit > 0 && (accepted + creditMessages - limit) * roomParts >= mailboxMessagesMax;
  }

  function soon(): void {
    isSoon = false;
    release();
  }

  function waited(): void {
    isWaiting = false;
    if (held.size > 0) release();
    else if (count > streamsMax) {
      streams.clear();
      count = 0;
    }
  }

  return {
    heard({ source, destination, entries }) {
      let bytes = 0;
      for (const entry of entries) bytes += entry.bytes;
      if (bytes > 0) grantedTo(source, destination).bytes += bytes;
    },
    hold(node, frames) {
      let isUrgent = false;
      for (const frame of frames) {
        if (!isAck(frame)) return false;
        // What is said once is not to be replaced by what is said next.
        if (frame.state !== "known") return false;
      }
      let waiting = held.get(node);
      if (waiting === undefined) held.set(node, waiting = []);
      for (const ack of frames as readonly AckFrame[]) {
        const granted = grantedTo(ack.source, ack.destination);
        // The newest says all that those before it said.
        granted.ack = ack;
        if (!granted.isHeld) waiting.push(granted);
        granted.isHeld = true;
        if (!isNeeded(granted, ack)) continue;
        // In a long turn nothing that waits for its end would leave, and its sender would stand still meanwhile.
        if (isWorth(granted, ack)) return false;
        isUrgent = true;
      }
      if (isUrgent && !isSoon) {
        isSoon = true;
        environment.later(soon);
      } else if (!isSoon && !isWaiting) {
        isWaiting = true;
        environment.after(waitMsMax, waited);
      }
      return true;
    },
    joined(node, frames) {
      for (const frame of frames) if (isAck(frame)) told(grantedTo(frame.source, frame.destination), frame);
      const waiting = held.get(node);
      if (waiting === undefined) return frames;
      held.delete(node);
      const joined: Frame[] = [];
      for (const granted of waiting) {
        granted.isHeld = false;
        if (granted.ack === undefined) continue;
        joined.push(granted.ack);
        told(granted, granted.ack);
      }
      return joined.length === 0 ? frames : [...joined, ...frames];
    },
    *taken() {
      for (const node of held.keys()) yield [node, this.joined(node, [])];
    },
  };
}
