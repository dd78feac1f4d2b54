// Ready actors and the programs made of them, as plain values.

export { Reader, type Reading } from "./waves/reader.ts";
export { sine } from "./waves/sine.ts";
export { type Simulated, Wave, type WaveInput } from "./waves/wave.ts";

/** A program that `shoal run NAME` knows. */
export interface BuiltIn {
  readonly about: string;
  /** The URL of its module. */
  readonly module: string;
}

// The extension is that of this module: sources run as they are, and so does what is compiled from them.
const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));

export const programs: { readonly [name: string]: BuiltIn } = {
  waves: {
    about: "an ensemble of wave simulations, and an actor that reads what they made",
    module: new URL(`./waves/program${extension}`, import.meta.url).href,
  },
};
