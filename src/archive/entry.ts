import { CairnError } from '../core/errors.js';
import { readI64, readU32, readU64, writeU32, writeU64 } from './bytes.js';

/** Content bytes of ENTRY and of its old form (pbs-format §6.2). */
export const ENTRY_BYTES = 40;
export const OLD_ENTRY_BYTES = 32;

const FORMAT_MASK = 0o170000;
const NANOSECONDS = 1_000_000_000;

/** What an entry is. */
export type EntryKind = 'file' | 'folder' | 'symlink' | 'block' | 'character' | 'fifo' | 'socket';

const KIND_OF_FORMAT: ReadonlyMap<number, EntryKind> = new Map([
  [0o100000, 'file'],
  [0o040000, 'folder'],
  [0o120000, 'symlink'],
  [0o060000, 'block'],
  [0o020000, 'character'],
  [0o010000, 'fifo'],
  [0o140000, 'socket'],
]);

/** What an entry of this full st_mode is, or undefined where its type bits mean nothing. */
export function kindOfMode(mode: number): EntryKind | undefined {
  return KIND_OF_FORMAT.get(mode & FORMAT_MASK);
}

/** What the ENTRY item says. */
export interface Stat {
  /** Full st_mode: type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, rounded down, and the rest of 0…999,999,999 ns. */
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
}

/** What the ENTRY item says, with the file attribute flags of pbs-format §6.2. */
export interface StatWithFlags extends Stat {
  readonly flags: number;
}

/** Writes the content of an ENTRY item, 40 bytes; flags are 0. */
export function writeEntry(bytes: Uint8Array, at: number, stat: Stat): void {
  writeU64(bytes, at, stat.mode);
  writeU64(bytes, at + 8, 0);
  writeU32(bytes, at + 16, stat.uid);
  writeU32(bytes, at + 20, stat.gid);
  writeU64(bytes, at + 24, stat.mtimeSec);
  writeU32(bytes, at + 32, stat.mtimeNsec);
  writeU32(bytes, at + 36, 0);
}

/**
 * Reads the content of an ENTRY item.
 * @throws {CairnError} `corrupt` for a mode or time that is impossible
 */
export function readEntry(bytes: Uint8Array, at: number): StatWithFlags {
  const mtimeNsec = readU32(bytes, at + 32);
  if (mtimeNsec >= NANOSECONDS) {
    throw new CairnError('corrupt', `Archive entry has ${mtimeNsec} nanoseconds in its mtime`);
  }
  return {
    mode: readMode(bytes, at),
    uid: readU32(bytes, at + 16),
    gid: readU32(bytes, at + 20),
    mtimeSec: readI64(bytes, at + 24),
    mtimeNsec,
    flags: readU64(bytes, at + 8),
  };
}

/**
 * Reads the content of an ENTRY item of the old form, whose mtime is a u64 in nanoseconds.
 * @throws {CairnError} `corrupt` for an impossible mode
 */
export function readOldEntry(bytes: Uint8Array, at: number): StatWithFlags {
  const mtime = (BigInt(readU32(bytes, at + 28)) << 32n) | BigInt(readU32(bytes, at + 24));
  return {
    mode: readMode(bytes, at),
    uid: readU32(bytes, at + 16),
    gid: readU32(bytes, at + 20),
    mtimeSec: Number(mtime / BigInt(NANOSECONDS)),
    mtimeNsec: Number(mtime % BigInt(NANOSECONDS)),
    flags: readU64(bytes, at + 8),
  };
}

function readMode(bytes: Uint8Array, at: number): number {
  const mode = readU64(bytes, at);
  if (mode > 0xffff || kindOfMode(mode) === undefined) {
    throw new CairnError('corrupt', `Archive entry has the impossible mode ${mode.toString(8)}`);
  }
  return mode;
}
