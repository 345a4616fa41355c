import { constants } from 'node:os';
import type { FolderEntry, HandleId, Vfs } from '../../vfs/api.js';
import { type Encoding, type Exchange, PAYLOAD } from '../exchange.js';
import { decodeHandle, decodeRead, decodeSync, encodeOpenedFolder } from '../wire/files.js';
import { entriesIn, isDots, writeFolderEntry } from '../wire/folders.js';

const OPENED: Encoding<HandleId, undefined> = {
  encode: (out, handle) => encodeOpenedFolder(out, PAYLOAD, handle),
  undo: (vfs, handle) => vfs.folders.release(handle),
};

/** One listing request; `given` counts the entries that were written. */
interface Listing {
  readonly vfs: Vfs;
  readonly size: number;
  readonly plus: boolean;
  given: number;
}

const LISTED: Encoding<readonly FolderEntry[], Listing> = {
  encode(out, entries, listing) {
    const start = PAYLOAD * 4;
    const end = Math.min(start + listing.size, out.bytes.length);
    let at = start;
    for (const entry of entries) {
      const length = writeFolderEntry(out, at, end, entry, listing.plus);
      if (length === 0) break;
      at += length;
      listing.given++;
      if (listing.plus && !isDots(entry.name)) listing.vfs.folders.reference(entry.attributes.node);
    }
    // An empty answer would mean the end of the folder.
    return at === start && entries.length > 0 ? -constants.errno.EINVAL : at - start;
  },
  undo(vfs, entries, listing) {
    if (!listing.plus) return;
    for (const entry of entries.slice(0, listing.given)) {
      if (!isDots(entry.name)) vfs.names.forget(entry.attributes.node, 1);
    }
  },
};

export function openFolder(exchange: Exchange): void {
  exchange.answer(exchange.vfs.folders.open(exchange.request.node()), OPENED, undefined);
}

/** `struct fuse_read_in`; the offset is the cookie of the last entry that was taken. */
export function readFolder(exchange: Exchange): void {
  list(exchange, false);
}

export function readFolderPlus(exchange: Exchange): void {
  list(exchange, true);
}

function list(exchange: Exchange, plus: boolean): void {
  const { vfs } = exchange;
  const { handle, offset, size } = decodeRead(exchange.request);
  const entries = vfs.folders.read(handle, offset, entriesIn(size, plus));
  exchange.answer(entries, LISTED, { vfs, size, plus, given: 0 });
}

export function syncFolder(exchange: Exchange): void {
  exchange.answerDone(exchange.vfs.folders.sync(decodeSync(exchange.request).handle));
}

/** `struct fuse_release_in`. */
export function releaseFolder(exchange: Exchange): void {
  exchange.vfs.folders.release(decodeHandle(exchange.request, 24));
  exchange.answerDone(undefined);
}
