import type { FolderEntry } from '../../vfs/api.js';
import { ENTRY_BYTES, writeEntry, writeNoEntry } from './attributes.js';
import { align8, type WordView, writeU64 } from './integers.js';
import { nodeHigh, nodeLow } from './nodes.js';

/** `struct fuse_dirent` without its name. */
const DIRENT_BYTES = 24;
const DOT = 0x2e;
/** Bytes a name takes in a listing, guessed: how many entries are asked for at once. */
const GUESSED_NAME_BYTES = 16;

/** How many entries may fit in an answer of `bytes`; at least one. */
export function entriesIn(bytes: number, plus: boolean): number {
  return Math.max(1, Math.floor(bytes / ((plus ? ENTRY_BYTES : 0) + DIRENT_BYTES + GUESSED_NAME_BYTES)));
}

/** Whether it is the folder itself or its parent: the kernel gets no reference to those. */
export function isDots(name: Uint8Array): boolean {
  return name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT));
}

/** `struct fuse_dirent` (READDIR) or `fuse_direntplus` (READDIRPLUS) at a byte offset. @return its length, or 0 where it does not fit before `end` */
export function writeFolderEntry(out: WordView, at: number, end: number, entry: FolderEntry, plus: boolean): number {
  const { name, attributes } = entry;
  const nameAt = at + (plus ? ENTRY_BYTES : 0) + DIRENT_BYTES;
  const next = align8(nameAt + name.length);
  if (next > end) return 0;
  const { words, bytes } = out;
  let word = at / 4;
  if (plus) {
    if (isDots(name)) writeNoEntry(words, word);
    else writeEntry(words, word, attributes);
    word += ENTRY_BYTES / 4;
  }
  words[word] = nodeLow(attributes.node);
  words[word + 1] = nodeHigh(attributes.node);
  writeU64(words, word + 2, entry.cookie);
  words[word + 4] = name.length;
  words[word + 5] = (attributes.mode >>> 12) & 15; // DT_ type
  bytes.set(name, nameAt);
  bytes.fill(0, nameAt + name.length, next);
  return next - at;
}
