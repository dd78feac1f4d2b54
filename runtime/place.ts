// What a pool knows of one of its members: how many tasks it has, and how many it may have at a time. Where a task takes
// less time than the way to the member and back, it is given some ahead, so that it does not wait for the next.

/** What is given ahead takes about so long: a member that is idle meanwhile would not have been much faster. */
const aheadMs = 0.5;
const tasksMax = 32;
/** How much the latest task counts for what is thought of the next. */
const share = 1 / 8;

export class Place<M> {
  readonly member: M;
  /** The tasks that it has. */
  given = 0;
  readonly #isFar: boolean;
  /** Whether what it has may be what ended the one who had it before. */
  isAlone = false;
  /** How long a task takes, as far as is known: long, until it is known. */
  #taskMs = aheadMs;
  #since = 0;

  constructor(member: M, isFar: boolean) {
    this.member = member;
    this.#isFar = isFar;
  }

  /** How many more tasks it may be given now. */
  get room(): number {
    if (this.given === 0) return 1;
    if (!this.#isFar || this.isAlone) return 0;
    return Math.max(0, Math.min(Math.floor(aheadMs / this.#taskMs), tasksMax) - this.given);
  }

  begin(now: number, isAlone: boolean): void {
    if (this.given++ === 0) this.#since = now;
    this.isAlone = isAlone;
  }

  /** A task has ended: what it took is what has passed since it was given, or since the one before it ended. */
  end(now: number): void {
    this.given--;
    this.isAlone = false;
    this.#taskMs += (now - this.#since - this.#taskMs) * share;
    this.#since = now;
  }
}
