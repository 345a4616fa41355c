import type { Catalog } from '../catalog/open.js';
import { type GroupName, groupPath } from '../core/group.js';
import { formatSnapshotTime } from '../core/snapshot-time.js';
import { ATTRIBUTES_NAME } from '../index/archive-names.js';
import { METADATA_NAME, PAYLOAD_NAME } from './snapshot-files.js';

/** Drops what the catalog knows of a snapshot's index files. @param names those it has besides those of every snapshot of ours */
export function dropIndexFiles(
  catalog: Pick<Catalog, 'indexFiles'>,
  group: GroupName,
  time: number,
  names: readonly string[] = [],
): void {
  const folder = `${groupPath(group)}/${formatSnapshotTime(time)}`;
  for (const name of new Set([METADATA_NAME, PAYLOAD_NAME, ATTRIBUTES_NAME, ...names])) {
    catalog.indexFiles.remove(`${folder}/${name}`);
  }
}
