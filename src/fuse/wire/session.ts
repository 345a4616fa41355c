import type { FileSystemFigures } from '../../vfs/api.js';
import { readU64, type WordView, writeU64 } from './integers.js';
import { BODY, NAME_MAX_BYTES, type Request } from './request.js';

/** The protocol version spoken: what 6.18 speaks; the kernel uses the smaller of both. */
export const PROTOCOL_MAJOR = 7;
export const PROTOCOL_MINOR = 45;
/** The oldest kernel protocol that works (4.18, the oldest kernel Node 20 runs on). */
export const OLDEST_MINOR = 27;
/** Largest body of a WRITE, and of a READ's answer. */
export const MAX_WRITE_BYTES = 1 << 20;

const PAGE_BYTES = 4096;
/** Pages per request where FUSE_MAX_PAGES is not there. */
const DEFAULT_PAGES = 32;
const MAX_BACKGROUND = 64;

// INIT flags, linux/fuse.h; those from 32 on travel in flags2.
const ASYNC_READ = 1 << 0;
const ATOMIC_O_TRUNC = 1 << 3;
const BIG_WRITES = 1 << 5;
const DONT_MASK = 1 << 6;
const DO_READDIRPLUS = 1 << 13;
const READDIRPLUS_AUTO = 1 << 14;
const PARALLEL_DIROPS = 1 << 18;
const POSIX_ACL = 1 << 20;
const MAX_PAGES = 1 << 22;
const CACHE_SYMLINKS = 1 << 23;
const HANDLE_KILLPRIV_V2 = 1 << 28;
const SETXATTR_EXT = 1 << 29;
const INIT_EXT = 1 << 30;
/** FUSE_DIRECT_IO_ALLOW_MMAP, bit 36, protocol 7.39. */
const DIRECT_IO_ALLOW_MMAP_2 = 1 << (36 - 32);

const WANTED =
  ASYNC_READ |
  ATOMIC_O_TRUNC |
  BIG_WRITES |
  DONT_MASK |
  DO_READDIRPLUS |
  READDIRPLUS_AUTO |
  PARALLEL_DIROPS |
  POSIX_ACL |
  MAX_PAGES |
  CACHE_SYMLINKS |
  HANDLE_KILLPRIV_V2 |
  SETXATTR_EXT |
  INIT_EXT;
const WANTED_2 = DIRECT_IO_ALLOW_MMAP_2;

/** What the kernel offers, `struct fuse_init_in` (16 bytes, or 64 since 7.36). */
export interface InitOffer {
  readonly major: number;
  readonly minor: number;
  readonly maxReadAheadBytes: number;
  readonly flags: number;
  readonly flags2: number;
}

/** What both sides agreed on. */
export interface Agreement {
  readonly minor: number;
  readonly maxWriteBytes: number;
  readonly maxReadAheadBytes: number;
  readonly flags: number;
  readonly flags2: number;
  /** SETXATTR carries its extended structure. */
  readonly extendedSetXattr: boolean;
}

export function decodeInit(request: Request): InitOffer {
  request.expect(16);
  const { words } = request;
  const flags = words[BODY + 3]!;
  const extended = (flags & INIT_EXT) !== 0 && request.length >= 40 + 20;
  return {
    major: words[BODY]!,
    minor: words[BODY + 1]!,
    maxReadAheadBytes: words[BODY + 2]!,
    flags,
    flags2: extended ? words[BODY + 4]! : 0,
  };
}

/** What is used of what the kernel offers: what is not wanted stays off (writeback cache, locks, splice: README). */
export function agree(offer: InitOffer): Agreement {
  const flags = (offer.flags & WANTED) >>> 0;
  return {
    minor: Math.min(offer.minor, PROTOCOL_MINOR),
    maxWriteBytes: flags & MAX_PAGES ? MAX_WRITE_BYTES : DEFAULT_PAGES * PAGE_BYTES,
    maxReadAheadBytes: offer.maxReadAheadBytes,
    flags,
    flags2: flags & INIT_EXT ? offer.flags2 & WANTED_2 : 0,
    extendedSetXattr: (flags & SETXATTR_EXT) !== 0,
  };
}

/** `struct fuse_init_out`, 64 bytes. */
export function encodeInit(out: WordView, at: number, agreement: Agreement): number {
  const { words } = out;
  words.fill(0, at, at + 16);
  words[at] = PROTOCOL_MAJOR;
  words[at + 1] = agreement.minor;
  words[at + 2] = agreement.maxReadAheadBytes;
  words[at + 3] = agreement.flags;
  words[at + 4] = MAX_BACKGROUND | (((MAX_BACKGROUND * 3) / 4) << 16); // max_background, congestion_threshold
  words[at + 5] = agreement.maxWriteBytes;
  words[at + 6] = 1; // time_gran, nanoseconds
  words[at + 7] = agreement.maxWriteBytes / PAGE_BYTES; // max_pages; map_alignment 0
  words[at + 8] = agreement.flags2;
  return 64;
}

/** To a kernel of a higher major version: it then sends INIT again with ours. */
export function encodeVersion(out: WordView, at: number): number {
  out.words.fill(0, at, at + 16);
  out.words[at] = PROTOCOL_MAJOR;
  out.words[at + 1] = PROTOCOL_MINOR;
  return 64;
}

/** `struct fuse_statfs_out`, 80 bytes. */
export function encodeFigures(out: WordView, at: number, figures: FileSystemFigures): number {
  const { words } = out;
  words.fill(0, at, at + 20);
  writeU64(words, at, Math.floor(figures.totalBytes / PAGE_BYTES));
  writeU64(words, at + 2, Math.floor(figures.freeBytes / PAGE_BYTES));
  writeU64(words, at + 4, Math.floor(figures.availableBytes / PAGE_BYTES));
  writeU64(words, at + 6, figures.files);
  writeU64(words, at + 8, figures.freeFiles);
  words[at + 10] = PAGE_BYTES; // bsize
  words[at + 11] = NAME_MAX_BYTES;
  words[at + 12] = PAGE_BYTES; // frsize
  return 80;
}

/** `struct fuse_interrupt_in`: the unique of the request that is interrupted. */
export function decodeInterrupt(request: Request): number {
  request.expect(8);
  return readU64(request.words, BODY);
}
