import { closeSync, read } from 'node:fs';
import { promisify } from 'node:util';
import type { ArchiveEntry } from '../../archive/entry-decoder.js';
import { fromSystemError } from '../../core/errors.js';
import { type PayloadBytes, piecesOf } from '../payload-bytes.js';
import type { TreeView } from '../tree-view.js';
import type { TargetFolder } from './target-folder.js';
import { openFile } from './target-nodes.js';

/**
 * Whether the regular file of this name, of the entry's size, has the entry's content.
 * @throws {CairnError} what reading either gives
 */
export type SameContent = (target: TargetFolder, name: Uint8Array, entry: ArchiveEntry) => Promise<boolean>;

/** Compared at once, bytes. */
const BLOCK_BYTES = 1024 * 1024;
const ZEROS = new Uint8Array(BLOCK_BYTES);
const readAt = promisify(read);

/** Takes content for equal, as size and modification time are. */
export const unreadContent: SameContent = async () => true;

/** Compares byte by byte. @param goOn called between blocks; throws where the work is given up */
export function comparedContent(view: TreeView, payload: PayloadBytes, goOn: () => void): SameContent {
  return async (target, name, entry) => {
    const descriptor = openFile(target, name);
    try {
      return await hasContent(descriptor, entry, view, payload, goOn);
    } catch (error) {
      throw fromSystemError(error, `read ${target.shown(name)}`);
    } finally {
      closeSync(descriptor);
    }
  };
}

async function hasContent(
  descriptor: number,
  { payload: place }: ArchiveEntry,
  view: TreeView,
  payload: PayloadBytes,
  goOn: () => void,
): Promise<boolean> {
  if (place === undefined) return true;
  const there = Buffer.alloc(Math.min(BLOCK_BYTES, place.size));
  for (const piece of piecesOf(view.payload, place)) {
    payload.ahead(place.offset + piece.offset);
    const wanted = piece.isZeros ? undefined : await payload.bytes(piece);
    for (let at = 0; at < piece.length; at += BLOCK_BYTES) {
      goOn();
      const length = Math.min(BLOCK_BYTES, piece.length - at);
      const block = wanted === undefined ? ZEROS.subarray(0, length) : wanted.subarray(at, at + length);
      if (!(await holds(descriptor, piece.offset + at, block, there))) return false;
    }
  }
  return true;
}

/** Whether these bytes are there. @param buffer at least as long */
async function holds(descriptor: number, offset: number, block: Uint8Array, buffer: Buffer): Promise<boolean> {
  for (let done = 0; done < block.length; ) {
    const bytesRead = await readBlock(descriptor, buffer, block.length - done, offset + done);
    if (bytesRead === 0) return false;
    if (Buffer.compare(buffer.subarray(0, bytesRead), block.subarray(done, done + bytesRead)) !== 0) return false;
    done += bytesRead;
  }
  return true;
}

/** How many bytes are there; none where the disk does not give them back any more: what is in the snapshot is to replace them. */
async function readBlock(descriptor: number, buffer: Buffer, length: number, offset: number): Promise<number> {
  try {
    return (await readAt(descriptor, buffer, 0, length, offset)).bytesRead;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EIO') return 0;
    throw error;
  }
}
