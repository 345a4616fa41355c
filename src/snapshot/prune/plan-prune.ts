import type { IndexedSnapshot } from '../../catalog/space-use.js';
import { standingDigests } from '../../chunk/standing-chunks.js';
import { CairnError, kindOf } from '../../core/errors.js';
import { type GroupName, groupPath } from '../../core/group.js';
import type { KeepCounts } from '../../core/keep-counts.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import { openDatastoreReader, type ReadableDatastore } from '../../datastore/open.js';
import { indexKindOfName } from '../../index/archive-names.js';
import { listSnapshots, type SnapshotFolder } from '../../index/snapshot-folder.js';
import { loadUntracked } from '../space/untracked-indexes.js';
import { judge, type Verdict } from './retention.js';

/** What is to be kept of a group. */
export interface GroupPolicy {
  readonly group: GroupName;
  readonly keep: KeepCounts;
}

/** What becomes of one snapshot. */
export interface PlannedSnapshot {
  /** The name of its folder. */
  readonly time: string;
  readonly finished: boolean;
  readonly protected: boolean;
  readonly keep: boolean;
  readonly reason: string;
  /** Bytes of chunk files that nothing but this snapshot names. */
  readonly exclusiveBytes: number;
}

/** What pruning a group does: its snapshots, newest first. */
export interface PlannedGroup {
  readonly group: string;
  readonly snapshots: readonly PlannedSnapshot[];
}

export interface PrunePlan {
  readonly groups: readonly PlannedGroup[];
  /** Bytes of chunk files that gc gives back when all of it is done. */
  readonly freedBytes: number;
}

/** The row of a group that only others use. */
const NO_GROUP = -1;

interface Judged extends IndexedSnapshot {
  readonly folder: SnapshotFolder;
  readonly verdict: Verdict;
}

/**
 * Says what pruning groups would do. The snapshots on disk are the truth, so those others made are among them.
 * Takes long on large stores: not for the mount's thread.
 * @param path the datastore's folder
 * @throws {CairnError} `not-found` for a group that is none, and what listing folders gives
 */
export async function planPrune(path: string, policies: readonly GroupPolicy[]): Promise<PrunePlan> {
  const datastore = await openDatastoreReader(path);
  try {
    const judged = new Map<string, Judged[]>();
    for (const policy of policies) judged.set(groupPath(policy.group), await judgeGroup(datastore, policy));
    return await withSizes(datastore, judged);
  } finally {
    datastore.close();
  }
}

async function judgeGroup(datastore: ReadableDatastore, { group, keep }: GroupPolicy): Promise<Judged[]> {
  const id = datastore.catalog.groups.findByName(group)?.id ?? NO_GROUP;
  const folders = await snapshotsOnDisk(datastore.paths.root, group, id);
  const all = folders.map((folder) => ({ ...folder, isFinished: folder.finished }));
  return judge(all, keep).map(({ snapshot, verdict }) => ({
    ...{ group: id, folder: snapshot, verdict },
    paths: indexPathsOf(group, snapshot),
  }));
}

/** What the group's folder holds; where it is absent though the catalog has the group: nothing. */
async function snapshotsOnDisk(store: string, group: GroupName, id: number): Promise<SnapshotFolder[]> {
  try {
    return await listSnapshots(store, group);
  } catch (error) {
    if (kindOf(error) !== 'not-found') throw error;
    if (id !== NO_GROUP) return [];
    throw new CairnError('not-found', `There is no group ${groupPath(group)}`, { cause: error });
  }
}

function indexPathsOf(group: GroupName, { time, files }: SnapshotFolder): string[] {
  const indexes = files.filter((name) => indexKindOfName(name) !== undefined);
  return indexes.map((name) => `${groupPath(group)}/${formatSnapshotTime(time)}/${name}`);
}

/** All snapshots of the store count, pruned or not: what another one names does not go. */
async function withSizes(
  { catalog, paths }: ReadableDatastore,
  judged: ReadonlyMap<string, readonly Judged[]>,
): Promise<PrunePlan> {
  const mine = [...judged.values()].flat();
  const others: IndexedSnapshot[] = [];
  for (const { id, name } of catalog.groups.list()) {
    if (judged.has(groupPath(name))) continue;
    const folders = await snapshotsOnDisk(paths.root, name, id);
    others.push(...folders.map((folder) => ({ group: id, paths: indexPathsOf(name, folder) })));
  }
  const everything = [...mine, ...others];
  const pathsOf = (list: readonly IndexedSnapshot[]) => list.flatMap((snapshot) => snapshot.paths);
  const { loaded } = await loadUntracked(paths.root, catalog.space, pathsOf(everything));
  const standing = standingDigests();
  const { snapshots } = catalog.space.account(everything, loaded, standing);
  const going = mine.filter(({ verdict }) => !verdict.keep);
  const staying = everything.filter((snapshot) => !going.includes(snapshot as Judged));
  return {
    groups: Array.from(judged, ([group, list]) => ({
      group,
      snapshots: list.map((one) => planned(one, snapshots.get(one)?.exclusive.storedBytes ?? 0)),
    })),
    freedBytes: catalog.space.freedBy(pathsOf(going), pathsOf(staying), loaded, standing).storedBytes,
  };
}

function planned({ folder, verdict }: Judged, exclusiveBytes: number): PlannedSnapshot {
  return {
    time: formatSnapshotTime(folder.time),
    finished: folder.finished,
    protected: folder.isProtected,
    keep: verdict.keep,
    reason: verdict.reason,
    exclusiveBytes,
  };
}
