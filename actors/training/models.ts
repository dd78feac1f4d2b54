// Models that users build: a module below the working directory, or one of shoal's own, exports a function that makes
// one. What comes back is checked before anything is trained with it.

import { realpathSync } from "node:fs";
import { isAbsolute, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ShoalError } from "../../runtime/mod.ts";
import type { LayersModel, Library } from "./tensorflow.ts";

/** What a module of a model exports as its default, or under the name that is asked for. */
export type ModelBuilder<Input = unknown> = (
  library: Library,
  input: Input,
) => LayersModel | Promise<LayersModel>;

/** Which model: plain data, so that it travels in a message. */
export interface ModelSource {
  /** `cnn`, or a path of a module; relative ones begin at the working directory. */
  readonly module: string;
  /** Its function's name; `default` unless said. */
  readonly name?: string;
  /** What the function is given. */
  readonly input?: ModelInput;
}

/** What a builder can be given. */
export interface ModelInput {
  readonly [name: string]: number | string | boolean | readonly number[];
}

// Sources are built in by their sources, and what is compiled from them by its outputs.
const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
const builtIn: Readonly<Record<string, string>> = { cnn: new URL(`./cnn${extension}`, import.meta.url).href };

/** The function that a source names. */
export async function builderOf({ module, name = "default" }: ModelSource): Promise<ModelBuilder> {
  const url = Object.hasOwn(builtIn, module) ? builtIn[module]! : located(module);
  let exports: { readonly [name: string]: unknown };
  try {
    exports = await import(url) as { readonly [name: string]: unknown };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ShoalError("BadInput", `Cannot load model ${module}: ${why}`, { cause: error });
  }
  const build = Object.hasOwn(exports, name) ? exports[name] : undefined;
  if (typeof build === "function") return build as ModelBuilder;
  const functions = Object.keys(exports).filter((each) => typeof exports[each] === "function");
  throw new ShoalError(
    "BadInput",
    `Cannot load model ${module}: it exports no function ${name}; ` +
      (functions.length > 0 ? `its functions are ${functions.join(", ")}` : "it exports no function at all"),
  );
}

/** Code is loaded from below the working directory only, whoever sends its name. */
function located(module: string): string {
  const path = module.startsWith("file:") ? fileURLToPath(module) : resolve(module);
  let real: string;
  try {
    real = realpathSync(path);
  } catch (error) {
    throw new ShoalError(
      "BadInput",
      `Cannot load model ${module}: there is no such file; known by name are ${Object.keys(builtIn).join(", ")}`,
      { cause: error },
    );
  }
  const below = relative(realpathSync(process.cwd()), real);
  if (below.startsWith("..") || isAbsolute(below)) {
    throw new ShoalError(
      "BadInput",
      `Cannot load model ${module}: it is not below the working directory; start from a folder above it`,
    );
  }
  return pathToFileURL(real).href;
}

/** A model that has one input and one output of known shapes, and layers that can learn; anything else is an error. */
export function checkedModel(model: unknown, what: string): LayersModel {
  const given = model as Partial<LayersModel> | null | undefined;
  if (typeof given?.apply !== "function" || !Array.isArray(given.layers) || !Array.isArray(given.inputs)) {
    throw new ShoalError(
      "BadInput",
      `Cannot train ${what}: its function returned ${
        given === null ? "null" : typeof given
      }, expected a model of tfjs-layers`,
    );
  }
  const { inputs, outputs, layers } = given as LayersModel;
  if (inputs.length !== 1 || outputs.length !== 1) {
    throw new ShoalError(
      "BadInput",
      `Cannot train ${what}: it has ${inputs.length} inputs and ${outputs.length} outputs, expected one of each`,
    );
  }
  if ([...inputs[0]!.shape.slice(1), ...outputs[0]!.shape.slice(1)].some((size) => size === null)) {
    throw new ShoalError(
      "BadInput",
      `Cannot train ${what}: its shapes are open (${shown(inputs[0]!.shape)} to ${shown(outputs[0]!.shape)}); ` +
        "give its first layer an inputShape without null",
    );
  }
  for (const layer of layers) {
    const { dilationRate } = layer.getConfig() as { readonly dilationRate?: unknown };
    const isDilated = [dilationRate ?? 1].flat().some((rate) => rate !== 1);
    if (!isDilated || layer.trainableWeights.length === 0) continue;
    throw new ShoalError(
      "BadInput",
      `Cannot train ${what}: layer ${layer.name} has dilationRate ${
        String(dilationRate)
      }, and TensorFlow.js has no gradient of it; use 1, or make the layer not trainable`,
    );
  }
  return given as LayersModel;
}

const shown = (shape: readonly (number | null)[]): string => shape.map((size) => size ?? "any").join(" × ");
