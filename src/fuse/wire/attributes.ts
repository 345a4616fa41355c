import type { AttributeChanges, Attributes, HandleId, NodeId } from '../../vfs/api.js';
import { readI64, readU64, type WordView, writeU64 } from './integers.js';
import { nodeHigh, nodeLow } from './nodes.js';
import { BODY, type Request } from './request.js';

/** `struct fuse_attr` is 88 bytes, `fuse_entry_out` 128, `fuse_attr_out` 104 (since 7.9). */
export const ENTRY_BYTES = 128;
export const ATTR_OUT_BYTES = 104;

/**
 * How long the kernel may believe names, attributes and absent names without asking, in seconds. The daemon is the only
 * writer: what it changes by itself it invalidates (Transport), so this only bounds memory of mistakes.
 */
export const VALID_SECONDS = 86_400;

const NANOSECONDS_PER_MILLISECOND = 1_000_000;
const BLOCK_SIZE_BYTES = 4096;
const MAX_NSEC = 999_999_999;
/** The last second a snapshot's attributes can hold (src/archive/varint.ts), 143 million years from now. */
const FARTHEST_SEC = 2 ** 52 - 1;

function writeNode(words: Uint32Array, at: number, node: NodeId): void {
  words[at] = nodeLow(node);
  words[at + 1] = nodeHigh(node);
}

/** `struct fuse_attr` at a word index. */
function writeAttributes(words: Uint32Array, at: number, attributes: Attributes): void {
  writeNode(words, at, attributes.node);
  writeU64(words, at + 2, attributes.size);
  writeU64(words, at + 4, attributes.blocks);
  writeU64(words, at + 6, attributes.atimeSec);
  writeU64(words, at + 8, attributes.mtimeSec);
  writeU64(words, at + 10, attributes.ctimeSec);
  words[at + 12] = attributes.atimeNsec;
  words[at + 13] = attributes.mtimeNsec;
  words[at + 14] = attributes.ctimeNsec;
  words[at + 15] = attributes.mode;
  words[at + 16] = attributes.nlink;
  words[at + 17] = attributes.uid;
  words[at + 18] = attributes.gid;
  words[at + 19] = attributes.rdev;
  words[at + 20] = BLOCK_SIZE_BYTES;
  words[at + 21] = 0;
}

/** `struct fuse_entry_out` at a word index. Generation 0: node ids are never used again. */
export function writeEntry(words: Uint32Array, at: number, attributes: Attributes): void {
  writeNode(words, at, attributes.node);
  words.fill(0, at + 2, at + 10);
  const nameValidMilliseconds = attributes.nameValidMilliseconds;
  words[at + 4] = nameValidMilliseconds === undefined ? VALID_SECONDS : 0;
  words[at + 6] = VALID_SECONDS;
  words[at + 8] = (nameValidMilliseconds ?? 0) * NANOSECONDS_PER_MILLISECOND;
  writeAttributes(words, at + 10, attributes);
}

/** An entry that says "there is no such name", which the kernel remembers. */
export function writeNegativeEntry(words: Uint32Array, at: number): void {
  words.fill(0, at, at + ENTRY_BYTES / 4);
  words[at + 4] = VALID_SECONDS;
}

/** An entry that names no node: READDIRPLUS' way to give a plain name. */
export function writeNoEntry(words: Uint32Array, at: number): void {
  words.fill(0, at, at + ENTRY_BYTES / 4);
}

/** `struct fuse_attr_out` at the answer's payload. */
export function encodeAttrOut(out: WordView, at: number, attributes: Attributes): number {
  out.words[at] = VALID_SECONDS;
  out.words[at + 1] = 0;
  out.words[at + 2] = 0;
  out.words[at + 3] = 0;
  writeAttributes(out.words, at + 4, attributes);
  return ATTR_OUT_BYTES;
}

/** `struct fuse_statx_out` is 288 bytes, its `fuse_statx` 256 of them. */
const STATX_OUT_BYTES = 288;
const STATX_BASIC_STATS = 0x7ff;
const STATX_BTIME = 0x800;

