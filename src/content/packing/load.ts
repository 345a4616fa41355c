import type { Extent } from '../../catalog/extent.js';
import { readPart } from '../../chunkstore/read-part.js';
import { type Digest, sameDigest } from '../../core/digest.js';
import { CairnError } from '../../core/errors.js';
import type { Draft } from '../../native/draft.js';
import { readDescriptor } from '../../native/files.js';
import type { PackingParts } from './packing-parts.js';

/** How much of a file is read at the same time: each piece of the journal takes a descriptor, each chunk its plain length. */
export interface ReadAtOnce {
  readonly pieces: number;
  /** Of the journal, and of chunks as a whole, bytes. */
  readonly bytes: number;
}

const ONE_PIECE: ReadAtOnce = { pieces: 1, bytes: 0 };

interface Piece {
  readonly extent: Extent;
  /** In the file, bytes: [from, to). */
  readonly from: number;
  readonly to: number;
}

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
  for (const group of groupsOf(parts.tree.extents.overlapping(ino, start, end), start, end, atOnce)) {
    const read = await Promise.all(group.map(({ extent, from, to }) => readExtent(parts, extent, from, to)));
    for (const [index, { from, to }] of group.entries()) {
      writeZeros(onto.draft, at + onto.shift, from + onto.shift);
      onto.draft.write(from + onto.shift, read[index] as Uint8Array);
      at = to;
    }
  }
  writeZeros(onto.draft, at + onto.shift, end + onto.shift);
}

/** What lies in [start, end) of the extents, so much in each group as may be read at the same time. */
function* groupsOf(
  extents: readonly Extent[],
  start: number,
  end: number,
  atOnce: ReadAtOnce,
): Generator<readonly Piece[]> {
  let group: Piece[] = [];
  let bytes = 0;
  let chunk: Digest | undefined;
  for (const extent of extents) {
    const from = Math.max(start, extent.offset);
    const to = Math.min(end, extent.offset + extent.length);
    const taken = () => {
      if (extent.kind === 'journal') return to - from;
      return chunk !== undefined && sameDigest(chunk, extent.digest) ? 0 : extent.chunkLength;
    };
    if (group.length > 0 && (group.length >= atOnce.pieces || bytes + taken() > atOnce.bytes)) {
      yield group;
      group = [];
      bytes = 0;
      chunk = undefined;
    }
    bytes += taken();
    if (extent.kind === 'chunk') chunk = extent.digest;
    group.push({ extent, from, to });
  }
  if (group.length > 0) yield group;
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
