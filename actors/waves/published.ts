// What others have published of this workflow: seconds on A100 nodes of Polaris, of ALCF's examples (Parsl's futures,
// Parsl with files on Lustre, DragonHPC's dictionary). Their simulations wait 5 s each; their GPUs train.

export interface Published {
  readonly implementation: string;
  readonly nodes: number;
  readonly sims: number;
  readonly grid: number;
  readonly simulate: number;
  readonly simulateIo: number | null;
  readonly train: number;
  readonly trainIo: number | null;
}

const of = (nodes: number, sims: number, grid: number) =>
(
  implementation: string,
  simulate: number,
  simulateIo: number | null,
  train: number,
  trainIo: number | null,
): Published => ({ implementation, nodes, sims, grid, simulate, simulateIo, train, trainIo });

const [first, second, third, fourth] = [of(1, 32, 512), of(1, 64, 512), of(2, 64, 512), of(2, 64, 1024)];

export const published: readonly Published[] = [
  first("futures", 14.38, null, 26.59, null),
  first("files", 11.22, 0.094, 14.90, 0.422),
  first("dictionary", 7.01, 0.233, 17.92, 1.194),
  second("futures", 19.62, null, 49.22, null),
  second("files", 16.42, 0.09, 15.60, 0.48),
  second("dictionary", 11.86, 0.07, 21.84, 1.39),
  third("futures", 14.49, null, 75.60, null),
  third("files", 12.40, 0.11, 34.50, 2.15),
  third("dictionary", 6.84, 0.19, 28.46, 1.73),
  fourth("futures", 22.69, null, 349.29, null),
  fourth("files", 12.05, 0.42, 56.00, 6.29),
  fourth("dictionary", 8.08, 0.79, 64.41, 3.97),
];

/** Whose figures stand beside those of a way of ours. */
export function likeness(way: string): string {
  if (way === "inline") return "futures";
  return way.startsWith("file:") ? "files" : "dictionary";
}
