import { type CatalogCondition, catalogCondition } from '../../catalog/copy-catalog.js';
import { groupPath } from '../../core/group.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import { claimDatastore } from '../../datastore/claim.js';
import { readConfig } from '../../datastore/config.js';
import { type DatastorePaths, datastorePaths } from '../../datastore/paths.js';
import { listGroups, listNamespaces, listSnapshots } from '../../index/snapshot-folder.js';
import { type CopyChoice, chooseCopy } from './choose-copy.js';
import { journalOf, wasInterrupted } from './set-aside.js';

/** A group as it is on disk. */
export interface GroupOnDisk {
  readonly group: string;
  readonly snapshots: number;
  /** The time of the newest finished one; null: there is none. */
  readonly newest: string | null;
}

/** What rebuilding the catalog would start from. */
export interface RebuildPlan {
  readonly condition: CatalogCondition;
  /** An earlier rebuilding did not come to its end: it is begun anew, from the same files. */
  readonly interrupted: boolean;
  readonly copies: CopyChoice;
  readonly groups: readonly GroupOnDisk[];
}

/**
 * Looks what there is to rebuild the catalog from; changes nothing.
 * @param useCopies false: copies of the catalog are left alone
 * @throws {CairnError} `busy` where another process has the datastore, `unsupported` for a catalog newer than this program
 */
export async function planRebuild(store: string, useCopies: boolean): Promise<RebuildPlan> {
  const paths = datastorePaths(store);
  readConfig(paths);
  const claim = claimDatastore(paths, 'rebuild');
  try {
    return await planOf(paths, useCopies);
  } finally {
    claim.release();
  }
}

/** The same for whoever holds the claim. */
export async function planOf(paths: DatastorePaths, useCopies: boolean): Promise<RebuildPlan> {
  const interrupted = wasInterrupted(paths);
  return {
    condition: interrupted ? { kind: 'missing' } : await catalogCondition(paths.catalog),
    interrupted,
    copies: useCopies ? await chooseCopy(paths, journalOf(paths)) : { chosen: undefined, unusable: [] },
    groups: await groupsOnDisk(paths.root),
  };
}

async function groupsOnDisk(store: string): Promise<GroupOnDisk[]> {
  const found: GroupOnDisk[] = [];
  for (const namespace of [[], ...(await listNamespaces(store))]) {
    for (const group of await listGroups(store, namespace)) {
      const snapshots = await listSnapshots(store, group);
      const newest = snapshots.filter(({ finished }) => finished).at(-1);
      const time = newest === undefined ? null : formatSnapshotTime(newest.time);
      found.push({ group: groupPath(group), snapshots: snapshots.length, newest: time });
    }
  }
  return found;
}
