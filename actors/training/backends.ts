// Chooses where networks compute: the native backend where it is installed, else WebGPU where the machine has a
// processor for it, else WebAssembly, else the plain one. What was passed over is told, with its reason.

import { ShoalError } from "../../runtime/mod.ts";
import { chain } from "./chained.ts";
import { lackingGpus } from "./gpus.ts";
import type { Heap } from "./kernels/heap.ts";
import { registerKernels } from "./kernels/register.ts";
import { registerNative } from "./native/kernels.ts";
import type { BackendName } from "./network.ts";
import { type Library, library, loadNative, loadPlain, loadWebAssembly, loadWebGpu } from "./tensorflow.ts";

export const backendNames: readonly BackendName[] = ["tensorflow", "webgpu", "wasm", "cpu"];

export interface BackendOptions {
  /** Which one, and no other; the first that can be had unless said. */
  readonly backend?: BackendName;
  /** What `CUDA_VISIBLE_DEVICES` shall be when the native backend loads: one choice a process. */
  readonly gpus?: string;
}

/** A backend that computes in this thread. */
export interface Backend extends Library {
  readonly name: BackendName;
  /** A sentence for the output: what computes, and why not what is faster. */
  readonly said: string;
  /** The memory of the backend on WebAssembly. */
  readonly heap: Heap | undefined;
  /** Whether a convolution, its bias and its rectifier are one operation on it. */
  readonly isFused: boolean;
  /** Makes it the current one: to be called before each stretch of operations, since a thread may have several. */
  use(): void;
}

const opened = new Map<BackendName, Promise<Omit<Backend, "said"> & { readonly detail: string }>>();

/** Opens the backend that was asked for, or the fastest that can be had. */
export async function openBackend({ backend, gpus }: BackendOptions = {}): Promise<Backend> {
  if (backend !== undefined && !backendNames.includes(backend)) {
    throw new ShoalError(
      "BadInput",
      `Cannot open backend ${String(backend)}: there is none of this name; known are ${backendNames.join(", ")}`,
    );
  }
  if (gpus !== undefined) showGpus(gpus);
  const passed: string[] = [];
  for (const name of backend === undefined ? backendNames : [backend]) {
    try {
      const pending = opened.get(name) ?? open(name, backend !== undefined);
      opened.set(name, pending);
      const { detail, ...rest } = await pending;
      const why = passed.length > 0 ? `; not ${passed.join(", not ")}` : "";
      return { ...rest, said: `computing on ${name} (${detail})${why}` };
    } catch (error) {
      // It may be there when it is asked for again: a program may install it meanwhile.
      opened.delete(name);
      const reason = error instanceof Error ? error.message.split("\n")[0]! : String(error);
      if (backend !== undefined) {
        throw new ShoalError("Unavailable", `Cannot compute on ${name}: ${reason}; ${cures[name]}`, { cause: error });
      }
      passed.push(`${name}: ${reason}`);
    }
  }
  throw new ShoalError("Unavailable", `Cannot compute: no backend of TensorFlow.js starts; ${passed.join("; ")}`);
}

const cures: Readonly<Record<BackendName, string>> = {
  tensorflow: "shoal doctor --fix tensorflow builds it, or leave the backend out",
  webgpu: "use Deno on a machine with a graphics processor, or leave the backend out",
  wasm: "install the package again, or leave the backend out",
  cpu: "install the package again",
};

let shown: string | undefined;

/** The native library looks at the variable once, when it loads. */
function showGpus(gpus: string): void {
  const lacking = lackingGpus(gpus);
  if (lacking !== undefined) {
    throw new ShoalError("BadInput", `Cannot give GPUs to this process: ${lacking}; leave gpus out`);
  }
  if (opened.has("tensorflow") && shown !== gpus) {
    throw new ShoalError(
      "BadInput",
      `Cannot give GPUs ${gpus} to this process: its native backend runs with ${shown ?? "those that it found"}; ` +
        "spawn the actor on a node of its own",
    );
  }
  process.env["CUDA_VISIBLE_DEVICES"] = shown = gpus;
}

async function open(name: BackendName, isAsked: boolean): Promise<Omit<Backend, "said"> & { readonly detail: string }> {
  const { tf, layers } = await library();
  chain(tf);
  const detail = await load[name](isAsked);
  // A backend that fails to start is replaced by another without a word: what is current afterwards is what counts.
  const isStarted = await tf.setBackend(name);
  await tf.ready();
  if (!isStarted || tf.getBackend() !== name) throw new Error("it does not start on this machine");
  const heap = name === "wasm" ? registerKernels(tf) : undefined;
  if (name === "tensorflow") registerNative(tf);
  return {
    tf,
    layers,
    name,
    detail,
    heap,
    isFused: name === "wasm" || name === "tensorflow",
    use() {
      // It was started above: nothing but the name changes, and at once, so that nobody comes in between.
      if (tf.getBackend() !== name) void tf.setBackend(name);
    },
  };
}

/** Brings a backend in, and says what it is. */
const load: Readonly<Record<BackendName, (isAsked: boolean) => Promise<string>>> = {
  tensorflow: loadNative,
  async webgpu(isAsked) {
    const { navigator } = globalThis as { readonly navigator?: { readonly gpu?: GraphicsProcessors } };
    const gpu = navigator?.gpu;
    if (gpu === undefined) throw new Error("this runtime has no WebGPU");
    const adapter = await gpu.requestAdapter();
    if (adapter === null) throw new Error("this machine has no graphics processor that WebGPU can use");
    const what = adapter.info?.description || adapter.info?.vendor || "a graphics processor";
    // One that is played by the main processor is slower than WebAssembly: good for tests, which ask for it.
    const isPlayed = adapter.info?.isFallbackAdapter === true || /llvmpipe|lavapipe|swiftshader|software/i.test(what);
    if (isPlayed && !isAsked) throw new Error(`${what} is no graphics processor but software`);
    await loadWebGpu();
    return what;
  },
  async wasm() {
    await loadWebAssembly();
    return "one thread, SIMD";
  },
  async cpu() {
    await loadPlain();
    return "plain JavaScript, slow";
  },
};

/** The part of WebGPU that tells whether there is one: the types of neither runtime are loaded for it. */
interface GraphicsProcessors {
  requestAdapter(): Promise<
    | {
      readonly info?: {
        readonly description?: string;
        readonly vendor?: string;
        readonly isFallbackAdapter?: boolean;
      };
    }
    | null
  >;
}
