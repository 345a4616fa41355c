// Index files, pbs-format §3 and §4, and the streams they stand for.
import { createHash } from 'node:crypto';

const FIDX = '2f7f41ed91fd0fcd';
const DIDX = '1c914ea519bab3cd';
const HEADER = 4096;

export interface SpecChunk {
  readonly start: number;
  readonly end: number;
  /** 64 lowercase hex digits. */
  readonly digest: string;
}

export interface SpecIndex {
  readonly kind: 'dynamic' | 'fixed';
  readonly uuid: string;
  readonly ctime: bigint;
  /** As the header states it, and found right. */
  readonly checksum: string;
  readonly contentLength: number;
  readonly chunks: readonly SpecChunk[];
}

/** Decodes either kind; throws for whatever §3, §4 and §11 forbid, a wrong checksum included. */
export function decodeIndex(file: Uint8Array): SpecIndex {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (bytes.length <= HEADER) throw new Error('index without entries');
  const magic = bytes.toString('hex', 0, 8);
  if (magic !== DIDX && magic !== FIDX) throw new Error(`index with magic ${magic}`);
  const checksum = bytes.toString('hex', 32, 64);
  const computed = createHash('sha256').update(bytes.subarray(HEADER)).digest('hex');
  if (checksum !== computed) throw new Error(`index states checksum ${checksum}, has ${computed}`);
  const zeros = bytes.subarray(magic === DIDX ? 64 : 80, HEADER);
  if (zeros.some((byte) => byte !== 0)) throw new Error('index header is not zero at its end');
  const chunks = magic === DIDX ? dynamicChunks(bytes) : fixedChunks(bytes);
  if (chunks.some(({ digest }) => /^0+$/.test(digest))) throw new Error('index with an all-zero digest');
  return {
    kind: magic === DIDX ? 'dynamic' : 'fixed',
    uuid: bytes.toString('hex', 8, 24),
    ctime: bytes.readBigInt64LE(24),
    checksum,
    contentLength: chunks.at(-1)?.end as number,
    chunks,
  };
}

function dynamicChunks(bytes: Buffer): SpecChunk[] {
  if ((bytes.length - HEADER) % 40 !== 0) throw new Error('dynamic index of a wrong length');
  const chunks: SpecChunk[] = [];
  let start = 0;
  for (let at = HEADER; at < bytes.length; at += 40) {
    const end = Number(bytes.readBigUInt64LE(at));
    if (end <= start) throw new Error(`dynamic index: end ${end} does not rise above ${start}`);
    chunks.push({ start, end, digest: bytes.toString('hex', at + 8, at + 40) });
    start = end;
  }
  return chunks;
}

function fixedChunks(bytes: Buffer): SpecChunk[] {
  const size = Number(bytes.readBigUInt64LE(64));
  const chunkSize = Number(bytes.readBigUInt64LE(72));
  const count = Math.ceil(size / chunkSize);
  if (!/^10*$/.test(chunkSize.toString(2))) throw new Error(`fixed index with chunk size ${chunkSize}`);
  if (bytes.length !== HEADER + 32 * count) throw new Error('fixed index of a wrong length');
  return Array.from({ length: count }, (_, i) => ({
    start: i * chunkSize,
    end: Math.min((i + 1) * chunkSize, size),
    digest: bytes.toString('hex', HEADER + 32 * i, HEADER + 32 * i + 32),
  }));
}

/** Bytes under offsets, read piece by piece. */
export interface SpecStream {
  readonly size: number;
  read(offset: number, length: number): Buffer;
}

/** A stream whose bytes are at hand. */
export function streamOf(bytes: Uint8Array): SpecStream {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { size: buffer.length, read: (offset, length) => exactly(buffer.subarray(offset, offset + length), length) };
}

/**
 * The stream an index stands for.
 * @param load the plain bytes of the chunk of that name; its length and digest are checked here
 */
export function streamOfIndex(index: SpecIndex, load: (digest: string) => Uint8Array): SpecStream {
  let last: { chunk: SpecChunk; bytes: Buffer } | undefined;
  const bytesOf = (chunk: SpecChunk): Buffer => {
    if (last?.chunk !== chunk) {
      const bytes = Buffer.from(load(chunk.digest));
      const digest = createHash('sha256').update(bytes).digest('hex');
      if (digest !== chunk.digest) throw new Error(`chunk ${chunk.digest} holds ${digest}`);
      last = { chunk, bytes: exactly(bytes, chunk.end - chunk.start) };
    }
    return last.bytes;
  };
  const read = (offset: number, length: number): Buffer => {
    const pieces: Buffer[] = [];
    const end = offset + length;
    for (let i = firstBehind(index.chunks, offset); ; i += 1) {
      const chunk = index.chunks[i];
      if (chunk === undefined || chunk.start >= end) break;
      pieces.push(bytesOf(chunk).subarray(Math.max(0, offset - chunk.start), end - chunk.start));
    }
    return exactly(Buffer.concat(pieces), length);
  };
  return { size: index.contentLength, read };
}

function firstBehind(chunks: readonly SpecChunk[], offset: number): number {
  let low = 0;
  let high = chunks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((chunks[middle] as SpecChunk).end > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}

function exactly(bytes: Buffer, length: number): Buffer {
  if (bytes.length !== length) throw new Error(`${bytes.length} bytes where ${length} were wanted`);
  return bytes;
}
