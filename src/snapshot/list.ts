import type { GroupRows } from '../catalog/groups.js';
import type { SnapshotRows } from '../catalog/snapshots.js';
import { CairnError } from '../core/errors.js';
import { groupPath, parseGroupPath } from '../core/group.js';
import { formatSnapshotTime } from '../core/snapshot-time.js';
import { isMarkedProtected } from '../index/snapshot-folder.js';

/** A finished snapshot as lists show it. */
export interface ListedSnapshot {
  readonly group: string;
  /** The name of its folder. */
  readonly time: string;
  /** Sum of the lengths of its streams and blobs in bytes. */
  readonly sizeBytes: number;
  readonly protected: boolean;
}

/** Where snapshots are listed from: the writer's catalog, or a reader of it. */
export interface SnapshotSources {
  readonly groups: Pick<GroupRows, 'list'>;
  readonly snapshots: Pick<SnapshotRows, 'list'>;
}

/**
 * As `listFinished`, but whether a snapshot is protected is read from its folder, where others (PBS) mark it, too.
 * @param store the datastore's folder
 */
export async function listWithMarks(
  sources: SnapshotSources,
  store: string,
  group: string | null,
): Promise<ListedSnapshot[]> {
  const listed = listFinished(sources, group);
  const marks = await Promise.all(
    listed.map((snapshot) => isMarkedProtected(`${store}/${snapshot.group}/${snapshot.time}`)),
  );
  return listed.map((snapshot, i) => ({ ...snapshot, protected: marks[i] === true }));
}

/**
 * Finished snapshots of one group, or of all, in order of groups and times.
 * @param group its path, or null for all
 * @throws {CairnError} `not-found` where there is no such group, `invalid` where the path is none
 */
export function listFinished({ groups, snapshots }: SnapshotSources, group: string | null): ListedSnapshot[] {
  const path = group === null ? undefined : groupPath(parseGroupPath(group));
  const chosen = groups.list().filter(({ name }) => path === undefined || groupPath(name) === path);
  if (path !== undefined && chosen.length === 0) throw new CairnError('not-found', `There is no group ${path}`);
  return chosen.flatMap(({ id, name }) =>
    snapshots
      .list(id)
      .filter(({ state }) => state === 'finished')
      .reverse()
      .map(({ time, contentBytes, isProtected }) => ({
        group: groupPath(name),
        time: formatSnapshotTime(time),
        sizeBytes: contentBytes,
        protected: isProtected,
      })),
  );
}
