// Circles of asks: an ask that would close one is refused at once, and nothing else is.
import { Actor, type ActorRef, isShoalError } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { checked, followed, gate, inSystem, macrotask, type WorldSystem } from "./world.ts";
import { scene } from "./server.ts";

/* oxlint-disable unicorn/no-thenable -- odd thenables are what is tested */

// ——— circles

class Node extends Actor {
  readonly heard: string[] = [];
  async through(path: readonly ActorRef<Node>[]): Promise<string> {
    const [next, ...rest] = path;
    return next === undefined ? this.self.id : `${this.self.id} ${await next.ask("through", rest)}`;
  }
  async later(path: readonly ActorRef<Node>[]): Promise<string> {
    const [next, ...rest] = path;
    for (let i = 0; i < 3; i++) await Promise.resolve();
    await macrotask();
    return next === undefined ? this.self.id : `${this.self.id} ${await next.ask("later", rest)}`;
  }
  async *flow(path: readonly ActorRef<Node>[]): AsyncGenerator<string> {
    const [next, ...rest] = path;
    yield this.self.id;
    if (next !== undefined) { for await (const id of next.stream("flow", rest)) yield id; }
  }
  async collect(path: readonly ActorRef<Node>[]): Promise<string> {
    const [next, ...rest] = path;
    const ids = [this.self.id];
    if (next !== undefined) { for await (const id of next.stream("flow", rest)) ids.push(id); }
    return ids.join(" ");
  }
  /** Asks, and does not wait for it. */
  launchAsk(plan: { to: ActorRef<Node>; path: readonly ActorRef<Node>[] }): void {
    void plan.to.ask("slowly", plan.path).then(
      (text) => this.heard.push(text),
      (error: unknown) => this.heard.push(String(error)),
    );
  }
  async slowly(path: readonly ActorRef<Node>[]): Promise<string> {
    await scene.door.opened;
    return await this.through(path);
  }
  async busy(): Promise<void> {
    await macrotask();
    await macrotask();
  }
  async both(plan: { left: ActorRef<Node>; right: ActorRef<Node>; bottom: ActorRef<Node> }): Promise<string[]> {
    return await Promise.all([plan.left.ask("later", [plan.bottom]), plan.right.ask("later", [plan.bottom])]);
  }
  async patient(plan: { to: ActorRef<Node>; path: readonly ActorRef<Node>[] }): Promise<string> {
    try {
      return await plan.to.ask("later", plan.path, { timeoutMs: 1_000 });
    } catch (error) {
      return isShoalError(error) ? error.code : "other";
    }
  }
  words(): string[] {
    return this.heard;
  }
}

/** A circle is refused at once, names the chain, and leaves everybody able to work. */
async function circular(
  system: WorldSystem,
  nodes: readonly ActorRef<Node>[],
  method: "through" | "later" | "collect",
): Promise<void> {
  const call = followed(nodes[0]!.ask(method, [...nodes.slice(1), nodes[0]!]));
  await system.environment.settle();
  const error = checked(call.ended, "HandlerError", "done");
  assert.match(error.message, /BadInput|each would wait/);
  const chain = [...nodes, nodes[0]!].map(({ id }) => `Node ${id}`);
  const named = nodes.map((_, i) => [...chain.slice(i, -1), ...chain.slice(0, i + 1)].join(" → "));
  assert.ok(named.some((text) => error.message.includes(text)), `${error.message} does not name ${named.at(-1)}`);
  for (const node of nodes) assert.equal(await node.ask("through", []), node.id);
}

for (const method of ["through", "later", "collect"] as const) {
  test(`circle: of 1, 2, 3 and 5 is BadInput where it would close, and names the chain: ${method}`, async () => {
    for (const length of [1, 2, 3, 5]) {
      await inSystem({}, async (system) => {
        const nodes = await Promise.all(
          Array.from({ length }, () => system.spawn(Node, undefined, { supervision: { on: "resume" } })),
        );
        await circular(system, nodes, method);
      });
    }
  });
}

