import { decodeArchive, entriesOf } from './spec-decoder/pxar.js';

const PRELUDE = 0xe309d79d9f7b771bn;
const HEAD_BYTES = 24;
const LINE_BYTES = 24;

/**
 * The metadata stream as other writers may put it (pbs-format §6.5): with a PRELUDE, and with sizes in the tables that
 * count payload bytes elsewhere.
 * @param waste how many bytes to count too many, asked for each line
 */
export function asPbsWouldWrite(metadata: Buffer, payload: Buffer, waste: () => number): Buffer {
  const copy = Buffer.from(metadata);
  const { root } = decodeArchive(metadata, payload);
  for (const entry of entriesOf(root)) {
    const table = entry.end - LINE_BYTES * (entry.children.length + 1);
    if ((entry.mode & 0o170000) !== 0o040000) continue;
    for (let i = 0; i < entry.children.length; i += 1) {
      const at = table + LINE_BYTES * i + 16;
      copy.writeBigUInt64LE(copy.readBigUInt64LE(at) + BigInt(waste()), at);
    }
  }
  const text = Buffer.from('{"exclude-patterns":[]}');
  const prelude = Buffer.alloc(16);
  prelude.writeBigUInt64LE(PRELUDE);
  prelude.writeBigUInt64LE(BigInt(16 + text.length), 8);
  // The root's table leads back to the very start, which is now further away.
  const back = copy.length - 16;
  copy.writeBigUInt64LE(copy.readBigUInt64LE(back) + BigInt(16 + text.length), back);
  return Buffer.concat([copy.subarray(0, HEAD_BYTES), prelude, text, copy.subarray(HEAD_BYTES)]);
}
