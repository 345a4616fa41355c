import type { LiveStore } from '../content/open-live-store.js';
import type { GroupName } from '../core/group.js';
import { systemClock } from '../core/time.js';
import type { WritableDatastore } from '../datastore/open.js';
import { makeGroup } from '../snapshot/make-group.js';
import type { SnapshotService } from './snapshot-service.js';
import { StoreFolders } from './store-folders.js';

/** Told what appeared under a name, so that the kernel hears of it. */
export type OnPlaced = (parentIno: number, name: Uint8Array) => void;

/** Where groups are made. */
export interface GroupPlaces {
  readonly datastore: WritableDatastore;
  readonly live: LiveStore;
  readonly snapshots: SnapshotService;
  readonly onPlaced: OnPlaced;
}

/** Makes the group where there is none, for snapshots that are of no live tree: its own is empty. */
export async function requireGroupForOthers(
  { datastore, live, snapshots, onPlaced }: GroupPlaces,
  group: GroupName,
): Promise<void> {
  const { catalog, paths } = datastore;
  if (catalog.groups.findByName(group) !== undefined) return;
  await new StoreFolders(paths.root, (made) => snapshots.guard.claim(made)).createGroup(group);
  if (catalog.groups.findByName(group) !== undefined) return;
  const parts = { catalog, log: live.parts.log, clock: systemClock };
  snapshots.changes.groupMadeForOthers(makeGroup(parts, group, onPlaced));
}
