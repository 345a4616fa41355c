import type { Snapshot } from '../catalog/snapshots.js';
import type { GroupName } from '../core/group.js';
import { ATTRIBUTES_NAME } from '../index/archive-names.js';
import type { ChunkIndex } from '../index/chunk-index.js';
import { loadIndex } from '../index/index-file.js';
import { snapshotPath } from '../index/snapshot-folder.js';
import { METADATA_NAME, PAYLOAD_NAME, WHOLE_NAME } from './snapshot-files.js';

/** The index files of a snapshot's tree. */
export interface SnapshotIndexes {
  readonly metadata: ChunkIndex;
  /** The same as `metadata` where PBS made a tree that is not split. */
  readonly payload: ChunkIndex;
  /** Absent where PBS made the snapshot. */
  readonly attributes: ChunkIndex | undefined;
}

/**
 * Reads the index files of a snapshot's tree.
 * @param store the datastore's folder
 * @throws {CairnError} `corrupt`, and what reading gives
 */
export async function loadTreeIndexes(
  store: string,
  group: GroupName,
  { files, time }: Pick<Snapshot, 'files' | 'time'>,
): Promise<SnapshotIndexes> {
  const folder = snapshotPath(store, group, time);
  const names = files.map(({ name }) => name);
  const load = async (name: string) => (await loadIndex(`${folder}/${name}`)).index;
  if (!names.includes(METADATA_NAME)) {
    const whole = await load(WHOLE_NAME);
    return { metadata: whole, payload: whole, attributes: undefined };
  }
  return {
    metadata: await load(METADATA_NAME),
    payload: await load(PAYLOAD_NAME),
    attributes: names.includes(ATTRIBUTES_NAME) ? await load(ATTRIBUTES_NAME) : undefined,
  };
}
