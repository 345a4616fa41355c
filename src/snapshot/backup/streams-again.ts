import type { ChunkIndex } from '../../index/chunk-index.js';
import { type BuiltIndex, DynamicIndexBuilder } from '../../index/dynamic-index.js';
import { newIndexStamp } from '../../index/index-header.js';
import type { BuiltStreams } from '../create/publish-snapshot.js';
import { isZeroChunk } from '../payload-bytes.js';
import type { RecordedTree } from '../tree-view.js';
import type { KnownChunks } from './known-chunks.js';

/** Chunks asked for at the same time. */
const AT_ONCE = 256;

/**
 * The streams of a snapshot as index files of another one. Every chunk is held from now on, touched and proved present.
 * @param time of the new snapshot, epoch seconds
 * @returns undefined where a chunk is gone or known to be bad
 */
export async function streamsAgain(
  { payload, streams }: RecordedTree,
  known: Pick<KnownChunks, 'isPresent'>,
  time: number,
): Promise<Omit<BuiltStreams, 'entries'> | undefined> {
  const metadata = await listedAgain(streams.metadata, known, time);
  const attributes = metadata && (await listedAgain(streams.attributes, known, time));
  const content = attributes && (await listedAgain(payload, known, time));
  return content && { metadata, attributes, payload: content };
}

async function listedAgain(
  index: ChunkIndex,
  known: Pick<KnownChunks, 'isPresent'>,
  time: number,
): Promise<BuiltIndex | undefined> {
  const builder = new DynamicIndexBuilder();
  let asked: (boolean | Promise<boolean>)[] = [];
  for (let i = 0; i < index.count; i += 1) {
    const length = index.end(i) - index.start(i);
    const digest = index.digest(i);
    builder.append(digest, length);
    // Chunks of zeros are standing ones.
    if (!isZeroChunk(digest, length)) asked.push(known.isPresent(Uint8Array.from(digest), length));
    if (asked.length < AT_ONCE && i + 1 < index.count) continue;
    if ((await Promise.all(asked)).includes(false)) return undefined;
    asked = [];
  }
  return builder.finish(newIndexStamp(time));
}
