// The one file that imports TensorFlow.js: its parts as values and as types, each loaded when it is first needed.
// Which backend computes is decided in `backends.ts`; a backend that cannot be had here is told with its reason.

import { createRequire } from "node:module";
import util from "node:util";
import type * as core from "@tensorflow/tfjs-core";
import type * as layers from "@tensorflow/tfjs-layers";
import { nativeFound, nativePackages } from "./native/place.ts";

export type {
  GradConfig,
  KernelConfig,
  NamedTensorMap,
  Optimizer,
  Rank,
  Scalar,
  Tensor,
  Tensor2D,
  Tensor4D,
  Tensor5D,
  TensorInfo,
  Variable,
} from "@tensorflow/tfjs-core";
export type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
export type { LayersModel } from "@tensorflow/tfjs-layers";

/** The operations of tfjs-core. */
export type Operations = typeof core;
/** The layers and models of tfjs-layers. */
export type Layers = typeof layers;

/** Both, as one thread has them. */
export interface Library {
  readonly tf: Operations;
  readonly layers: Layers;
}

let loading: Promise<Library> | undefined;

/** Loads tfjs-core and tfjs-layers; one copy of each a thread. */
export function library(): Promise<Library> {
  return loading ??= load();
}

async function load(): Promise<Library> {
  const tf = await import("@tensorflow/tfjs-core");
  // Its advice to install another backend would go to the program's output; what computes is said by us.
  tf.enableProdMode();
  return { tf, layers: await import("@tensorflow/tfjs-layers") };
}

/** Brings the backend on WebAssembly in. */
export async function loadWebAssembly(): Promise<void> {
  const { tf } = await library();
  const wasm = await import("@tensorflow/tfjs-backend-wasm");
  // The threaded build does not start in Node or Deno, and its failure would leave the plain backend, silently.
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  // Beside the package's main file; found by `require`, since a loader of a program's own may not resolve for modules.
  const main = createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(main.slice(0, Math.max(main.lastIndexOf("/"), main.lastIndexOf("\\")) + 1));
}

/** Brings the plain backend in. */
export async function loadPlain(): Promise<void> {
  await import("@tensorflow/tfjs-backend-cpu");
}

/** Brings the backend on WebGPU in. */
export async function loadWebGpu(): Promise<void> {
  await import("@tensorflow/tfjs-backend-webgpu");
}

/** Brings the native backend in, from where it is found first and loads; answers its name. */
export async function loadNative(): Promise<string> {
  // Functions of old that Node 23 and Deno no longer have, and that the native backend calls in each operation.
  Object.assign(util, { isNullOrUndefined: (value: unknown) => value === null || value === undefined });
  process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "2";
  const require = createRequire(import.meta.url);
  let reason: unknown = new Error(`neither ${nativePackages.join(" nor ")} is installed`);
  for (const { name, path } of nativeFound()) {
    try {
      require(path);
      return name;
    } catch (error) {
      reason = error;
    }
  }
  throw reason;
}
