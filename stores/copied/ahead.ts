// Fetches tensors ahead of their reader, in order, and no more of them than memory is there for.
import type { Dtype, Tensor, TensorRef } from "../store.ts";

const aheadMax = 4;
const aheadBytesMax = 2 ** 26;

export async function* fetchedAhead<D extends Dtype>(
  refs: Iterable<TensorRef<D>>,
  get: (ref: TensorRef<D>) => Promise<Tensor<D>>,
): AsyncGenerator<Tensor<D>, void, undefined> {
  const rest = [...refs];
  const ahead: { readonly bytes: number; readonly tensor: Promise<Tensor<D>> }[] = [];
  let bytes = 0;
  try {
    while (rest.length > 0 || ahead.length > 0) {
      while (rest.length > 0 && (ahead.length === 0 || (ahead.length < aheadMax && bytes < aheadBytesMax))) {
        const ref = rest.shift()!;
        const tensor = get(ref);
        // Its error is told in its turn, and to nobody where the reader has gone.
        tensor.catch(() => {});
        bytes += ref.bytes;
        ahead.push({ bytes: ref.bytes, tensor });
      }
      const first = ahead.shift()!;
      bytes -= first.bytes;
      yield await first.tensor;
    }
  } finally {
    for (const { tensor } of ahead) void tensor.then((each) => each.done(), () => {});
  }
}
