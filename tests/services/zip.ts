// Takes one file out of a zip archive, such as a jar or a wheel, with nothing but zlib.
import { inflateRawSync } from "node:zlib";

const endMagic = 0x06054b50;
const entryMagic = 0x02014b50;

/** The contents of the first file whose name fits, or nothing. */
export function unzipped(archive: Buffer, name: RegExp): Buffer | undefined {
  let end = archive.length - 22;
  while (end >= 0 && archive.readUInt32LE(end) !== endMagic) end -= 1;
  if (end < 0) throw new Error("Cannot read archive: it has no directory");
  let at = archive.readUInt32LE(end + 16);
  for (let count = archive.readUInt16LE(end + 10); count > 0; count--) {
    if (archive.readUInt32LE(at) !== entryMagic) throw new Error("Cannot read archive: its directory is broken");
    const [method, packed] = [archive.readUInt16LE(at + 10), archive.readUInt32LE(at + 20)];
    const [names, extra, comment] = [28, 30, 32].map((offset) => archive.readUInt16LE(at + offset)) as [
      number,
      number,
      number,
    ];
    const start = archive.readUInt32LE(at + 42);
    if (name.test(archive.toString("utf8", at + 46, at + 46 + names))) {
      const data = start + 30 + archive.readUInt16LE(start + 26) + archive.readUInt16LE(start + 28);
      const bytes = archive.subarray(data, data + packed);
      return method === 0 ? bytes : inflateRawSync(bytes);
    }
    at += 46 + names + extra + comment;
  }
  return undefined;
}
