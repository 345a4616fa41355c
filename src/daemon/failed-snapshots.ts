import type { Group } from '../catalog/groups.js';
import type { Snapshot } from '../catalog/snapshots.js';
import type { Problem } from '../control/commands.js';
import { groupPath } from '../core/group.js';
import { formatSnapshotTime } from '../core/snapshot-time.js';

const SHOWN = 100;

/** What is asked of a catalog, the writer's or a reader's. */
interface SnapshotsOfGroups {
  readonly groups: { find(id: number): Group | undefined };
  readonly snapshots: { failed(limit: number): Snapshot[] };
}

/** Names the snapshots that failed their last verification, one line each, and what to do. */
export function failedSnapshots({ groups, snapshots }: SnapshotsOfGroups): Problem[] {
  return snapshots.failed(SHOWN).flatMap(({ group, time, verifiedAt }) => {
    const name = groups.find(group)?.name;
    if (name === undefined) return [];
    const path = `${groupPath(name)}/${formatSnapshotTime(time)}`;
    const failure = `Snapshot ${path} failed its verification of ${formatSnapshotTime(verifiedAt)}`;
    return [{ kind: 'damaged-snapshot', message: `${failure}: "cairn repair" says what it lacks and what helps` }];
  });
}