/** `struct fuse_sx_time` at a word index. */
function writeTime(words: Uint32Array, at: number, sec: number, nsec: number): void {
  writeU64(words, at, sec);
  words[at + 2] = nsec;
}

/** `struct fuse_statx_out` at the answer's payload: what GETATTR answers, and the time of birth where it is known. */
export function encodeStatx(out: WordView, at: number, attributes: Attributes): number {
  const { words } = out;
  const { btimeSec, btimeNsec, rdev } = attributes;
  words.fill(0, at, at + STATX_OUT_BYTES / 4);
  words[at] = VALID_SECONDS;
  const stat = at + 8;
  words[stat] = btimeSec === undefined ? STATX_BASIC_STATS : STATX_BASIC_STATS | STATX_BTIME;
  words[stat + 1] = BLOCK_SIZE_BYTES;
  words[stat + 4] = attributes.nlink;
  words[stat + 5] = attributes.uid;
  words[stat + 6] = attributes.gid;
  words[stat + 7] = attributes.mode;
  writeNode(words, stat + 8, attributes.node);
  writeU64(words, stat + 10, attributes.size);
  writeU64(words, stat + 12, attributes.blocks);
  writeTime(words, stat + 16, attributes.atimeSec, attributes.atimeNsec);
  writeTime(words, stat + 20, btimeSec ?? 0, btimeNsec ?? 0);
  writeTime(words, stat + 24, attributes.ctimeSec, attributes.ctimeNsec);
  writeTime(words, stat + 28, attributes.mtimeSec, attributes.mtimeNsec);
  // makedev(3) as the kernel packs it in 32 bits.
  words[stat + 32] = (rdev >>> 8) & 0xfff;
  words[stat + 33] = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return STATX_OUT_BYTES;
}

// Bits of fuse_setattr_in.valid
const MODE = 1 << 0;
const UID = 1 << 1;
const GID = 1 << 2;
const SIZE = 1 << 3;
const ATIME = 1 << 4;
const MTIME = 1 << 5;
const HANDLE = 1 << 6;
const ATIME_NOW = 1 << 7;
const MTIME_NOW = 1 << 8;
const KILL_SUIDGID = 1 << 11;

export interface SetAttributes {
  readonly handle: HandleId | undefined;
  readonly changes: AttributeChanges;
}

/**
 * A time, its seconds and nanoseconds at two word indexes. One too far away is taken as the farthest there is, as Linux
 * does it for every file system with a limit (utimensat(2) of 2^63 - 1 seconds reaches us as it is).
 */
function readTime(request: Request, secAt: number, nsecAt: number): { readonly sec: number; readonly nsec: number } {
  const nsec = request.words[nsecAt]!;
  if (nsec > MAX_NSEC) throw request.malformed(`has a time of ${nsec} nanoseconds`);
  return { sec: Math.min(Math.max(readI64(request.words, secAt), -FARTHEST_SEC - 1), FARTHEST_SEC), nsec };
}

/** `struct fuse_setattr_in` (88 bytes). */
export function decodeSetAttributes(request: Request): SetAttributes {
  request.expect(88);
  const { words } = request;
  const valid = words[BODY]!;
  const changes: { -readonly [Key in keyof AttributeChanges]: AttributeChanges[Key] } = {};
  if (valid & MODE) changes.mode = words[BODY + 17]!;
  if (valid & UID) changes.uid = words[BODY + 19]!;
  if (valid & GID) changes.gid = words[BODY + 20]!;
  if (valid & SIZE) changes.size = readU64(words, BODY + 4);
  if (valid & ATIME) {
    changes.atime = valid & ATIME_NOW ? 'now' : readTime(request, BODY + 8, BODY + 14);
  }
  if (valid & MTIME) {
    changes.mtime = valid & MTIME_NOW ? 'now' : readTime(request, BODY + 10, BODY + 15);
  }
  // With FUSE_HANDLE_KILLPRIV_V2 a change of owner clears setuid and setgid too, whoever asks; the kernel says no more.
  if (valid & (KILL_SUIDGID | UID | GID)) changes.killPrivileges = true;
  return { handle: valid & HANDLE ? readU64(words, BODY + 2) : undefined, changes };
}
