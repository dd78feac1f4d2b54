// The memory of the WebAssembly backend, as kernels of our own use it: where tensors lie in it, and routines that work
// there, so that nothing is copied in or out.

import type { BackendWasm, TensorInfo } from "../tensorflow.ts";
import { assemble, type Routine } from "./assembler.ts";

type Call = (...numbers: number[]) => void;

export interface Heap {
  /** Its address: to be asked for after everything that an operation allocates, since memory may move as it grows. */
  at(tensor: TensorInfo): number;
  /** What it holds, until the next allocation. */
  floats(tensor: TensorInfo): Float32Array;
  make(shape: readonly number[]): TensorInfo;
  drop(tensor: TensorInfo): void;
  /** How large it has grown. */
  bytes(): number;
  /** The routine of this name, written when it is first asked for. */
  routine(name: string, write: () => Routine): Call;
}

/** The part of the global WebAssembly that is used here: the types of neither runtime are loaded for it. */
interface Assembly {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: { readonly [name: string]: Call } };
}

/** Shapes are few in a program; one that makes ever new ones shall not grow without end. */
const routinesMax = 512;

export function heapOf(backend: BackendWasm): Heap {
  // Emscripten's own name for the memory is not among the types.
  const { asm } = backend.wasm as { readonly asm?: { readonly memory?: { readonly buffer: ArrayBuffer } } };
  const memory = asm?.memory;
  if (memory === undefined) throw new TypeError("Cannot find the memory of the WebAssembly backend");
  const { WebAssembly } = globalThis as typeof globalThis & { readonly WebAssembly: Assembly };
  const routines = new Map<string, Call>();
  const at = (tensor: TensorInfo): number => backend.dataIdMap.get(tensor.dataId).memoryOffset;
  return {
    at,
    floats: (tensor) => new Float32Array(memory.buffer, at(tensor), tensor.shape.reduce((a, b) => a * b, 1)),
    make: (shape) => backend.makeOutput([...shape], "float32"),
    drop: (tensor) => void backend.disposeData(tensor.dataId),
    bytes: () => memory.buffer.byteLength,
    routine(name, write) {
      const found = routines.get(name);
      if (found !== undefined) return found;
      const written = write();
      const module = new WebAssembly.Module(assemble([written]));
      const call = new WebAssembly.Instance(module, { host: { memory } }).exports[written.name]!;
      for (const oldest of routines.keys()) {
        if (routines.size < routinesMax) break;
        routines.delete(oldest);
      }
      routines.set(name, call);
      return call;
    },
  };
}
