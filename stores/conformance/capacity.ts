// The law of room: a store that is full says so or lets wait, never takes more than it may, and goes on afterwards.
import type { TensorRef } from "../store.ts";
import { fc, listOf } from "./arbitraries.ts";
import { type Law, law } from "./law.ts";
import { callMsMax } from "./stage.ts";
import { hold, itemOf, refused, same, settled } from "./verdicts.ts";

const capacityBytes = 4_096;
const item = (bytes: number): ReturnType<typeof itemOf> =>
  itemOf({ dtype: "uint8", shape: [bytes], fill: bytes & 255 });

export const bounded: Law = law({
  name: "L6 room",
  about:
    "tensors never take more than the capacity: what is beyond is CapacityExceeded or waits, and all goes on after",
  needs: (_, { bounded }) => bounded === true ? undefined : "the subject opens no store with a capacity",
  cases: () =>
    fc.record({
      sizes: listOf(fc.integer({ min: 1, max: 1_500 }), 30, 4),
      full: fc.constantFrom<"reject" | "wait">("reject", "wait"),
      atOnce: fc.boolean(),
    }),
  wants: ["refused", "waited", "let in"],
  async holds({ sizes, full, atOnce }, stage) {
    const waitMs = stage.world.clock === "real" ? 30 : 400;
    const store = await stage.open({ capacity: { bytes: capacityBytes, full, waitMs } });
    const standing: TensorRef[] = [];
    let heldBytes = 0;
    const put = async (bytes: number): Promise<void> => {
      const end = await settled("put", store.tensors.put(item(bytes)));
      if ("value" in end) {
        standing.push(end.value);
        heldBytes += bytes;
        hold(heldBytes <= capacityBytes, `${heldBytes} bytes stand in ${capacityBytes}`);
        return;
      }
      same([end.error.code, end.error.outcome], ["CapacityExceeded", "failed"], "a put into a full store");
      hold(full === "wait" || bytes > 0, "refused for nothing");
      stage.happened("refused");
    };
    const puts = async (): Promise<void> => {
      if (atOnce) return void await Promise.all(sizes.map(put));
      for (const bytes of sizes) await put(bytes);
    };
    await stage.world.until(puts(), 10 * callMsMax);
    const listed: number[] = [];
    for await (const entry of store.tensors.list()) listed.push(entry.bytes);
    same(listed.reduce((sum, bytes) => sum + bytes, 0), heldBytes, "bytes that are listed");
    await refused(
      ["TooLarge", "CapacityExceeded"],
      "put of what never fits",
      () => stage.world.until(store.tensors.put(item(capacityBytes + 1)), callMsMax),
    );
    if (full === "wait" && standing.length > 0) {
      // The clock stands still while room is made: a store on a disk takes real time for that.
      const late = store.tensors.put(item(capacityBytes));
      late.catch(() => {});
      stage.happened("waited");
      for (const ref of standing.splice(0)) await store.tensors.release(ref);
      const first = await stage.world.until(settled("a put that waits", late), callMsMax);
      // By a real clock its wait may have been over before all that room was made: there is room now.
      const isLate = "error" in first && stage.world.clock === "real" && first.error.code === "CapacityExceeded";
      standing.push(await stage.world.until(isLate ? store.tensors.put(item(capacityBytes)) : late, callMsMax));
      stage.happened("let in");
    }
    for (const ref of standing) await store.tensors.release(ref);
    const whole = await stage.world.until(store.tensors.put(item(capacityBytes)), callMsMax);
    same(whole.bytes, capacityBytes, "a put into a store that is empty again");
  },
});
