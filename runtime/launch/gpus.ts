// Which of a node's GPUs a process may use: said in its environment before any framework loads, since each looks there
// once.

import { readdirSync } from "node:fs";
import { ShoalError } from "../../stores/error.ts";

const gpusMax = 1_024;

/** The devices of a node: `0,1,2,3`, tiles as in `0.0,0.1`, or the names that CUDA knows them by. */
export function readGpus(what: string, text: string): readonly string[] {
  const list = text.split(",").map((one) => one.trim());
  const wrong = list.find((one) => !/^[A-Za-z0-9][A-Za-z0-9_./-]{0,99}$/.test(one));
  if (wrong === undefined && list.length <= gpusMax && new Set(list).size === list.length) return list;
  const why = wrong === undefined ? "a GPU is named twice" : `${JSON.stringify(wrong)} is no GPU`;
  throw new ShoalError("BadInput", `${what}: gpus is ${text}: ${why}; write the list of one node, as in 0,1,2,3`);
}

/** The numbers of those that this machine is seen to have; none where they are of a make that is not looked for. */
export function gpusHere(): readonly string[] {
  try {
    return readdirSync("/dev").flatMap((name) => /^nvidia(\d+)$/.exec(name)?.[1] ?? []).sort((a, b) => +a - +b);
  } catch {
    return [];
  }
}

/**
 * Refuses a number alone that is none of theirs: it is how many somebody wants. A list is believed, whatever is seen:
 * what makes of GPU there are, nobody knows.
 */
export function checkGpus(what: string, list: readonly string[], installed: readonly string[]): void {
  const [first = "", ...more] = list;
  if (more.length > 0 || !/^[1-9]\d*$/.test(first) || installed.includes(first)) return;
  const many = Array.from({ length: Math.min(Number(first), gpusMax) }, (_, gpu) => gpu);
  const text = many.length > 8 ? `0,1,…,${many.length - 1}` : many.join();
  const cure = installed.length > 0
    ? `there are ${installed.join()}`
    : `write which, and not how many, as in ${text}, or leave it out where there is none`;
  throw new ShoalError("BadInput", `${what}: gpus is ${first}: there is no GPU ${first}; ${cure}`);
}

/** Those of a list that are not there, as far as numbers tell. */
export const missingGpus = (list: readonly string[], installed: readonly string[]): readonly string[] =>
  list.filter((gpu) => /^\d+$/.test(gpu) && !installed.includes(gpu));

/** Those of the nth of all processes of a node: its part of them, or one that it shares where there are too few. */
export function gpusOf(gpus: readonly string[], nth: number, processes: number): readonly string[] {
  if (gpus.length < processes) return [gpus[nth % gpus.length]!];
  const at = (index: number): number => Math.floor(index * gpus.length / processes);
  return gpus.slice(at(nth), at(nth + 1));
}

/**
 * What shows a process these and no others, to CUDA, HIP and Level Zero; a tile is known to the last alone. What HIP
 * sees is chosen among what ROCR_VISIBLE_DEVICES leaves: that one stays the scheduler's.
 */
export function gpuVariables(gpus: readonly string[]): { readonly [name: string]: string } {
  const list = gpus.join(",");
  const isTiled = gpus.some((gpu) => /^\d+\.\d+$/.test(gpu));
  return {
    ZE_AFFINITY_MASK: list,
    ...(isTiled ? {} : { CUDA_VISIBLE_DEVICES: list, HIP_VISIBLE_DEVICES: list }),
  };
}

/** The nth process of a run that is spread over so many hosts, its head being the first. */
export interface Spread {
  readonly number: number;
  readonly processes: number;
  readonly hosts: number;
}

export function gpusOfProcess(gpus: readonly string[], spread: Spread): { readonly [name: string]: string } {
  return gpuVariables(partOf(gpus, spread));
}

function partOf(gpus: readonly string[], { number, processes, hosts }: Spread): readonly string[] {
  const host = number % hosts;
  const here = Math.ceil((processes - host) / hosts);
  return gpusOf(gpus, Math.floor(number / hosts) % here, here);
}

/** How many GPUs it is shown. Of one that several share each has its part. */
export function gpuCount(gpus: readonly string[] | undefined, spread: Spread): number {
  if (gpus === undefined) return 0;
  const { number, processes, hosts } = spread;
  const here = Math.ceil((processes - number % hosts) / hosts);
  return gpus.length < here ? gpus.length / here : partOf(gpus, spread).length;
}
