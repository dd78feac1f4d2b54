// What an actor does not do to itself and others: wrong messages by timers and watches, wrong children.
import { Actor, type ActorRef, type Ended } from "../../../runtime/mod.ts";

class Child extends Actor {
  readonly #size: number;
  constructor(size: number) {
    super();
    this.#size = size;
  }
  size(): number {
    return this.#size;
  }
}

export class Ticker extends Actor<Ticker> {
  tick(count: number): void {
    void count;
  }
  idle(): void {}
  over(ended: Ended): void {
    void ended;
  }
  async *values(): AsyncGenerator<number> {
    yield 1;
  }

  async work(child: ActorRef<Child>): Promise<void> {
    this.after(10, "tock", 1); // rejected: no such method
    this.after(10, "tick", "1"); // rejected: wrong argument
    this.after(10, "tick"); // rejected: missing argument
    this.after("10", "tick", 1); // rejected: wrong delay
    this.every(10, "values"); // rejected: a generator
    this.every(10, "started"); // rejected: life cycle
    this.every(10, "idle", 1); // rejected: takes none
    this.watch(child, "gone"); // rejected: no such method
    this.watch(child, "tick"); // rejected: takes no Ended
    this.watch("main/1", "over"); // rejected: no reference
    await this.spawn(Child, "1"); // rejected: wrong input
    await this.spawn(Child); // rejected: missing input
    await this.spawn(Child, 1, { nmae: "child" }); // rejected: unknown option
    await this.pool(Child, { size: 1, input: "1" }); // rejected: wrong input
    await this.self.ask("tick", "1"); // rejected: wrong argument
    await this.self.ask("work"); // rejected: missing argument
    await child.ask("tick", 1); // rejected: another class
    this.store = undefined; // rejected: not the actor's to set
    this.log.inform("x"); // rejected: no such level
  }
}

export class Nameless extends Actor {
  tick(): void {}
  work(): void {
    this.after(10, "tick"); // rejected: an actor that sends to itself names itself
  }
}

export class Misnamed extends Actor {
  started(): number { // rejected: started answers nothing
    return 1;
  }
  override log = 1; // rejected: what actors are made of
}

export class Taker extends Actor {
  // rejected: a store is no method
  override store(): void {}
}
