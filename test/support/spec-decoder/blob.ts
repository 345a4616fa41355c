// DataBlob, pbs-format §2.1: plain and zstd.
import { spawnSync } from 'node:child_process';
import { crc32 } from 'node:zlib';

const PLAIN = '42ab3807be8370a1';
const ZSTD = '31b958426fb6a37f';

export type Decompress = (bytes: Uint8Array) => Buffer;

/** Runs zstd(1). */
export const zstdCommand: Decompress = (bytes) => {
  const { status, stdout, stderr } = spawnSync('zstd', ['-d', '-c', '-q'], { input: bytes, maxBuffer: 256 << 20 });
  if (status !== 0) throw new Error(`zstd -d failed: ${String(stderr)}`);
  return stdout;
};

/** The plain bytes of a blob; throws for anything that is not a whole blob. */
export function decodeBlob(blob: Uint8Array, decompress: Decompress = zstdCommand): Buffer {
  const bytes = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
  if (bytes.length < 12) throw new Error(`blob of ${bytes.length} bytes`);
  const payload = bytes.subarray(12);
  if (bytes.readUInt32LE(8) !== crc32(payload)) throw new Error('blob with a wrong CRC32');
  const magic = bytes.toString('hex', 0, 8);
  if (magic === PLAIN) return payload;
  if (magic === ZSTD) return decompress(payload);
  throw new Error(`blob with magic ${magic}`);
}
