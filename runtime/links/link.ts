// How mail crosses from one node to another, whatever lies between: a port, a socket, a log. A link knows nothing of
// what it carries, and promises little; the delivery core above it makes order and once-only of that. Types only.

/** Text where a packet has no arrays in it: most links carry that faster. */
export type Packet = string | Uint8Array;

/** One node's end of all its ways to others. */
export interface Link {
  /**
   * Sends a packet to a node. It may be lost, repeated, late or overtaken, but is never changed and never cut off.
   * It never throws: what cannot be carried is lost. The packet is the link's own from here on.
   */
  send(node: string, packet: Packet): void;
  close(): void | Promise<void>;
}

/** Whom a link tells what comes. */
export interface Receiver {
  /** A packet from whomever; it is checked before it is believed, and is the receiver's own. */
  packet(packet: Packet): void;
  /** There is a way to this node, for the first time or again: what waits for it need not wait for its timer. */
  linked(node: string): void;
  /** That way is gone; another may be there. */
  parted?(node: string): void;
}

/** Who sends over a link. */
export interface Sender {
  /** Which process of its node it is, 0 before that is known. */
  epoch(): number;
}

/** Opens a node's link. */
export type Linking = (receiver: Receiver, sender: Sender) => Link;
