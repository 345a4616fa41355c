import { setTimeout as rest } from 'node:timers/promises';
import type { ChunkSet } from '../../catalog/chunk-set.js';
import type { CollectionRows } from '../../catalog/collection.js';
import { MAX_BATCH, slices } from '../../chunkstore/batches.js';
import type { Digest } from '../../core/digest.js';
import type { Load } from './gc-protocol.js';
import { restSeconds } from './throttle.js';

/** Chunks sorted at a time: a step then touches few folders only, and two steps seldom the same. */
const SORTED_AT_ONCE = 64_000;

/** A chunk to be taken, and the length of its file. */
export interface SweptChunk {
  readonly digest: Digest;
  readonly bytes: number;
}

/** Batches of a set's chunks, each from few folders. */
export function* batchesOf(rows: CollectionRows, set: ChunkSet): Generator<readonly SweptChunk[]> {
  let sorted: SweptChunk[] = [];
  for (const { digest, stored } of rows.members(set)) {
    sorted.push({ digest, bytes: stored });
    if (sorted.length < SORTED_AT_ONCE) continue;
    yield* sortedBatches(sorted);
    sorted = [];
  }
  yield* sortedBatches(sorted);
}

/** Batches of chunks at hand, which are sorted in place. */
export function* sortedBatches<T extends SweptChunk>(chunks: T[]): Generator<readonly T[]> {
  // Two bytes name the folder in either layout.
  chunks.sort((a, b) => a.digest[0]! - b.digest[0]! || a.digest[1]! - b.digest[1]!);
  yield* slices(chunks, MAX_BATCH);
}

/**
 * Does the work for each item, for two at a time: one is forgotten while the files of the other move. Nothing runs on when it
 * settles. @throws what the first failed with
 */
export async function overlapping<T>(
  items: Iterable<T> | AsyncIterable<T>,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let before: Promise<void> = Promise.resolve();
  let failed = false;
  for await (const item of items) {
    const now = work(item);
    now.catch(() => {
      failed = true;
    });
    try {
      await before;
    } catch (error) {
      await now.catch(() => undefined);
      throw error;
    }
    before = now;
    if (failed) break;
  }
  await before;
}

/** Does steps of work with rests between them while the mount has other things to do. */
export class Pace {
  #workingSince = performance.now();

  /** After a step. @param load as the owner told at its end */
  async afterStep(load: Load): Promise<void> {
    const seconds = restSeconds(load, (performance.now() - this.#workingSince) / 1000);
    if (seconds > 0) await rest(seconds * 1000);
    this.#workingSince = performance.now();
  }
}
