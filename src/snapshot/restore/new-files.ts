import { readdirSync } from 'node:fs';
import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import type { NewFile } from '../../native/new-files.js';
import { xattrNames } from '../../native/node-attributes.js';
import { type PayloadBytes, piecesOf } from '../payload-bytes.js';
import type { TreeView } from '../tree-view.js';
import type { RestoredAttributes } from './node-attributes.js';
import type { TargetFolder } from './target-folder.js';

/** Larger files are written piece by piece, so that few bytes wait in memory. */
const LARGEST_BYTES = 1024 * 1024;
const PERMISSION_BITS = 0o777;
const SET_ID_BITS = 0o6000;
const STICKY_BIT = 0o1000;
const DEFAULT_ACL = 'system.posix_acl_default';
const NOTHING = new Uint8Array(0);

/**
 * Whether files may be made in the folder without a look at what is there: it is empty, nobody else can change that, and new
 * files get no ACL of it.
 */
export function takesNewFiles(folder: TargetFolder): boolean {
  if (!folder.isPrivate) return false;
  try {
    if (readdirSync(`/proc/self/fd/${folder.descriptor}`).length > 0) return false;
    return !xattrNames(folder.descriptor).some((name) => name.toString('latin1') === DEFAULT_ACL);
  } catch {
    // Whatever it is, it is said when the first file is made.
    return false;
  }
}

/**
 * Whether the file can be made in one step: small, in one piece, and with nothing that has to be set with care. Most are.
 */
export function isPlain(entry: ArchiveEntry, { mode, xattrs }: RestoredAttributes): boolean {
  return entry.kind === 'file' && entry.size <= LARGEST_BYTES && xattrs.length === 0 && (mode & SET_ID_BITS) === 0;
}

/**
 * The content of a small file.
 * @returns undefined where it is in several pieces, or has holes
 * @throws {ChunkError} as `PayloadBytes.bytes`
 */
export async function wholeContent(
  view: TreeView,
  payload: PayloadBytes,
  { payload: place, size }: ArchiveEntry,
): Promise<Uint8Array | undefined> {
  if (place === undefined || size === 0) return NOTHING;
  payload.ahead(place.offset);
  const [piece] = piecesOf(view.payload, place);
  return piece === undefined || piece.isZeros || piece.length < size ? undefined : payload.bytes(piece);
}

/** What is to be made under the name. @throws {CairnError} `corrupt` for what is no name of a file */
export function newFile(
  folder: TargetFolder,
  names: { readonly temporary: Uint8Array; readonly name: Uint8Array },
  { mode, uid, gid, atime, mtime }: RestoredAttributes,
  content: Uint8Array,
): NewFile {
  // Looks at the name.
  folder.at(names.name);
  const bits = mode & (PERMISSION_BITS | STICKY_BIT);
  return { folder: folder.descriptor, ...names, content, mode: bits, uid, gid, atime, mtime };
}
