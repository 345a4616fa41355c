import type { Catalog } from '../../catalog/open.js';
import { Quarantine } from '../../chunkstore/quarantine.js';
import { CatalogChunkStates } from '../../content/catalog-chunk-states.js';
import { droppedPaths } from '../../content/dropped-paths.js';
import { CairnError } from '../../core/errors.js';
import type { Log } from '../../core/log.js';
import { systemClock } from '../../core/time.js';
import { claimDatastore } from '../../datastore/claim.js';
import { type DatastoreConfig, readConfig } from '../../datastore/config.js';
import { makeStores } from '../../datastore/create.js';
import { openObjects } from '../../datastore/object-store.js';
import { openDatastoreReader } from '../../datastore/open.js';
import { type DatastorePaths, datastorePaths } from '../../datastore/paths.js';
import { careContext } from '../../maintenance/job/care-context.js';
import type { JobProgress } from '../../maintenance/job/care-writes.js';
import { Pace } from '../../maintenance/job/pace.js';
import { type AlignedChunks, alignChunks } from '../../maintenance/rebuild/align-chunks.js';
import { type LostFiles, lostFiles } from '../../maintenance/rebuild/lost-files.js';
import { type TrackedIndexes, trackIndexes } from '../../maintenance/rebuild/track-indexes.js';
import { trackObjects } from '../../maintenance/rebuild/track-objects.js';
import { restoreIndexes } from '../../maintenance/spread/restore-indexes.js';
import { CatalogCareWrites } from '../care-writes.js';
import { unpackCatalogCopy } from '../catalog-copies/copy-files.js';
import { ScratchFolder } from '../scratch-folder.js';
import { type UnmountedStore, withUnmounted } from '../unmounted-store.js';
import type { ChosenCopy } from './choose-copy.js';
import { type RebuiltGroup, rebuildLiveTrees } from './live-trees.js';
import { planOf, type RebuildPlan } from './plan-rebuild.js';
import { emptyJournal, endRebuilding, type SetAside, setAside } from './set-aside.js';

/** How to rebuild. */
export interface RebuildOptions {
  /** Begin with the newest copy of the catalog that is whole; else with nothing but the datastore. */
  readonly useCopies: boolean;
  /** Rebuild a catalog that is whole, too. */
  readonly evenIfWhole: boolean;
  /** The folder was just fetched from the object store; absent: it is what there was. */
  readonly fetched?: FetchedFolder | undefined;
}

/** A folder that was fetched from an object store. */
export interface FetchedFolder {
  /** Notes what is in the object store. */
  noteUploads(catalog: Catalog): Promise<void>;
  /** Whether live trees are brought back; else they are other machines', and empty here. */
  readonly hasLiveTrees: boolean;
}

/** Who waits. */
export interface RebuildCaller {
  readonly signal: AbortSignal;
  progress(progress: JobProgress): void;
}

/** What was rebuilt, and what is lost. */
export interface RebuildReport {
  /** What was kept of before, by name in `.cairn`. */
  readonly aside: SetAside;
  /** The copy it began with; null: none. */
  readonly copy: string | null;
  /** Changes after the copy that the journal brought back, and those it had and that could not be made. */
  readonly journal: { readonly applied: number; readonly lost: number; readonly lostPaths: readonly string[] };
  readonly groups: readonly RebuiltGroup[];
  readonly snapshots: number;
  readonly indexes: TrackedIndexes;
  readonly chunks: AlignedChunks;
  /** Files that cannot be read as a whole. */
  readonly lost: LostFiles;
}

/**
 * Makes the catalog of a datastore anew: from the newest copy of it and the journal behind that, as far as they fit; all else
 * from snapshots, index files and chunks. What was there is kept beside it. Killed, it is done anew by the next call, and nothing
 * else opens the datastore before.
 * @throws {CairnError} `busy` where another process has the datastore, `exists` where the catalog is whole, `interrupted`, and
 *   what reading and writing give
 */
