// Mail between two nodes through a store's logs, a stream each way: all that a store promises of logs is all that
// carries the messages here.
import { isShoalError } from "../../stores/error.ts";
import type { Logs, Position } from "../../stores/store.ts";
import type { Linking, Packet } from "../links/link.ts";

export interface MailParts {
  readonly logs: Logs;
  readonly node: string;
  readonly others: readonly string[];
  /** Of the node's process: what an older one still appends is refused. */
  readonly epoch: () => number;
  /** Waits before a store is asked again that did not answer. */
  readonly pause: () => Promise<void>;
}

const waitMs = 1_000;
const streamOf = (from: string, to: string): string => `mail/${from}>${to}`;

/** What a store does not take is lost, as a link may lose it: the delivery core says it again. */
export function mail({ logs, node, others, epoch, pause }: MailParts): Linking {
  return (receiver) => {
    const closing = new AbortController();
    const { signal } = closing;

    async function follow(from: string): Promise<void> {
      let after: Position | undefined;
      while (!signal.aborted) {
        try {
          const entries = await logs.read(streamOf(from, node), after, { waitMs, signal });
          for (const { frame, ...at } of entries) {
            after = { epoch: at.epoch, sequence: at.sequence };
            if (!signal.aborted) receiver.packet(packetIn(frame));
          }
        } catch (error) {
          if (signal.aborted || isShoalError(error, "ShuttingDown")) return;
          await pause();
        }
      }
    }

    for (const other of others) void follow(other);
    return {
      send(to, packet) {
        if (signal.aborted) return;
        void logs.append(streamOf(node, to), epoch(), [frameOf(packet)]).catch((error: unknown) => {
          // Lost, as a link may lose it; a call that was wrong is nothing that passes.
          if (!isShoalError(error) || error.code === "BadInput") throw error;
        });
      },
      close: () => closing.abort(),
    };
  };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const kinds = { text: 0, bytes: 1 } as const;

/** A log knows bytes only: the first says what the others are. */
function frameOf(packet: Packet): Uint8Array {
  const isText = typeof packet === "string";
  const body = isText ? encoder.encode(packet) : packet;
  const frame = new Uint8Array(1 + body.byteLength);
  frame[0] = isText ? kinds.text : kinds.bytes;
  frame.set(body, 1);
  return frame;
}

function packetIn(frame: Uint8Array): Packet {
  return frame[0] === kinds.text ? decoder.decode(frame.subarray(1)) : frame.slice(1);
}
