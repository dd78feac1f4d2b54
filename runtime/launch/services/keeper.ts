// What keeps a server of a run's own on another node than the head's: starts it, writes down where it is, and ends it
// when the head's own server is gone, which ends with the head, whatever becomes of that.

import { existsSync, readFileSync, realpathSync, writeSync } from "node:fs";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { ShoalError } from "../../../stores/error.ts";
import { type OwnPlace, ownServer } from "../../../stores/open.ts";
import { writeWhole } from "../../run/layout.ts";
import { addressHere } from "./address.ts";
import { runServer } from "./server.ts";

/** What a keeper is told, in a file that only its user can read. */
export interface Kept {
  readonly url: string;
  readonly folder: string;
  readonly passwordFile: string;
  readonly network: string | undefined;
  readonly share: number;
  /** Where it says that its server is ready. */
  readonly published: string;
  /** Of this start: what an earlier one has published is not meant. */
  readonly ticket: string;
  /** The head's own server. */
  readonly lifeline: OwnPlace;
}

/** A server as it is written down where the run lies. */
export interface Published extends OwnPlace {
  readonly ticket: string;
  readonly about: string;
}

const signMs = 5_000;
/** A head that a network keeps apart for longer has lost its run in any case. */
const silentMsMax = 60_000;

/** Settles when nobody answers there any more. */
function untilGone({ host, port }: OwnPlace): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let heardAt = performance.now();
    const timer = setInterval(() => {
      if (performance.now() - heardAt > silentMsMax) socket.destroy();
      // Refused or answered, it is a sign of life.
      else socket.write("PING\r\n");
    }, signMs);
    socket.on("data", () => heardAt = performance.now());
    socket.on("error", () => {});
    socket.once("close", () => {
      clearInterval(timer);
      resolve();
    });
  });
}

async function keep(file: string): Promise<void> {
  const told = JSON.parse(readFileSync(file, "utf8")) as Kept;
  const asked = await ownServer(told.url);
  if (asked === undefined) throw new ShoalError("BadInput", `Cannot keep a server: ${told.url} asks for none`);
  const { server, keeps } = asked;
  const { folder, share } = told;
  const password = readFileSync(told.passwordFile, "utf8");
  const running = await runServer({ server, folder, host: await addressHere(told.network), password, keeps, share });
  const { place, about } = running;
  const published: Published = { ...place, about, ticket: told.ticket };
  writeWhole(told.published, JSON.stringify(published), false);
  const why = await Promise.race([untilGone(told.lifeline).then(() => undefined), running.ended]);
  await running.stop();
  if (why !== undefined) throw new ShoalError("Unavailable", `Cannot keep ${about}: it has ended: ${why}`);
}

const [, entry = "", file] = process.argv;
if (file !== undefined && existsSync(entry) && realpathSync(entry) === fileURLToPath(import.meta.url)) {
  // Who leads the run ends it; a signal that was meant for all is not for this one.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  try {
    await keep(file);
    process.exit(0);
  } catch (error) {
    writeSync(2, `shoal: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}
