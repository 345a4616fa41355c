import { DIGEST_BYTES } from '../../core/digest.js';
import { kindOf } from '../../core/errors.js';
import { type LoadedIndex, loadIndex } from '../../index/index-file.js';
import type { GcParts } from './gc-parts.js';
import type { ReadIndex } from './gc-protocol.js';

/** Has index files recorded that were not, or differently, so that they need not be read again. @returns whether there were any */
export async function recordIndexes(
  { options, ask, goOn }: Pick<GcParts, 'options' | 'ask' | 'goOn'>,
  paths: readonly string[],
): Promise<boolean> {
  for (const path of paths) {
    goOn();
    try {
      await ask('record-index', readIndexOf(path, await loadIndex(`${options.store}/${path}`)));
    } catch (error) {
      // Forgotten meanwhile.
      if (kindOf(error) !== 'not-found') throw error;
    }
  }
  return paths.length > 0;
}

/** An index file as it is recorded. */
export function readIndexOf(path: string, { index, identity }: LoadedIndex): ReadIndex {
  const digests = new Uint8Array(index.count * DIGEST_BYTES);
  const lengths = new Float64Array(index.count);
  for (let position = 0; position < index.count; position += 1) {
    digests.set(index.digest(position), position * DIGEST_BYTES);
    lengths[position] = index.end(position) - index.start(position);
  }
  const file = {
    path,
    kind: index.kind,
    checksum: Uint8Array.from(index.checksum),
    ...identity,
    chunkCount: index.count,
    contentBytes: index.contentLength,
  };
  return { file, digests, lengths };
}
