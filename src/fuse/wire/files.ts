import { CairnError } from '../../core/errors.js';
import type { HandleId, OpenResult, RangeCopy } from '../../vfs/api.js';
import { readU64, type WordView, writeU64 } from './integers.js';
import { BODY, HEADER_BYTES, type Request } from './request.js';
import { MAX_WRITE_BYTES } from './session.js';

/** open(2)'s flag, as Linux has it on every machine Node runs on. */
export const O_TRUNC = 0o1000;
/** As above; O_SYNC contains it. */
const O_DSYNC = 0o10000;

/** `struct fuse_open_out` is 16 bytes. */
export const OPEN_OUT_BYTES = 16;

// FOPEN_ flags
const DIRECT_IO = 1 << 0;
const KEEP_CACHE = 1 << 1;
const CACHE_DIR = 1 << 3;
const NOFLUSH = 1 << 5;
const PARALLEL_DIRECT_WRITES = 1 << 6;

const OPEN_KILL_SUIDGID = 1 << 0;
const WRITE_KILL_SUIDGID = 1 << 2;
const FSYNC_DATA_ONLY = 1 << 0;

/** An offset or length of a file; no file of Cairn's is longer than 2^53 bytes. */
function fileOffset(request: Request, index: number): number {
  const offset = readU64(request.words, index);
  if (!Number.isSafeInteger(offset)) throw new CairnError('too-large', 'The offset is above 2^53');
  return offset;
}

/** `struct fuse_open_in`. */
export interface OpenCall {
  readonly flags: number;
  /** Clear setuid and setgid with O_TRUNC. */
  readonly killPrivileges: boolean;
}

export function decodeOpen(request: Request): OpenCall {
  request.expect(8);
  return { flags: request.words[BODY]!, killPrivileges: (request.words[BODY + 1]! & OPEN_KILL_SUIDGID) !== 0 };
}

/** `struct fuse_open_out` at a word index, for a file. */
export function writeOpened(words: Uint32Array, at: number, opened: OpenResult): void {
  writeU64(words, at, opened.handle);
  words[at + 2] =
    (opened.directIo ? DIRECT_IO | PARALLEL_DIRECT_WRITES : 0) |
    (opened.keepCache ? KEEP_CACHE : 0) |
    (opened.noFlush ? NOFLUSH : 0);
  words[at + 3] = 0;
}

/** `struct fuse_open_out` for a folder: its listing may be cached, for who else changes it invalidates it. */
export function encodeOpenedFolder(out: WordView, at: number, handle: HandleId): number {
  writeU64(out.words, at, handle);
  out.words[at + 2] = KEEP_CACHE | CACHE_DIR;
  out.words[at + 3] = 0;
  return OPEN_OUT_BYTES;
}

/** The handle that begins most bodies, with `bytes` the least the body must have. */
export function decodeHandle(request: Request, bytes: number): HandleId {
  request.expect(bytes);
  return readU64(request.words, BODY);
}

/** `struct fuse_read_in`, of READ and READDIR. The offset may be above 2^53: then it is not exact. */
export interface ReadCall {
  readonly handle: HandleId;
  readonly offset: number;
  readonly size: number;
}

/** @throws {CairnError} `invalid` where more is wanted than INIT agreed to: no answer could hold it */
export function decodeRead(request: Request): ReadCall {
  request.expect(40);
  const { words } = request;
  if (words[BODY + 4]! > MAX_WRITE_BYTES) throw request.malformed(`wants ${words[BODY + 4]} bytes at once`);
  return { handle: readU64(words, BODY), offset: readU64(words, BODY + 2), size: words[BODY + 4]! };
}

/** `struct fuse_write_in`; the bytes follow. */
export interface WriteCall {
  readonly handle: HandleId;
  readonly offset: number;
  readonly size: number;
  readonly killPrivileges: boolean;
  /** The bytes have to survive a power cut before it is answered: O_DSYNC or O_SYNC of the handle, or of this one call. */
  readonly synchronous: boolean;
}

export function decodeWrite(request: Request): WriteCall {
  request.expect(40);
  const { words } = request;
  const size = words[BODY + 4]!;
  if (request.length !== HEADER_BYTES + 40 + size) throw request.malformed(`has ${request.length} bytes for ${size}`);
  const offset = fileOffset(request, BODY + 2);
  if (!Number.isSafeInteger(offset + size)) throw new CairnError('too-large', 'The file would be above 2^53 bytes');
  return {
    handle: readU64(words, BODY),
    offset,
    size,
    killPrivileges: (words[BODY + 5]! & WRITE_KILL_SUIDGID) !== 0,
    synchronous: (words[BODY + 8]! & O_DSYNC) !== 0,
  };
}

/** `struct fuse_write_out`: how many bytes were taken. */
export function encodeWritten(out: WordView, at: number, size: number): number {
  out.words[at] = size;
  out.words[at + 1] = 0;
  return 8;
}

/** `struct fuse_fsync_in`, of FSYNC and FSYNCDIR. */
export function decodeSync(request: Request): { readonly handle: HandleId; readonly dataOnly: boolean } {
  request.expect(16);
  return { handle: readU64(request.words, BODY), dataOnly: (request.words[BODY + 2]! & FSYNC_DATA_ONLY) !== 0 };
}

/** `struct fuse_fallocate_in`. */
export interface AllocateCall {
  readonly handle: HandleId;
  readonly offset: number;
  readonly length: number;
  readonly mode: number;
}

export function decodeAllocate(request: Request): AllocateCall {
  request.expect(32);
  const offset = fileOffset(request, BODY + 2);
  const length = fileOffset(request, BODY + 4);
  if (!Number.isSafeInteger(offset + length)) throw new CairnError('too-large', 'The range ends above 2^53');
  return { handle: readU64(request.words, BODY), offset, length, mode: request.words[BODY + 6]! };
}

/** `struct fuse_lseek_in`. */
export function decodeSeek(request: Request): { handle: HandleId; offset: number; whence: number } {
  request.expect(24);
  const offset = readU64(request.words, BODY + 2);
  if (!Number.isSafeInteger(offset)) throw new CairnError('no-data-here', 'The offset is behind the end of any file');
  return { handle: readU64(request.words, BODY), offset, whence: request.words[BODY + 4]! };
}

/** `struct fuse_lseek_out`, and `fuse_copy_file_range_out` of 7.45: one 64-bit number. */
export function encodeOffset(out: WordView, at: number, offset: number): number {
  writeU64(out.words, at, offset);
  return 8;
}

/** `struct fuse_copy_file_range_in`. @param mostBytes more is not copied at once: what the answer's field can say */
export function decodeCopy(request: Request, mostBytes: number): RangeCopy {
  request.expect(56);
  const { words } = request;
  const fromOffset = fileOffset(request, BODY + 2);
  const toOffset = fileOffset(request, BODY + 8);
  const length = readU64(words, BODY + 10);
  return {
    from: readU64(words, BODY),
    fromOffset,
    to: readU64(words, BODY + 6),
    toOffset,
    length: Math.min(length, mostBytes, Number.MAX_SAFE_INTEGER - Math.max(fromOffset, toOffset)),
  };
}
