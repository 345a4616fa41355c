import type { Extent } from '../../catalog/extent.js';
import { readPart } from '../../chunkstore/read-part.js';
import { CairnError } from '../../core/errors.js';
import type { Draft } from '../../native/draft.js';
import { readDescriptor } from '../../native/files.js';
import { extentBatches, type ReadAtOnce } from '../extent-batches.js';
import type { PackingParts } from './packing-parts.js';

const ONE_PIECE: ReadAtOnce = { pieces: 1, bytes: 0 };

/**
 * Copies a file's stored bytes [start, end) into the draft, `shift` bytes further on; a hole becomes zeros.
 * The extents may be taken away meanwhile: what is copied then is garbage, and the file has another version.
 */
export async function loadRange(
  parts: PackingParts,
  ino: number,
  start: number,
  end: number,
  onto: { readonly draft: Draft; readonly shift: number },
  atOnce: ReadAtOnce = ONE_PIECE,
): Promise<void> {
  let at = start;
  for (const batch of extentBatches(parts.tree.extents.overlapping(ino, start, end), atOnce)) {
    const reading = batch.map(async (extent) => {
      const from = Math.max(start, extent.offset);
      const to = Math.min(end, extent.offset + extent.length);
      return { from, to, bytes: await readExtent(parts, extent, from, to) };
    });
    for (const { from, to, bytes } of await Promise.all(reading)) {
      writeZeros(onto.draft, at + onto.shift, from + onto.shift);
      onto.draft.write(from + onto.shift, bytes);
      at = to;
    }
  }
  writeZeros(onto.draft, at + onto.shift, end + onto.shift);
}

async function readExtent(parts: PackingParts, extent: Extent, from: number, to: number): Promise<Uint8Array> {
  const at = extent.at + (from - extent.offset);
  if (extent.kind === 'journal') {
    const bytes = await readDescriptor(parts.journal.descriptor(extent.segment), at, to - from);
    if (bytes.length === to - from) return bytes;
    throw new CairnError('corrupt', `Journal segment ${extent.segment} is shorter than its extents say`);
  }
  return readPart(parts.chunks, extent.digest, extent.chunkLength, at, to - from);
}

const ZEROS = new Uint8Array(64 * 1024);

function writeZeros(draft: Draft, start: number, end: number): void {
  for (let at = start; at < end; at += ZEROS.length) {
    draft.write(at, ZEROS.subarray(0, Math.min(ZEROS.length, end - at)));
  }
}