test("circle: the one who would close it can go on: the error is a value like any other", async () => {
  await inSystem({}, async (system) => {
    const [a, b] = [await system.spawn(Node), await system.spawn(Node)];
    const call = followed(a.ask("later", [b, a]));
    await system.environment.settle();
    checked(call.ended, "HandlerError");
    assert.equal(await a.ask("patient", { to: a, path: [] }), "BadInput");
    assert.equal(await a.ask("patient", { to: b, path: [] }), b.id);
  });
});

test("circle: a diamond is none, nor a long chain, nor two asks to the same actor", async () => {
  await inSystem({}, async (system) => {
    const [top, left, right, bottom] = await Promise.all([0, 1, 2, 3].map(() => system.spawn(Node)));
    const answer = await top!.ask("both", { left: left!, right: right!, bottom: bottom! });
    assert.deepEqual(answer, [`${left!.id} ${bottom!.id}`, `${right!.id} ${bottom!.id}`]);
    const same = await top!.ask("both", { left: left!, right: left!, bottom: bottom! });
    assert.deepEqual(same, [answer[0], answer[0]]);
    const chain = await Promise.all(Array.from({ length: 200 }, () => system.spawn(Node)));
    assert.equal(await chain[0]!.ask("through", chain.slice(1)), chain.map(({ id }) => id).join(" "));
  });
});

test("circle: an ask in flight from an earlier handler, which nobody waits for, is none", async () => {
  await inSystem({}, async (system) => {
    const [a, b] = [await system.spawn(Node), await system.spawn(Node)];
    scene.door = gate();
    await a.ask("launchAsk", { to: b, path: [a] });
    // Now another handler of a runs while b, on behalf of the first, asks a.
    const busy = followed(a.ask("busy"));
    scene.door.open();
    await system.environment.settle();
    assert.ok(busy.ended !== undefined);
    assert.deepEqual(await a.ask("words"), [`${b.id} ${a.id}`]);
  });
});

test("circle: an ask in flight from started, which nobody waits for, is none", async () => {
  class Starter extends Node {
    readonly other: ActorRef<Node>;
    constructor(other: ActorRef<Node>) {
      super();
      this.other = other;
    }
    override started(): void {
      const self = this.self as unknown as ActorRef<Node>;
      const heard = (text: unknown): void => void this.heard.push(String(text));
      void this.other.ask("slowly", [self]).then(heard, heard);
    }
  }
  await inSystem({}, async (system) => {
    scene.door = gate();
    const other = await system.spawn(Node);
    const starter = await system.spawn(Starter, other);
    const busy = followed(starter.ask("busy"));
    scene.door.open();
    await system.environment.settle();
    assert.ok(busy.ended !== undefined);
    assert.deepEqual(await starter.ask("words"), [`${other.id} ${starter.id}`]);
  });
});

test("circle: one that was waited for and has ended is none any more", async () => {
  await inSystem({}, async (system) => {
    const [a, b] = [await system.spawn(Node), await system.spawn(Node)];
    for (let i = 0; i < 3; i++) {
      assert.equal(await a.ask("later", [b]), `${a.id} ${b.id}`);
      assert.equal(await b.ask("later", [a]), `${b.id} ${a.id}`);
    }
    const both = await Promise.allSettled([a.ask("later", [b]), b.ask("later", [a])]);
    // These two may close a circle, if each asks while the other waits: one of them then fails, and nobody hangs.
    assert.ok(both.filter(({ status }) => status === "rejected").length <= 1);
  });
});

test("circle: an ask that was answered is none, while its handler goes on", async () => {
  class Patient extends Node {
    async askAndStay(other: ActorRef<Node>): Promise<string> {
      const answer = await other.ask("through", []);
      await scene.door.opened;
      return answer;
    }
  }
  await inSystem({}, async (system) => {
    scene.door = gate();
    const [patient, other] = [await system.spawn(Patient), await system.spawn(Node)];
    const stays = followed(patient.ask("askAndStay", other));
    await system.environment.settle();
    const back = followed(other.ask("later", [patient]));
    await system.environment.settle();
    assert.equal(back.ended, undefined, `it waits for its turn: ${String(back.ended?.error)}`);
    scene.door.open();
    await system.environment.settle();
    assert.deepEqual(stays.ended, { value: other.id });
    assert.deepEqual(back.ended, { value: `${other.id} ${patient.id}` });
  });
});

