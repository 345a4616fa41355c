import type { Extent } from '../catalog/extent.js';
import { digestHex } from '../core/digest.js';

/** How much is read at the same time: each piece of the journal takes a descriptor, each chunk its plain length. */
export interface ReadAtOnce {
  readonly pieces: number;
  /** Of the journal, and of chunks as a whole, bytes. */
  readonly bytes: number;
}

/** Extents in the order given, as many in each batch as may be read at once, at least one; a chunk counts once in a batch. */
export function* extentBatches<E extends Extent>(extents: readonly E[], atOnce: ReadAtOnce): Generator<readonly E[]> {
  let batch: E[] = [];
  let bytes = 0;
  const counted = new Set<string>();
  for (const extent of extents) {
    const chunk = extent.kind === 'chunk' ? digestHex(extent.digest) : undefined;
    const whole = extent.kind === 'chunk' ? extent.chunkLength : extent.length;
    const more = chunk !== undefined && counted.has(chunk) ? 0 : whole;
    if (batch.length > 0 && (batch.length >= atOnce.pieces || bytes + more > atOnce.bytes)) {
      yield batch;
      [batch, bytes] = [[], 0];
      counted.clear();
    }
    if (chunk === undefined || !counted.has(chunk)) bytes += whole;
    if (chunk !== undefined) counted.add(chunk);
    batch.push(extent);
  }
  if (batch.length > 0) yield batch;
}
