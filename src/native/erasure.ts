import { addon } from './addon.js';
import { requireBytes, requireInteger } from './check.js';

const native = addon as {
  encodeObject(data: number, parity: number, object: Uint8Array, shardBytes: number, out: Uint8Array): Promise<Buffer>;
  rebuildShards(
    data: number,
    parity: number,
    leftIndexes: readonly number[],
    leftBytes: readonly Uint8Array[],
    lostIndexes: readonly number[],
    lostBytes: readonly Uint8Array[],
  ): Promise<void>;
  crc64(runs: readonly Uint8Array[]): Promise<Buffer>;
  crc64Sync(bytes: Uint8Array): bigint;
};

/** The field has 256 elements; a Cauchy matrix needs one for every shard, and its rows one that is left. */
const MAX_SHARDS = 255;

/** Numbers of data and parity shards: at least one each, at most 255 together. */
export interface ShardCounts {
  readonly data: number;
  readonly parity: number;
}

/** One shard: its number (data shards first) and its bytes. */
export interface ErasureShard {
  readonly index: number;
  readonly bytes: Uint8Array;
}

/** CRC-64/XZ of an object and of its shards, data shards first. */
export interface ObjectSums {
  readonly object: bigint;
  readonly shards: readonly bigint[];
}

/**
 * Reed-Solomon parity (ISA-L, Cauchy matrix) of an object cut into `data` shards of `shardBytes` bytes each, the end
 * taken as zeros; and the checksums of all. On a pool thread; until then `object` may not be written to.
 * @param object at most `data * shardBytes` bytes
 * @param out takes the parity shards one after the other: `parity * shardBytes` bytes
 */
export async function encodeObject(
  counts: ShardCounts,
  object: Uint8Array,
  shardBytes: number,
  out: Uint8Array,
): Promise<ObjectSums> {
  requireCounts(counts);
  requireBytes(object, 'object');
  requireBytes(out, 'out');
  requireInteger(shardBytes, 'shardBytes', 1);
  const { data, parity } = counts;
  if (object.length > data * shardBytes) {
    throw new RangeError(`object must have at most ${data * shardBytes} bytes, not ${object.length}`);
  }
  if (out.length !== parity * shardBytes) {
    throw new RangeError(`out must have ${parity * shardBytes} bytes, not ${out.length}`);
  }
  const sums = await native.encodeObject(data, parity, object, shardBytes, out);
  const shards = Array.from({ length: data + parity }, (_, at) => sums.readBigUInt64LE((at + 1) * 8));
  return { object: sums.readBigUInt64LE(0), shards };
}

/**
 * Computes lost shards of those that are left. On a pool thread; until then `left` may not be written to.
 * @param left exactly `data` different shards of one length
 * @param lost numbers of shards not among them
 * @returns their bytes in the order of `lost`, the caller's
 */
export async function rebuildShards(
  counts: ShardCounts,
  left: readonly ErasureShard[],
  lost: readonly number[],
): Promise<Buffer[]> {
  requireCounts(counts);
  const shardBytes = requireLeft(counts, left);
  const out = lost.map((index) => {
    requireInteger(index, 'lost shard', 0, counts.data + counts.parity - 1);
    if (left.some((shard) => shard.index === index)) throw new RangeError(`shard ${index} is left and lost`);
    return Buffer.allocUnsafe(shardBytes);
  });
  const numbers = left.map(({ index }) => index);
  const bytes = left.map((shard) => shard.bytes);
  await native.rebuildShards(counts.data, counts.parity, numbers, bytes, [...lost], out);
  return out;
}

/** CRC-64/XZ of several runs of bytes, each on its own, on a pool thread; until then they may not be written to. */
export async function crc64(runs: readonly Uint8Array[]): Promise<bigint[]> {
  for (const run of runs) requireBytes(run, 'run');
  const sums = await native.crc64([...runs]);
  return runs.map((_, i) => sums.readBigUInt64LE(i * 8));
}

/** CRC-64/XZ on the calling thread: for a few kilobytes. */
export function crc64Sync(bytes: Uint8Array): bigint {
  requireBytes(bytes, 'bytes');
  return native.crc64Sync(bytes);
}

function requireCounts({ data, parity }: ShardCounts): void {
  requireInteger(data, 'data', 1, MAX_SHARDS - 1);
  requireInteger(parity, 'parity', 1, MAX_SHARDS - data);
}

function requireLeft({ data, parity }: ShardCounts, left: readonly ErasureShard[]): number {
  if (left.length !== data) throw new RangeError(`exactly ${data} shards must be left, not ${left.length}`);
  const seen = new Set<number>();
  const shardBytes = left[0]?.bytes.length ?? 0;
  for (const { index, bytes } of left) {
    requireInteger(index, 'shard', 0, data + parity - 1);
    requireBytes(bytes, 'shard');
    if (bytes.length !== shardBytes || shardBytes === 0) throw new RangeError('shards must be of one length, not 0');
    if (seen.has(index)) throw new RangeError(`shard ${index} is given twice`);
    seen.add(index);
  }
  return shardBytes;
}
