import type { BuiltIndex } from '../../index/dynamic-index.js';
import { newIndexStamp } from '../../index/index-header.js';
import { PayloadIndex } from './payload-index.js';
import { type StoreBytes, StreamChunks } from './stream-chunks.js';

/** Where a tree's streams go. */
export interface TreeStreams {
  readonly metadata: StreamChunks;
  readonly attributes: StreamChunks;
  readonly payload: PayloadIndex;
}

export function newTreeStreams(store: StoreBytes): TreeStreams {
  return {
    metadata: new StreamChunks(store),
    attributes: new StreamChunks(store),
    payload: new PayloadIndex(store),
  };
}

/** Stores what is left of the streams and ends them; their index files. @param time of the snapshot, epoch seconds */
export async function finishTreeStreams(
  { metadata, attributes, payload }: TreeStreams,
  time: number,
): Promise<{ readonly [S in keyof TreeStreams]: BuiltIndex }> {
  return {
    metadata: await metadata.finish(newIndexStamp(time)),
    attributes: await attributes.finish(newIndexStamp(time)),
    payload: await payload.finish(newIndexStamp(time)),
  };
}
