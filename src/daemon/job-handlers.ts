import type { LiveStore } from '../content/open-live-store.js';
import type { SnapshotCreated } from '../control/snapshot-commands.js';
import type { SpaceMeasured } from '../control/space-commands.js';
import { type GroupName, parseGroupPath } from '../core/group.js';
import type { WritableDatastore } from '../datastore/open.js';
import type { DoomedSnapshot } from './prune-service.js';
import type { SnapshotService } from './snapshot-service.js';
import type { SpaceService } from './space-service.js';

/** What jobs of the main thread ask the mount worker for. */
export interface JobWorkerCommands {
  space: { arguments: Record<never, never>; result: SpaceMeasured };
  /** Makes a snapshot where the live tree changed since the newest one. */
  'snapshot-if-changed': {
    arguments: { readonly group: string };
    result: { readonly created: SnapshotCreated | null };
  };
  'remove-pruned': { arguments: DoomedSnapshot; result: Record<never, never> };
}

/** The mount worker's side. */
export function jobHandlers(mounted: ChangedParts, space: SpaceService) {
  const { snapshots } = mounted;
  return {
    space: () => space.measure(),
    'snapshot-if-changed': async ({ group }: { readonly group: string }) => ({
      created: await createIfChanged(mounted, parseGroupPath(group)),
    }),
    'remove-pruned': async ({ group, time, finished }: DoomedSnapshot) => {
      await snapshots.removePruned(parseGroupPath(group), time, finished);
      return {};
    },
  };
}

/** What tells whether a group has changed since its newest snapshot. */
interface ChangedParts {
  readonly datastore: Pick<WritableDatastore, 'catalog'>;
  readonly live: Pick<LiveStore, 'contents'>;
  readonly snapshots: SnapshotService;
}

/** Makes a snapshot; null where the live tree is proved to be as in the newest one. */
async function createIfChanged(
  { datastore, live, snapshots }: ChangedParts,
  group: GroupName,
): Promise<SnapshotCreated | null> {
  const row = datastore.catalog.groups.findByName(group);
  const newest = row && datastore.catalog.snapshots.newestFinished(row.id);
  const hasDrafts = live.contents.dirtyBytes > 0;
  const isSame = row && newest && !hasDrafts && snapshots.changes.isUnchangedSince(row.id, newest.archive);
  return isSame === true ? null : snapshots.create(group);
}
