import type { Group, GroupRows } from '../catalog/groups.js';
import type { Snapshot, SnapshotRows } from '../catalog/snapshots.js';
import { CairnError } from '../core/errors.js';
import { type GroupName, groupPath } from '../core/group.js';
import { formatTreeName, type TreeName } from '../core/tree-name.js';

/** Where snapshots are looked up: the writer's catalog, or a reader of it. */
export interface SnapshotFinder {
  readonly groups: Pick<GroupRows, 'findByName'>;
  readonly snapshots: Pick<SnapshotRows, 'findByTime' | 'newestFinished'>;
}

/** A finished snapshot and the group it belongs to. */
export interface FoundSnapshot {
  readonly group: Group;
  readonly snapshot: Snapshot;
}

/** @throws {CairnError} `not-found` */
export function requireGroup({ groups }: Pick<SnapshotFinder, 'groups'>, name: GroupName): Group {
  const group = groups.findByName(name);
  if (group === undefined) throw new CairnError('not-found', `There is no group ${groupPath(name)}`);
  return group;
}

/**
 * The finished snapshot of this name.
 * @throws {CairnError} `not-found` where there is none, `invalid` for `current`, which is no snapshot
 */
export function requireSnapshot(finder: SnapshotFinder, name: TreeName): FoundSnapshot {
  const shown = formatTreeName(name);
  if (name.which === 'current') throw new CairnError('invalid', `${shown} is the live tree, not a snapshot`);
  const group = requireGroup(finder, name.group);
  const snapshot =
    name.which === 'latest'
      ? finder.snapshots.newestFinished(group.id)
      : finder.snapshots.findByTime(group.id, name.which);
  if (snapshot?.state === 'finished') return { group, snapshot };
  throw new CairnError(
    'not-found',
    name.which === 'latest' ? `${shown}: no snapshot yet` : `There is no snapshot ${shown}`,
  );
}
