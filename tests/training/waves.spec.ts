// The network of the waves learns them: on WebAssembly to a fifth of the error of saying that nothing changes, for waves
// it has not seen; on the plain backend the loss falls.
// minutes: 10
import { assert, long, test } from "../suite.ts";
import { learnt } from "./learnt.ts";

if (long) {
  test("waves: a fifth of the error of no change, for waves that were not seen", async () => {
    const { loss, unchanged, samples } = await learnt("wasm", 16, 64, 5, 60);
    assert.equal(samples, 150);
    assert.ok(loss <= unchanged / 5, `error ${loss}, of no change ${unchanged}`);
  }, { timeoutMs: 1_200_000 });
} else {
  test.skip("waves: a fifth of the error of no change, for waves that were not seen", "takes minutes; --long runs it");
}

test("waves: the loss falls on the plain backend", async () => {
  const { losses } = await learnt("cpu", 2, 16, 3, 3);
  assert.ok(losses.every((loss, at) => at === 0 || loss < losses[at - 1]!), losses.join(" "));
}, { timeoutMs: 120_000 });
