import { ChunkSet } from '../catalog/chunk-set.js';
import type { ChunkSets } from '../catalog/chunk-sets.js';
import type { ChunkTotals } from '../catalog/counters.js';
import type { CatalogReader } from '../catalog/open-reader.js';
import { standingDigests } from '../chunk/standing-chunks.js';
import { groupPath } from '../core/group.js';
import { formatSnapshotTime } from '../core/snapshot-time.js';
import type { TreeName } from '../core/tree-name.js';
import { indexKindOfName } from '../index/archive-names.js';
import type { JsonValue } from '../index/canonical-json.js';
import { loadManifest } from '../index/publish.js';
import { isMarkedProtected, snapshotPath } from '../index/snapshot-folder.js';
import { unreadablePathsOf } from '../index/unreadable-paths.js';
import { type FoundSnapshot, requireSnapshot } from './find-snapshot.js';

/** What is known of a snapshot. Sizes in bytes, times in epoch seconds. */
export interface SnapshotDescription {
  readonly group: string;
  /** The name of its folder. */
  readonly time: string;
  readonly protected: boolean;
  readonly notes: string;
  /** Inodes in its tree; null where not known (PBS made it). */
  readonly entries: number | null;
  /** Paths of its source that could not be read; 0 also where nobody recorded any. */
  readonly unreadable: number;
  /** Lengths of its streams together. */
  readonly sizeBytes: number;
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly encrypted: boolean }[];
  readonly signed: boolean;
  readonly verified: { readonly state: 'none' | 'ok' | 'failed'; readonly at: number | null };
  /** Null where the sets of its chunks are not recorded (PBS made it) or damaged. */
  readonly chunks: SnapshotChunks | null;
}

/** The distinct chunks a snapshot names. */
export interface SnapshotChunks {
  readonly count: number;
  readonly plainBytes: number;
  /** On disk, as far as known. */
  readonly storedBytes: number;
  /** What forgetting it alone frees. */
  readonly exclusive: { readonly count: number; readonly storedBytes: number };
}

/** Extents looked at in one step of gathering what the live trees need. */
const EXTENTS_AT_ONCE = 100_000;

/**
 * What the catalog, the manifest and the folder say of a snapshot.
 * @param store the datastore's folder
 * @throws {CairnError} `not-found`, `corrupt` manifest, and what reading gives
 */
export async function describeSnapshot(
  catalog: CatalogReader,
  store: string,
  name: TreeName,
): Promise<SnapshotDescription> {
  const { group, snapshot } = requireSnapshot(catalog, name);
  const folder = snapshotPath(store, group.name, snapshot.time);
  const manifest = await loadManifest(folder);
  const { files, unprotected, signature } = manifest;
  return {
    group: groupPath(group.name),
    time: formatSnapshotTime(snapshot.time),
    protected: await isMarkedProtected(folder),
    notes: typeof unprotected.notes === 'string' ? unprotected.notes : '',
    entries: snapshot.entries === 0 ? null : snapshot.entries,
    unreadable: unreadablePathsOf(manifest),
    sizeBytes: files.reduce((sum, { size }) => sum + size, 0),
    files: files.map(({ filename, size, cryptMode }) => ({
      name: filename,
      bytes: size,
      encrypted: cryptMode === 'encrypt',
    })),
    signed: signature !== undefined,
    verified: verifiedState(unprotected.verify_state, snapshot),
    chunks: chunksOf(catalog, { group, snapshot }),
  };
}

function verifiedState(
  stated: JsonValue | undefined,
  { verifyState, verifiedAt }: FoundSnapshot['snapshot'],
): SnapshotDescription['verified'] {
  if (verifyState !== 'none') return { state: verifyState, at: verifiedAt === 0 ? null : verifiedAt };
  const state = typeof stated === 'object' && stated !== null && 'state' in stated ? stated.state : undefined;
  return { state: state === 'ok' || state === 'failed' ? state : 'none', at: null };
}

/** Paths of a snapshot's index files, as the catalog tracks them. */
function indexPaths({ group, snapshot }: FoundSnapshot): string[] {
  const folder = `${groupPath(group.name)}/${formatSnapshotTime(snapshot.time)}`;
  return snapshot.files.map(({ name }) => `${folder}/${name}`);
}

function chunksOf(catalog: CatalogReader, found: FoundSnapshot): SnapshotChunks | null {
  const own = ownChunks(catalog.sets, indexPaths(found));
  if (own === undefined) return null;
  const totals = catalog.sets.totals(own);
  own.dispose();
  const freed = freedBy(catalog, [found]);
  if (freed === undefined) return null;
  return {
    count: totals.chunks,
    plainBytes: totals.plainBytes,
    storedBytes: totals.storedBytes,
    exclusive: { count: freed.chunks, storedBytes: freed.storedBytes },
  };
}

function ownChunks(sets: ChunkSets, paths: readonly string[]): ChunkSet | undefined {
  const own = new ChunkSet();
  for (const path of paths) {
    const found = sets.find(path);
    if (found?.kind === 'whole') {
      own.addAll(found.value);
      found.value.dispose();
    } else if (found !== undefined || indexKindOfName(path) !== undefined) {
      own.dispose();
      return undefined;
    }
  }
  return own;
}

/**
 * What forgetting these snapshots together frees; undefined where a recorded set is damaged.
 * Looks at every extent of the live trees: for jobs and commands.
 */
export function freedBy(catalog: CatalogReader, found: readonly FoundSnapshot[]): ChunkTotals | undefined {
  const { picture, sets } = catalog;
  picture.begin();
  try {
    const live = new ChunkSet();
    for (let at = sets.addLive(live, undefined, EXTENTS_AT_ONCE); !at.done; )
      at = sets.addLive(live, at, EXTENTS_AT_ONCE);
    sets.addKnown(live, standingDigests());
    const mine = sets.exclusive(found.flatMap(indexPaths), live);
    live.dispose();
    if (mine.kind === 'damaged') return undefined;
    const totals = sets.totals(mine.value);
    mine.value.dispose();
    return totals;
  } finally {
    picture.end();
  }
}