test("circle: through the starting of a child that asks its parent is BadInput too", async () => {
  class Parent extends Actor {
    name(): string {
      return "parent";
    }
    async make(): Promise<string> {
      const me = this.self as unknown as ActorRef<Parent>;
      const child = await this.spawn(Child, me);
      return child.id;
    }
  }
  class Child extends Actor {
    readonly parent: ActorRef<Parent>;
    constructor(parent: ActorRef<Parent>) {
      super();
      this.parent = parent;
    }
    override async started(): Promise<void> {
      await this.parent.ask("name");
    }
  }
  await inSystem({}, async (system) => {
    const parent = await system.spawn(Parent, undefined, { supervision: { on: "resume" } });
    const call = followed(parent.ask("make"));
    await system.environment.settle();
    const error = checked(call.ended, "HandlerError", "done");
    assert.match(error.message, /each would wait for the next/);
    assert.equal(await parent.ask("name"), "parent");
  });
});

test("circle: random plans of nested asks never hang: each ends as a value or as a circle that is there", async () => {
  const plans = fc.array(fc.array(fc.nat(3), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 4 });
  await property(
    [plans, fc.constantFrom("through", "later", "collect"), fc.boolean()],
    async (paths, method, strict) => {
      await inSystem({ strict }, async (system) => {
        const nodes = await Promise.all(
          [0, 1, 2, 3].map(() => system.spawn(Node, undefined, { supervision: { on: "resume" } })),
        );
        const calls = paths.map(([first, ...rest]) =>
          followed(nodes[first!]!.ask(method as "through", rest.map((i) => nodes[i]!)))
        );
        await system.environment.settle();
        for (const [i, { ended }] of calls.entries()) {
          assert.ok(ended !== undefined, `${paths[i]} hangs`);
          const repeats = new Set(paths[i]).size < paths[i]!.length;
          if (ended.error === undefined) {
            assert.ok(!repeats, `${paths[i]} visits an actor that waits for it, and was answered`);
            assert.equal(ended.value, paths[i]!.map((at) => nodes[at]!.id).join(" "));
          } else {
            assert.match(String(ended.error), /each would wait for the next/);
            assert.ok(repeats || paths.length > 1, `${paths[i]} alone is no circle`);
          }
        }
        for (const node of nodes) assert.equal(await node.ask("through", []), node.id);
      });
    },
    { runs: 150 },
  );
});

test("circle: a chain of 20,000 handlers that wait is searched, not climbed", async () => {
  // A reference is bound to whoever holds it: each is constructed with its own of the next.
  class Link extends Actor {
    readonly next: ActorRef<Link> | undefined;
    constructor(next?: ActorRef<Link>) {
      super();
      this.next = next;
    }
    async through(): Promise<number> {
      if (this.next !== undefined) return 1 + await this.next.ask("through");
      await scene.door.opened;
      return 1;
    }
    async first(): Promise<number> {
      await macrotask();
      return await this.next!.ask("through");
    }
  }
  await inSystem({}, async (system) => {
    scene.door = gate();
    let head = await system.spawn(Link);
    const last = head;
    for (let i = 1; i < 20_000; i++) head = await system.spawn(Link, head);
    const whole = followed(head.ask("through"));
    await system.environment.settle();
    const late = await system.spawn(Link, head);
    const call = followed(late.ask("first"));
    await system.environment.settle();
    assert.equal(call.ended, undefined, `it waits for its turn: ${String(call.ended?.error)}`);
    scene.door.open();
    await system.environment.settle();
    assert.deepEqual(whole.ended, { value: 20_000 });
    assert.deepEqual(call.ended, { value: 20_000 });
    assert.equal(await last.ask("through"), 1);
  });
});
