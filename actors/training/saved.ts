// A network in the format of TensorFlow.js itself, as the two files that `loadLayersModel` reads: which layers there are,
// and their numbers.

import { Buffer } from "node:buffer";
import { ShoalError } from "../../runtime/mod.ts";
import type { LayersModel, Operations } from "./tensorflow.ts";

/** What the other file is called, as the first says. */
const weightsFile = "weights.bin";

/** The bytes of `model.json` and of `weights.bin`. */
export async function savedModel(
  tf: Operations,
  model: LayersModel,
): Promise<{ readonly model: Uint8Array; readonly weights: Uint8Array }> {
  let files: { readonly model: Uint8Array; readonly weights: Uint8Array } | undefined;
  await model.save(tf.io.withSaveHandler((artifacts) => {
    const { modelTopology, weightSpecs = [], weightData = [], generatedBy = "shoal" } = artifacts;
    const described = {
      format: "layers-model",
      generatedBy,
      convertedBy: null,
      modelTopology,
      weightsManifest: [{ paths: [weightsFile], weights: weightSpecs }],
    };
    files = {
      model: new TextEncoder().encode(JSON.stringify(described)),
      weights: new Uint8Array(Buffer.concat([weightData].flat().map((each) => new Uint8Array(each)))),
    };
    return Promise.resolve({ modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) });
  }));
  if (files === undefined) throw new ShoalError("Unavailable", "Cannot save the network: TensorFlow.js gave nothing");
  return files;
}
