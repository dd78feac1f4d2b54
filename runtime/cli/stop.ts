// `shoal stop RUN [--now]`: asks the head of a run to end, through the run directory, from any machine that sees it, and
// waits until it has.

import { hostname } from "node:os";
import { ShoalError } from "../../stores/error.ts";
import { viewRun } from "../run/catalogue.ts";
import { latestHead } from "../run/heads.ts";
import { runLayout, writeWhole } from "../run/layout.ts";
import { troubleIn } from "../run/trouble.ts";
import { cancelQueued, cancelRunning } from "./jobs.ts";
import { places, runOf } from "./places.ts";
import { duration } from "./terminal.ts";
import type { Request, Verb } from "./verb.ts";

const lookMs = 100;
/** So long a head that is asked to end at once may take, before its process is ended. */
const patienceMs = 5_000;

const verb: Verb = {
  usage: "shoal stop RUN [flags]",
  about: "Ends a run in order: what runs is finished and recorded, then it ends. shoal resume goes on later.",
  words: [1, 1],
  missing: "no run named; shoal status shows those that are running",
  example: "shoal stop 20260314",
  flags: () => [{
    title: "Flags",
    flags: {
      now: { default: false, about: "do not wait for what runs" },
      ...places,
      json: { default: false, about: "one object on stdout" },
      quiet: { default: false, about: "say nothing on the way" },
    },
  }],
  act: stop,
};
export default verb;

async function stop({ flags, words, terminal }: Request): Promise<number> {
  const directory = runOf(words[0]!, flags);
  const layout = runLayout(directory);
  const { identity, state } = viewRun(directory);
  const head = latestHead(layout);
  // One that waits would go on where this one ends.
  const cancelled = await cancelQueued(directory, head?.state === "alive", terminal);
  if (head?.state !== "alive" && cancelled > 0) {
    if (flags["json"] === true) terminal.result(JSON.stringify({ run: identity.run, directory, state, cancelled }));
    return 0;
  }
  if (head?.state !== "alive") {
    throw new ShoalError("BadInput", `Cannot stop ${identity.run}: it is not running, it is ${state}`);
  }
  const now = flags["now"] === true;
  try {
    writeWhole(layout.stop, `${JSON.stringify({ now })}\n`, false);
  } catch (error) {
    throw troubleIn(directory, `stop ${identity.run}`, error);
  }
  terminal.say(`asked ${identity.run} to end${now ? " at once" : "; what runs is finished first"}`);
  const startedAt = performance.now();
  let isEnded = false;
  while (true) {
    const latest = latestHead(layout);
    if (latest?.number !== head.number || latest.state !== "alive") break;
    const waitedMs = performance.now() - startedAt;
    // One that computes without a pause hears nothing.
    if (now && !isEnded && waitedMs > patienceMs && head.head?.host === hostname()) {
      isEnded = true;
      terminal.say(`it does not answer: ending process ${head.head.pid}`);
      process.kill(head.head.pid, "SIGKILL");
    } else if (now && !isEnded && waitedMs > patienceMs) {
      isEnded = true;
      // On another machine only its scheduler can end it.
      await cancelRunning(directory, terminal);
    }
    terminal.progress(`waiting for process ${head.head?.pid} on ${head.head?.host} for ${duration(waitedMs)}`);
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
  terminal.settle();
  const after = viewRun(directory);
  if (flags["json"] === true) terminal.result(JSON.stringify({ run: identity.run, directory, state: after.state }));
  else {terminal.say(
      `${identity.run} is ${after.state}${
        after.state === "interrupted" ? `; to go on: shoal resume ${identity.run}` : ""
      }`,
    );}
  return 0;
}
