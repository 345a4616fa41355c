import { sameDigest } from '../../core/digest.js';
import type { ChunkIndex } from '../../index/chunk-index.js';
import type { TreeStreams, TreeView } from '../tree-view.js';

/** Where an entry of a tree stands in its metadata stream: from its ENTRY on, bytes. */
export interface Place {
  readonly position: number;
  /** Undefined where it is not known. */
  readonly end: number | undefined;
}

/**
 * Whether both streams hold the same bytes in these stretches, as far as the lists of their chunks tell. The stretches lie in
 * the streams; false proves nothing.
 */
export function sameStretch(a: ChunkIndex, atA: number, b: ChunkIndex, atB: number, length: number): boolean {
  if (length === 0) return true;
  let [i, j] = [a.chunkAt(atA), b.chunkAt(atB)];
  if (atA - a.start(i) !== atB - b.start(j)) return false;
  for (const end = atA + length; i < a.count && j < b.count; i += 1, j += 1) {
    if (!sameDigest(a.digest(i), b.digest(j))) return false;
    if (a.end(i) >= end) return true;
  }
  return false;
}

/**
 * Tells folders of two snapshots in which nothing differs, without reading them: their metadata is the same bytes by the
 * chunks it lies in, and so are the records of what the metadata does not say, which are read only where their chunks differ.
 * Payload need not be looked at: with the same size and ctime content counts as the same. Hard links to files outside the
 * folder are the exception, since what they lead to is not in the stretch.
 * @returns undefined where one of the snapshots has no such records (PBS made it)
 */
export function sameFolders(a: TreeView, b: TreeView): ((before: Place, now: Place) => Promise<boolean>) | undefined {
  const [left, right] = [a.streams, b.streams];
  if (left === undefined || right === undefined) return undefined;
  return async (before, now) => {
    if (before.end === undefined || now.end === undefined) return false;
    const length = before.end - before.position;
    if (now.end - now.position !== length) return false;
    if (!sameStretch(left.metadata, before.position, right.metadata, now.position, length)) return false;
    return sameRecords(left, before.position, right, now.position, length);
  };
}

/** Whether the pages with the records are the same by the chunks they lie in, so that they need not be read. */
function samePages(a: TreeStreams, atA: number, b: TreeStreams, atB: number, length: number): boolean {
  const [x, y] = [a.records.pagesOf(atA, atA + length), b.records.pagesOf(atB, atB + length)];
  const [startA, startB] = [x.starts[0] as number, y.starts[0] as number];
  if (!sameDistances(x.firsts, atA, y.firsts, atB) || !sameDistances(x.starts, startA, y.starts, startB)) return false;
  return sameStretch(a.attributes, startA, b.attributes, startB, (x.starts.at(-1) as number) - startA);
}

function sameDistances(a: Float64Array, fromA: number, b: Float64Array, fromB: number): boolean {
  return a.length === b.length && a.every((each, i) => each - fromA === (b[i] as number) - fromB);
}

/** Whether entries at the same distances from both positions have the same records. */
async function sameRecords(a: TreeStreams, atA: number, b: TreeStreams, atB: number, length: number): Promise<boolean> {
  if (samePages(a, atA, b, atB, length)) return true;
  let [left, right] = [await a.records.stored(atA, atA + length), await b.records.stored(atB, atB + length)];
  for (let i = 0, j = 0; ; ) {
    if (i === left.count && left.next < atA + length) {
      left = await a.records.stored(left.next, atA + length);
      i = 0;
    } else if (j === right.count && right.next < atB + length) {
      right = await b.records.stored(right.next, atB + length);
      j = 0;
    } else if (i === left.count || j === right.count) return i === left.count && j === right.count;
    else {
      if (left.position(i) - atA !== right.position(j) - atB) return false;
      if (Buffer.compare(left.bytes(i), right.bytes(j)) !== 0) return false;
      i += 1;
      j += 1;
    }
  }
}
