// A node in a process of its own beside the tests of links: says where it listens, and does what it is told.

import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { linked, type LinkedOptions, type Said, type Told } from "./nodes.ts";

const say = (said: Said): void => void writeSync(1, `${JSON.stringify(said)}\n`);

const node = await linked(JSON.parse(process.argv[2] ?? "{}") as LinkedOptions);
say({ path: node.sockets?.path });
for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line) as Told;
  if ("connect" in told) node.sockets?.connect(...told.connect);
  else {
    const counts = node.log?.counts(told.close);
    await node.close();
    say({ counts: counts && { sent: { ...counts.sent }, received: { ...counts.received } } });
    break;
  }
}
process.exit();
