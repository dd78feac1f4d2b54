// Topics that the compiler must refuse: what may not be sent, what is not of the topic's type, and what no member takes.
import { Actor, type System } from "../../../runtime/mod.ts";

class Member extends Actor {
  look(text: string): number {
    return text.length;
  }
}

export async function program(system: System): Promise<void> {
  const numbers = system.topic<number>("numbers");
  await numbers.publish("one"); // rejected: no number
  await system.topic<() => void>("calls").publish(() => {}); // rejected: functions are not sent
  const pool = await system.pool(Member, { size: 1 });
  pool.share("look", numbers.read()); // rejected: it takes texts
  pool.share("seek", numbers.read()); // rejected: no such message
  system.topic("numbers", { creditMessages: 3 }); // rejected: no such option
  numbers.read({ from: "end" }); // rejected: neither start, now nor a cursor
}
