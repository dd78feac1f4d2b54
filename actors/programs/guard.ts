// Ends the groups of processes that a process of ours leaves behind when it is killed: a small shell knows them all, and
// acts when the pipe that holds it is closed by the end of its maker.

import { type ChildProcess, spawn } from "node:child_process";

/** It has a group of its own, so that an interrupt from the terminal does not reach it. */
const script = `groups=" "
while read -r sign group; do
  case "$sign" in
    +) groups="$groups$group " ;;
    -) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done`;

let guardian: ChildProcess | undefined;
const guarded = new Set<number>();

function tell(line: string): void {
  if (guardian === undefined) {
    const started = spawn("/bin/sh", ["-c", script], { stdio: ["pipe", "ignore", "ignore"], detached: true });
    const lost = (): void => {
      if (guardian === started) guardian = undefined;
    };
    started.once("error", lost).once("exit", lost);
    started.stdin?.on("error", lost);
    // It keeps nobody alive: that its maker ends is what it waits for.
    started.unref();
    if (started.stdin !== null && "unref" in started.stdin && typeof started.stdin.unref === "function") {
      started.stdin.unref();
    }
    guardian = started;
    for (const group of guarded) started.stdin?.write(`+ ${group}\n`);
  }
  guardian.stdin?.write(line);
}

/** From here on this group ends with the process that we are. */
export function guard(group: number): void {
  tell(`+ ${group}\n`);
  guarded.add(group);
}

/** The group has ended by itself. */
export function unguard(group: number): void {
  guarded.delete(group);
  tell(`- ${group}\n`);
}