export async function rebuildCatalog(
  store: string,
  options: RebuildOptions,
  caller: RebuildCaller,
  log: Log,
): Promise<RebuildReport> {
  const { useCopies, evenIfWhole, fetched } = options;
  const paths = datastorePaths(store);
  const config = readConfig(paths);
  const claim = claimDatastore(paths, 'rebuild');
  try {
    let plan = await planOf(paths, useCopies);
    if (plan.condition.kind === 'whole' && !evenIfWhole) {
      throw new CairnError('exists', `The catalog of ${store} is whole: there is nothing to rebuild`);
    }
    if (config.backends !== undefined) {
      await restoreFromBackends(store, config);
      plan = await planOf(paths, useCopies);
    }
    const aside = await setAside(paths);
    const { chosen } = plan.copies;
    if (chosen === undefined) {
      await emptyJournal(paths);
      await makeStores(paths, config);
    } else await unpackCatalogCopy(paths.catalogCopies, chosen.copy, paths.catalog);
    const report = await withUnmounted(
      store,
      log,
      (opened) => fill(opened, plan, { ...caller, fetched }, log),
      'process',
    );
    await endRebuilding(paths);
    return { aside, copy: chosen?.copy.name ?? null, ...report };
  } finally {
    claim.release();
  }
}

/** Snapshots the datastore's folder has lost may be in copies on its backends. */
async function restoreFromBackends(store: string, config: DatastoreConfig): Promise<void> {
  const { spread, close } = await openObjects(store, config);
  try {
    if (spread !== undefined) await restoreIndexes(store, spread.spread);
  } finally {
    close();
  }
}

async function fill(
  opened: UnmountedStore,
  plan: RebuildPlan,
  { signal, progress, fetched }: RebuildCaller & Pick<RebuildOptions, 'fetched'>,
  log: Log,
): Promise<Omit<RebuildReport, 'aside' | 'copy'>> {
  const { datastore, live } = opened;
  const { backend, catalog, chunks: store, config, paths } = datastore;
  const commit = () => live.durability.commitDurably();
  const context = { store: paths.root, catalog, commit, signal, progress };
  const indexes = await trackIndexes(context);
  const objects = await trackObjects(context);
  const states = new CatalogChunkStates({ catalog, chunks: store, durability: live.durability, log: live.parts.log });
  const { prefixDigits } = config;
  const quarantine = new Quarantine({ backend, prefixDigits, states });
  const chunks = await alignChunks({ ...context, backend, prefixDigits, quarantine, catalogPath: paths.catalog });
  const { applied, dropped } = live.recovered;
  const lostPaths = droppedPaths(catalog, dropped);
  const wanted = fetched?.hasLiveTrees === false ? [] : plan.groups;
  const groups = await rebuildLiveTrees(
    opened,
    { copy: usable(plan, fetched), groups: wanted, log },
    { signal, progress: (done, total) => progress({ step: 'rebuilding live trees', done, total, unit: 'items' }) },
  );
  if (fetched !== undefined) await fetched.noteUploads(catalog);
  // What a copy says of the object store was true when it was made.
  else if (datastore.objects !== undefined) catalog.uploads.addAll();
  await commit();
  return {
    journal: { applied, lost: dropped.length, lostPaths },
    groups,
    snapshots: countSnapshots(opened),
    indexes: { ...indexes, unreadable: [...indexes.unreadable, ...objects.unreadable] },
    chunks,
    lost: await lostIn(opened, paths, { signal, progress }),
  };
}

/** What is fetched of a journal ends where the copy does. */
function usable({ copies: { chosen } }: RebuildPlan, fetched: FetchedFolder | undefined): ChosenCopy | undefined {
  return chosen && fetched ? { ...chosen, journalFits: false } : chosen;
}

function countSnapshots({ datastore: { catalog } }: UnmountedStore): number {
  return catalog.groups.list().reduce((sum, { id }) => sum + catalog.snapshots.list(id).length, 0);
}

async function lostIn(
  { datastore, live, snapshots }: UnmountedStore,
  paths: DatastorePaths,
  { signal, progress }: RebuildCaller,
): Promise<LostFiles> {
  const reader = await openDatastoreReader(paths.root);
  const scratch = new ScratchFolder();
  try {
    const writes = new CatalogCareWrites(datastore, live, snapshots.marks);
    const pace = new Pace(undefined);
    return await lostFiles(careContext(reader, { writes, pace, clock: systemClock, signal, scratch, progress }));
  } finally {
    await scratch.close();
    reader.close();
  }
}
