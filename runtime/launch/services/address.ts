// By which address other nodes of a job reach this one: that of the network which is named, else of the one that its own
// name leads to.

import { lookup } from "node:dns/promises";
import { hostname, networkInterfaces } from "node:os";
import { ShoalError } from "../../../stores/error.ts";

const isLoopback = (address: string): boolean => /^(127\.|::1$)/.test(address);

/** Throws where there is no such network here, and names those that there are. */
export async function addressHere(network: string | undefined): Promise<string> {
  const all = Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses.filter(({ family }) => family === "IPv4").map(({ address }) => ({ name, address }))
  );
  if (network !== undefined) {
    const found = all.find(({ name }) => name === network);
    if (found !== undefined) return found.address;
    const known = [...new Set(all.map(({ name }) => name))].join(", ");
    const cure = `there are ${known}: write interface = "…" into the site's file, or leave it out`;
    throw new ShoalError("BadInput", `Cannot listen on ${network}: ${hostname()} has no such network; ${cure}`);
  }
  const named = await lookup(hostname(), { family: 4 }).then(({ address }) => address, () => undefined);
  const own = all.find(({ address }) => address === named && !isLoopback(address)) ??
    all.find(({ address }) => !isLoopback(address));
  return own?.address ?? "127.0.0.1";
}
