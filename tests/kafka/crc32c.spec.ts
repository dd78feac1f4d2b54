// The checksum of Kafka's batches is the specified one, wherever bytes lie and however they are parted.
import { crc32c } from "../../stores/kafka/crc32c.ts";
import { assert, fc, property, test } from "../suite.ts";

/** A bit at a time, as it is defined. */
function defined(bytes: Uint8Array): number {
  let value = ~0;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  }
  return ~value >>> 0;
}

test("crc32c: has the values of the standard", () => {
  // RFC 3720, B.4; and the check value of the catalogue.
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index)), 0x46dd794e);
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(0)), 0);
});

test("crc32c: is what it is defined to be, wherever the bytes lie and in whatever parts they come", () =>
  property(
    [fc.uint8Array({ maxLength: 200 }), fc.nat(9), fc.nat(200)],
    (bytes, offset, cut) => {
      const placed = new Uint8Array(offset + bytes.length + 3).fill(1).subarray(offset, offset + bytes.length);
      placed.set(bytes);
      assert.equal(crc32c(placed), defined(bytes));
      assert.equal(crc32c(placed.subarray(cut), crc32c(placed.subarray(0, cut))), defined(bytes));
    },
  ));
