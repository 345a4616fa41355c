import { CairnError } from '../../core/errors.js';
import { piecesOf, type Redundancy } from '../../core/redundancy.js';
import { crc64, crc64Sync, encodeObject, type ObjectSums, rebuildShards } from '../../native/erasure.js';
import {
  headerBytesOf,
  headerLength,
  parseShardHeader,
  type ShardHeader,
  shardBytesOf,
  writeShardHeader,
} from './shard-header.js';

/** A piece whose header and bytes are right. */
export interface Shard {
  readonly header: ShardHeader;
  readonly payload: Buffer;
}

/** Up to here the way to another thread and back takes longer than the work. */
const SMALL_BYTES = 4096;

/** What is computed of an object before it is cut. */
export interface CodedObject {
  readonly sums: ObjectSums;
  /** The parity pieces one after the other; lies in what `codeObject` was given. */
  readonly parity: Uint8Array;
}

/** Bytes of the parity of an object; none where all pieces are copies. */
export function parityBytesOf(objectBytes: number, redundancy: Redundancy): number {
  return redundancy.data === 1 ? 0 : redundancy.parity * shardBytesOf(objectBytes, redundancy);
}

/**
 * Computes parity and checksums of an object, which is left alone until then.
 * @param room for the parity, `parityBytesOf` bytes at least; it is the object's as long as its pieces are used
 */
export async function codeObject(object: Uint8Array, redundancy: Redundancy, room: Uint8Array): Promise<CodedObject> {
  const shardBytes = shardBytesOf(object.length, redundancy);
  const parity = room.subarray(0, parityBytesOf(object.length, redundancy));
  if (parity.length > 0) return { sums: await encodeObject(redundancy, object, shardBytes, parity), parity };
  const [sum] = (await sums([object])) as [bigint];
  return { sums: { object: sum, shards: Array.from({ length: piecesOf(redundancy) }, () => sum) }, parity };
}

/**
 * Cuts an object into its pieces: of each the runs of bytes it consists of, header first. They lie in the object and in its
 * parity, which are left alone as long as they are used.
 */
export function cutObject(
  object: Uint8Array,
  { sums: { object: objectCrc, shards }, parity }: CodedObject,
  about: Pick<ShardHeader, 'redundancy' | 'generation' | 'name'>,
): Uint8Array[][] {
  const { data } = about.redundancy;
  const shardBytes = shardBytesOf(object.length, about.redundancy);
  return shards.map((shardCrc, index) => {
    const header = Buffer.allocUnsafe(headerBytesOf(about.name));
    writeShardHeader({ ...about, index, objectBytes: object.length, shardBytes, objectCrc, shardCrc }, header);
    if (data === 1) return [header, object];
    const [source, at] = index < data ? [object, index] : [parity, index - data];
    const payload = source.subarray(at * shardBytes, (at + 1) * shardBytes);
    const missing = shardBytes - payload.length;
    return missing === 0 ? [header, payload] : [header, payload, Buffer.alloc(missing)];
  });
}

/**
 * Reads pieces and checks them.
 * @returns for each the piece, or what is wrong with it; their payloads lie in the buffers given
 */
export async function readShards(pieces: readonly Buffer[]): Promise<(Shard | CairnError)[]> {
  const read = pieces.map(shardOf);
  const whole = read.filter((shard): shard is Shard => !(shard instanceof CairnError));
  const found = await sums(whole.map(({ payload }) => payload));
  const wrong = new Set(whole.filter(({ header }, index) => header.shardCrc !== found[index]));
  return read.map((shard) =>
    shard instanceof CairnError || !wrong.has(shard)
      ? shard
      : new CairnError('corrupt', `Piece ${shard.header.index} of ${shard.header.name} is damaged`),
  );
}

/**
 * Puts an object together; the buffer is the caller's unless there is one data piece, whose payload it is.
 * @param shards of one object; at least as many different ones as it has data pieces
 * @throws {CairnError} `corrupt` where what comes out is not the object: pieces of two were taken for one's
 */
export async function joinShards(shards: readonly Shard[]): Promise<Buffer> {
  const { redundancy, objectBytes, objectCrc: expected } = (shards[0] as Shard).header;
  if (redundancy.data === 1) return (shards[0] as Shard).payload;
  const byIndex = new Map(shards.map((shard) => [shard.header.index, shard.payload]));
  const lost = Array.from({ length: redundancy.data }, (_, index) => index).filter((index) => !byIndex.has(index));
  for (const [index, payload] of await rebuilt(redundancy, byIndex, lost)) byIndex.set(index, payload);
  const data = Array.from({ length: redundancy.data }, (_, index) => byIndex.get(index) as Buffer);
  const object = Buffer.concat(data, objectBytes);
  if (lost.length > 0 && (await sums([object]))[0] !== expected) {
    throw new CairnError('corrupt', `The pieces of ${(shards[0] as Shard).header.name} do not fit together`);
  }
  return object;
}

/** Whether these are the pieces of the same object put at the same time. */
export function sameObject(a: ShardHeader, b: ShardHeader): boolean {
  const counts = a.redundancy.data === b.redundancy.data && a.redundancy.parity === b.redundancy.parity;
  return counts && a.generation === b.generation && a.objectCrc === b.objectCrc && a.objectBytes === b.objectBytes;
}

async function rebuilt(
  redundancy: Redundancy,
  byIndex: ReadonlyMap<number, Buffer>,
  lost: readonly number[],
): Promise<[number, Buffer][]> {
  if (lost.length === 0) return [];
  const left = [...byIndex].slice(0, redundancy.data).map(([index, bytes]) => ({ index, bytes }));
  if (left[0]?.bytes.length === 0) return lost.map((index) => [index, Buffer.alloc(0)]);
  const bytes = await rebuildShards(redundancy, left, lost);
  return lost.map((index, at) => [index, bytes[at] as Buffer]);
}

function shardOf(piece: Buffer): Shard | CairnError {
  try {
    const header = parseShardHeader(piece);
    const payload = piece.subarray(headerLength(piece));
    if (payload.length === header.shardBytes && header.index < piecesOf(header.redundancy)) return { header, payload };
    return new CairnError('corrupt', `Piece ${header.index} of ${header.name} is cut off`);
  } catch (error) {
    if (error instanceof CairnError) return error;
    throw error;
  }
}

async function sums(runs: readonly Uint8Array[]): Promise<bigint[]> {
  if (runs.length === 0) return [];
  const small = runs.reduce((sum, run) => sum + run.length, 0) <= SMALL_BYTES;
  return small ? runs.map(crc64Sync) : crc64(runs);
}
