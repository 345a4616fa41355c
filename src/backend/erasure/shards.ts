import { CairnError } from '../../core/errors.js';
import { piecesOf, type Redundancy } from '../../core/redundancy.js';
import { crc64, crc64Sync, encodeParity, rebuildShards } from '../../native/erasure.js';
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

/** The CRC-64 an object's pieces name. */
export async function objectCrc(object: Uint8Array): Promise<bigint> {
  const [sum] = await sums([object]);
  return sum as bigint;
}

/**
 * Cuts an object into its pieces, each with its header; they are the caller's. The object is left alone until then.
 * @param crc of the object (`objectCrc`)
 */
export async function cutObject(
  object: Uint8Array,
  about: Pick<ShardHeader, 'redundancy' | 'generation' | 'name'> & { readonly crc: bigint },
): Promise<Buffer[]> {
  const { redundancy, name, crc, generation } = about;
  const shardBytes = shardBytesOf(object.length, redundancy);
  const files = await filesOf(object, redundancy, headerBytesOf(name), shardBytes);
  const payloads = files.map((file) => file.subarray(headerBytesOf(name)));
  const shardCrcs = redundancy.data === 1 ? files.map(() => crc) : await sums(payloads);
  files.forEach((file, index) => {
    const lengths = { objectBytes: object.length, shardBytes };
    writeShardHeader(
      { redundancy, generation, name, index, ...lengths, objectCrc: crc, shardCrc: shardCrcs[index] as bigint },
      file,
    );
  });
  return files;
}

/** The pieces, with room for their headers. */
async function filesOf(
  object: Uint8Array,
  { data, parity }: Redundancy,
  start: number,
  shardBytes: number,
): Promise<Buffer[]> {
  const coded = data === 1 || shardBytes === 0 ? undefined : await encodeParity({ data, parity }, object, shardBytes);
  return Array.from({ length: data + parity }, (_, index) => {
    const file = Buffer.allocUnsafe(start + shardBytes);
    const source = index < data ? object : (coded ?? object);
    const from = data === 1 ? 0 : (index < data ? index : index - data) * shardBytes;
    const bytes = source.subarray(from, from + shardBytes);
    file.set(bytes, start);
    file.fill(0, start + bytes.length);
    return file;
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
  if (lost.length > 0 && (await objectCrc(object)) !== expected) {
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
