// What carries texts between two processes for the bare loops: a socket, two Redis streams, two Kafka topics. Types only.

export interface Carrier {
  readonly settings: string;
  /** Sends a text to the other side; settles when more may be sent. */
  send(text: string): Promise<void> | undefined;
  close(): Promise<void>;
}

/** Opens one side: `near` is the one that was started first. */
export type Carriers = (
  where: string,
  run: string,
  side: "near" | "far",
  take: (text: string) => void,
) => Promise<Carrier>;
