// What Kafka's and the network's errors mean here, in words, with the cure where there is one.
import { isShoalError, ShoalError } from "../error.ts";

/** Kafka's numbers that somebody here reacts to. */
export const errors = {
  offsetOutOfRange: 1,
  unknownTopic: 3,
  leaderNotAvailable: 5,
  notLeader: 6,
  requestTimedOut: 7,
  tooLarge: 10,
  notEnoughReplicas: 19,
  notEnoughReplicasAfterAppend: 20,
  topicExists: 36,
  outOfOrderSequence: 45,
  duplicateSequence: 46,
  invalidProducerEpoch: 47,
  unknownProducer: 59,
} as const;

const passing: ReadonlySet<number> = new Set([
  // Also what a topic answers that was made a moment ago, of a broker that has not heard of it.
  errors.unknownTopic,
  errors.leaderNotAvailable,
  errors.notLeader,
  errors.requestTimedOut,
  errors.notEnoughReplicas,
  errors.notEnoughReplicasAfterAppend,
  // Of the network, a broker that starts or loads, one that is fenced, a disk that went away, an older leader's epoch.
  8,
  9,
  13,
  14,
  15,
  16,
  41,
  56,
  72,
  74,
  75,
  76,
  78,
  100,
]);

/** That somebody may not do something, by the number of what may not be done. */
const rights: ReadonlyMap<number, string> = new Map([
  [29, "rights on its topics are missing (READ, WRITE, DESCRIBE, CREATE, DESCRIBE_CONFIGS and DELETE are wanted)"],
  [31, "rights on the cluster are missing (CREATE, and IDEMPOTENT_WRITE before Kafka 2.8)"],
  [58, "its user or password is wrong"],
]);

const words: ReadonlyMap<number, string> = new Map([
  [3, "there is no such topic"],
  [7, "it did not come through to all replicas in time"],
  [10, "a record is larger than the topic's max.message.bytes"],
  [17, "the topic's name is none"],
  [19, "too few replicas are in step (min.insync.replicas)"],
  [20, "too few replicas are in step (min.insync.replicas)"],
  [35, "the broker is too old; 2.4 or later is wanted"],
  [38, "more replicas are wanted than there are brokers; set replicas= to fewer"],
  [44, "the cluster's policy forbids it"],
  [56, "its disk failed"],
]);

/** With these a record may stand all the same: on some replicas, or on all of them a little later. */
const undecided: ReadonlySet<number> = new Set([
  errors.requestTimedOut,
  errors.notEnoughReplicasAfterAppend,
  errors.duplicateSequence,
  56,
]);

/** An error that a broker answered with. */
export class KafkaTrouble extends ShoalError {
  readonly number: number;

  constructor(number: number, what: string, message?: string) {
    const why = rights.get(number) ?? words.get(number) ?? message ?? "it said no more";
    const code = rights.has(number) ? "Unauthorized" : number === errors.tooLarge ? "TooLarge" : "Unavailable";
    super(code, `Cannot ${what}: ${why} (Kafka's error ${number})`, {
      outcome: undecided.has(number) ? "unknown" : "failed",
    });
    this.number = number;
  }
}

export const isNumber = (error: unknown, ...numbers: readonly number[]): boolean =>
  error instanceof KafkaTrouble && numbers.includes(error.number);

/** Whether a while later, or at another broker, it may well work. */
export function isPassing(error: unknown): boolean {
  if (error instanceof KafkaTrouble) return passing.has(error.number);
  return isShoalError(error, "Unavailable");
}

const causes: ReadonlyMap<string, string> = new Map([
  ["ECONNREFUSED", "nothing answers there; is the broker running, and the port right?"],
  ["ENOTFOUND", "there is no such name; check it for a slip"],
  ["EAI_AGAIN", "the name cannot be looked up; check it, and this machine's DNS"],
  ["ECONNRESET", "it ended the connection; is TLS or a log-in wanted there?"],
  ["EHOSTUNREACH", "no way leads there from this machine"],
  ["ETIMEDOUT", "nothing answers there; is a firewall in between?"],
  ["EPROTO", "it does not speak TLS; is tls= wanted at this port?"],
]);

/** Why a socket failed, in words. */
export function refusedBecause(error: unknown): string {
  const { code = "", message = "" } = error as { readonly code?: string; readonly message?: string };
  if (/SELF_SIGNED|UNABLE_TO|CERT_|ALTNAME/.test(code) || /certificate/i.test(message)) {
    return `its certificate is not trusted (${code === "" ? message : code}); name the one who signed it with ca=`;
  }
  if (/wrong version number|WRONG_VERSION/i.test(`${code} ${message}`)) return causes.get("EPROTO")!;
  return causes.get(code) ?? (message === "" ? code : message);
}
