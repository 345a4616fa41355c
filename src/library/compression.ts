import { COMPRESSION_LEVEL } from '../chunk/limits.js';
import { CairnError } from '../core/errors.js';

/** Algorithms that can be asked for. PBS's blob format has these two (pbs-format §2.1). */
export type CompressionAlgorithm = 'none' | 'zstd';

/** How new chunks of an object are stored; a chunk that does not get smaller is stored as it is. */
export type Compression =
  | CompressionAlgorithm
  | { readonly algorithm: 'none' }
  /** `level` from -50 (fastest) to 22; default 1. */
  | { readonly algorithm: 'zstd'; readonly level?: number };

/** A compression as the addon takes it: the zstd level, 0 for none; and as records name it. */
export interface ChosenCompression {
  readonly level: number;
  readonly name: string;
}

const MIN_LEVEL = -50;
const MAX_LEVEL = 22;
const NOT_IN_FORMAT = ['lz4', 's2', 'snappy'];

/**
 * Checks a compression; absent: zstd at the level all else is written with.
 * @throws {CairnError} `unsupported` for an algorithm the format of chunks does not have, `invalid` for a level there is not
 */
export function chosenCompression(wanted: Compression = 'zstd'): ChosenCompression {
  const { algorithm, level } = typeof wanted === 'string' ? { algorithm: wanted, level: undefined } : levelled(wanted);
  if (algorithm === 'none') return { level: 0, name: 'none' };
  if (algorithm !== 'zstd') throw unsupported(String(algorithm));
  const chosen = level ?? COMPRESSION_LEVEL;
  if (!Number.isSafeInteger(chosen) || chosen < MIN_LEVEL || chosen > MAX_LEVEL || chosen === 0) {
    throw new CairnError('invalid', `Not a level of zstd: ${String(level)}; write one from -50 to 22, without 0`);
  }
  return { level: chosen, name: `zstd:${chosen}` };
}

function levelled(wanted: Exclude<Compression, string>): { algorithm: string; level: number | undefined } {
  return { algorithm: wanted.algorithm, level: 'level' in wanted ? wanted.level : undefined };
}

function unsupported(algorithm: string): CairnError {
  const why = NOT_IN_FORMAT.includes(algorithm)
    ? 'chunks are Proxmox Backup Server blobs, whose format has zstd alone'
    : 'there are "none" and "zstd"';
  return new CairnError('unsupported', `Chunks cannot be compressed with ${JSON.stringify(algorithm)}: ${why}`);
}
