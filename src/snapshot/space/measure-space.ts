import type { ChunkTotals } from '../../catalog/counters.js';
import type { Group } from '../../catalog/groups.js';
import type { CatalogReader } from '../../catalog/open-reader.js';
import type { Snapshot } from '../../catalog/snapshots.js';
import type { IndexedSnapshot, LiveSpaceUsed, SpaceAccount, SpaceUsed } from '../../catalog/space-use.js';
import { standingDigests } from '../../chunk/standing-chunks.js';
import { groupPath } from '../../core/group.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import { openDatastoreReader } from '../../datastore/open.js';
import { indexKindOfName } from '../../index/archive-names.js';
import { loadUntracked } from './untracked-indexes.js';

/** How much space something takes. */
export interface SpaceFigures {
  /** Sum of the lengths of its files, or of its streams where it is a snapshot; a group's: of all that is in it. */
  readonly logicalBytes: number;
  /** Its chunks, each once: how many, their plain bytes, and the bytes of their files. */
  readonly chunks: number;
  readonly uniqueBytes: number;
  readonly storedBytes: number;
  /** Bytes of files of chunks that nothing else names: what gc gives back once it is gone. */
  readonly exclusiveBytes: number;
}

/** The figures of one thing: `time` and `archive` are a snapshot's. */
export interface SpaceEntry extends SpaceFigures {
  readonly kind: 'store' | 'group' | 'live' | 'snapshot';
  /** Path of the group; empty for the store. */
  readonly group: string;
  readonly groupId: number;
  readonly time: string | null;
  readonly archive: number | null;
}

/** Who takes how much of a datastore. */
export interface SpaceReport {
  /** When it was measured, epoch seconds. */
  readonly measuredAt: number;
  /** The store, then each group followed by its live tree and its snapshots, oldest first. */
  readonly entries: readonly SpaceEntry[];
  /** Bytes of chunk files: all that are there, those nothing names (gc takes them), and those in quarantine. */
  readonly presentBytes: number;
  readonly unusedBytes: number;
  readonly quarantinedBytes: number;
  /** Chunks known to be missing or damaged though something may name them. */
  readonly badChunks: number;
  /** Index files that cannot be read: what they name is not in the figures. */
  readonly unreadable: readonly string[];
}

/** A snapshot and the index files it consists of. */
interface Measured extends IndexedSnapshot {
  readonly row: Snapshot;
}

/**
 * Measures a datastore as it was last committed. Takes long on large stores: not for the mount's thread.
 * @param path the datastore's folder
 */
export async function measureSpace(path: string): Promise<SpaceReport> {
  const datastore = await openDatastoreReader(path);
  try {
    const { catalog, paths } = datastore;
    const groups = catalog.groups.list();
    const snapshots = groups.flatMap((group) => measuredOf(group, catalog));
    const indexes = snapshots.flatMap((snapshot) => snapshot.paths);
    const { loaded, unreadable } = await loadUntracked(paths.root, catalog.space, indexes);
    const account = catalog.space.account(snapshots, loaded, standingDigests());
    const { present, quarantined, bad } = catalog.figures().chunks;
    const entries = groups.flatMap((group) => groupEntries(group, snapshots, account));
    return {
      measuredAt: Date.now() / 1000,
      entries: [storeEntry(entries, account.all), ...entries],
      presentBytes: present.storedBytes,
      unusedBytes: Math.max(0, present.storedBytes - account.staying.storedBytes),
      quarantinedBytes: quarantined.storedBytes,
      badChunks: bad.chunks,
      unreadable,
    };
  } finally {
    datastore.close();
  }
}

/** The group's finished snapshots, oldest first. */
function measuredOf(group: Group, catalog: CatalogReader): Measured[] {
  return catalog.snapshots
    .list(group.id)
    .filter(({ state }) => state === 'finished')
    .reverse()
    .map((row) => ({ row, group: group.id, paths: indexPaths(group, row) }));
}

function indexPaths({ name }: Group, { time, files }: Snapshot): string[] {
  const folder = `${groupPath(name)}/${formatSnapshotTime(time)}`;
  const indexes = files.filter((file) => indexKindOfName(file.name) !== undefined);
  return indexes.map((file) => `${folder}/${file.name}`);
}

const NONE: ChunkTotals = { chunks: 0, plainBytes: 0, storedBytes: 0 };
const NOTHING: LiveSpaceUsed = { chunks: NONE, exclusive: NONE, files: 0, bytes: 0, journalBytes: 0 };

function groupEntries({ id, name }: Group, all: readonly Measured[], account: SpaceAccount<Measured>): SpaceEntry[] {
  const of = { group: groupPath(name), groupId: id };
  const live = account.live.get(id) ?? NOTHING;
  const snapshots = all.filter(({ group }) => group === id);
  const logicalBytes = snapshots.reduce((sum, { row }) => sum + row.contentBytes, live.bytes);
  return [
    { kind: 'group', ...of, time: null, archive: null, ...figures(logicalBytes, account.groups.get(id) ?? NOTHING) },
    { kind: 'live', ...of, time: null, archive: null, ...figures(live.bytes, live) },
    ...snapshots.map((snapshot): SpaceEntry => {
      const { time, archive, contentBytes } = snapshot.row;
      const used = account.snapshots.get(snapshot) ?? NOTHING;
      return { kind: 'snapshot', ...of, time: formatSnapshotTime(time), archive, ...figures(contentBytes, used) };
    }),
  ];
}

function figures(logicalBytes: number, { chunks, exclusive }: SpaceUsed): SpaceFigures {
  return {
    logicalBytes,
    chunks: chunks.chunks,
    uniqueBytes: chunks.plainBytes,
    storedBytes: chunks.storedBytes,
    exclusiveBytes: exclusive.storedBytes,
  };
}

function storeEntry(entries: readonly SpaceEntry[], all: ChunkTotals): SpaceEntry {
  const groups = entries.filter(({ kind }) => kind === 'group');
  const logicalBytes = groups.reduce((sum, entry) => sum + entry.logicalBytes, 0);
  const of = { kind: 'store', group: '', groupId: 0, time: null, archive: null } as const;
  return { ...of, ...figures(logicalBytes, { chunks: all, exclusive: all }) };
}
