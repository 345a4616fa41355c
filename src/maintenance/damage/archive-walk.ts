import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import { PAYLOAD_HEADER_BYTES } from '../../archive/payload-items.js';
import type { ArchiveReader, ListedEntry } from '../../archive/reader.js';
import { kindOf } from '../../core/errors.js';

/** A name of a regular file. */
export interface WalkedFile {
  readonly kind: 'file';
  readonly path: Buffer;
  readonly entry: ArchiveEntry;
}

/** Something of an archive's tree. */
export type WalkedEntry =
  | WalkedFile
  /** What is in this folder cannot be read. */
  | { readonly kind: 'unreadable'; readonly path: Buffer; readonly error: unknown };

/** Whether any byte of [start, end) of the payload stream is of interest. */
export type OfInterest = (start: number, end: number) => boolean;

const LISTED_AT_ONCE = 1000;
const SLASH = Buffer.from('/');

/**
 * The files of an archive whose payload is of interest, in archive order. Payload offsets rise in that order, so a
 * folder between two files that has nothing of interest between theirs is passed over, and with it names in it that are
 * hard links to files elsewhere (`OtherNames` finds these).
 */
export async function* walkArchive(archive: ArchiveReader, ofInterest: OfInterest): AsyncGenerator<WalkedEntry> {
  yield* walkFolder(archive, archive.root, Buffer.alloc(0), { start: 0, end: Number.MAX_SAFE_INTEGER }, ofInterest);
}

/** What a folder's files have of the payload stream, at most. */
interface Bounds {
  readonly start: number;
  readonly end: number;
}

async function* walkFolder(
  archive: ArchiveReader,
  folder: number,
  path: Buffer,
  bounds: Bounds,
  ofInterest: OfInterest,
): AsyncGenerator<WalkedEntry> {
  let start = bounds.start;
  for (let after = 0; ; ) {
    let listed: ListedEntry[];
    try {
      listed = await archive.list(folder, after, LISTED_AT_ONCE);
    } catch (error) {
      if (kindOf(error) !== 'corrupt') throw error;
      yield { kind: 'unreadable', path, error };
      return;
    }
    for (const [i, { name, entry, cookie }] of listed.entries()) {
      const own = path.length === 0 ? Buffer.from(name) : Buffer.concat([path, SLASH, name]);
      if (entry.kind === 'folder') {
        const end =
          startOfNextFile(listed, i) ?? (listed.length < LISTED_AT_ONCE ? bounds.end : Number.MAX_SAFE_INTEGER);
        if (ofInterest(start, end)) yield* walkFolder(archive, entry.position, own, { start, end }, ofInterest);
      } else if (entry.payload !== undefined) {
        const { offset, size } = entry.payload;
        const end = offset + PAYLOAD_HEADER_BYTES + size;
        // A hard link shows its target, which may lie anywhere before.
        if (entry.position > cookie) start = Math.max(start, offset);
        if (ofInterest(offset, end)) yield { kind: 'file', path: own, entry };
      }
    }
    const last = listed.at(-1);
    if (last === undefined || listed.length < LISTED_AT_ONCE) return;
    after = last.cookie;
  }
}

/** Where the payload of the first file behind position `i` of a listing starts. */
function startOfNextFile(listed: readonly ListedEntry[], i: number): number | undefined {
  for (let next = i + 1; next < listed.length; next += 1) {
    const { entry, cookie } = listed[next] as ListedEntry;
    if (entry.payload !== undefined && entry.position > cookie) return entry.payload.offset;
  }
  return undefined;
}
