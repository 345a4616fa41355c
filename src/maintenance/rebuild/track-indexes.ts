import type { IndexFile } from '../../catalog/index-files.js';
import type { Catalog } from '../../catalog/open.js';
import { CairnError, kindOf } from '../../core/errors.js';
import { type ChunkIndex, checksumFits } from '../../index/chunk-index.js';
import { type LoadedIndex, loadIndex, loadIndexIdentity, sameIndexIdentity } from '../../index/index-file.js';
import { indexFilesOnDisk } from '../gc/index-walk.js';
import { breathe, requireWanted } from '../job/care-context.js';
import type { JobProgress } from '../job/care-writes.js';

const ROWS_AT_ONCE = 500;

/** What rebuilding a catalog works on: a datastore nobody else has open. */
export interface RebuildContext {
  /** The datastore's folder. */
  readonly store: string;
  readonly catalog: Catalog;
  /** Makes what was written durable, so that readers see it. */
  commit(): Promise<void>;
  readonly signal: AbortSignal;
  progress(progress: JobProgress): void;
}

/** An index file that cannot be believed, relative to the datastore, and why. */
export interface UnreadableIndex {
  readonly path: string;
  readonly reason: string;
}

export interface TrackedIndexes {
  readonly files: number;
  readonly unreadable: readonly UnreadableIndex[];
}

/**
 * Brings the recorded index files in line with those on disk, wherever they lie. Chunks that nothing named before are
 * recorded as absent; which are there is found out by `alignChunks`.
 * @throws {CairnError} where a folder cannot be listed, `interrupted`; a file that cannot be read is only told
 */
export async function trackIndexes(context: RebuildContext): Promise<TrackedIndexes> {
  const paths = await indexFilesOnDisk(context.store);
  dropOthers(context.catalog, new Set(paths));
  const unreadable: UnreadableIndex[] = [];
  for (const [done, path] of paths.entries()) {
    requireWanted(context.signal);
    context.progress({ step: 'reading index files', done, total: paths.length, unit: 'items' });
    try {
      await track(context, path);
    } catch (error) {
      const kind = kindOf(error);
      if (kind !== 'corrupt' && kind !== 'not-found' && kind !== 'io') throw error;
      context.catalog.indexFiles.remove(path);
      unreadable.push({ path, reason: (error as Error).message });
    }
    await context.commit();
  }
  return { files: paths.length, unreadable };
}

function dropOthers({ indexFiles }: Catalog, onDisk: ReadonlySet<string>): void {
  for (let after = ''; ; ) {
    const rows: IndexFile[] = indexFiles.list(after, ROWS_AT_ONCE);
    for (const { path } of rows) if (!onDisk.has(path)) indexFiles.remove(path);
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.path;
  }
}

async function track({ store, catalog }: RebuildContext, path: string): Promise<void> {
  const recorded = catalog.indexFiles.find(path);
  if (recorded !== undefined && catalog.sets.find(path)?.kind === 'whole') {
    if (sameIndexIdentity(recorded, await loadIndexIdentity(`${store}/${path}`))) return;
  }
  const loaded = await loadIndex(`${store}/${path}`);
  if (!checksumFits(loaded.index)) throw new CairnError('corrupt', 'its list of chunks does not fit its checksum');
  const gathered = catalog.indexFiles.gather();
  for (let from = 0; from < loaded.index.count; from += ROWS_AT_ONCE) {
    catalog.indexFiles.addChunks(gathered, entriesOf(loaded.index, from, from + ROWS_AT_ONCE), 'absent');
    await breathe();
  }
  catalog.indexFiles.put(rowOf(path, loaded), gathered);
}

function* entriesOf(index: ChunkIndex, from: number, to: number): Generator<{ digest: Uint8Array; length: number }> {
  for (let position = from; position < Math.min(to, index.count); position += 1) {
    yield { digest: index.digest(position), length: index.end(position) - index.start(position) };
  }
}

function rowOf(path: string, { index, identity }: LoadedIndex): IndexFile {
  const { kind, count: chunkCount, contentLength: contentBytes } = index;
  return { path, kind, checksum: index.checksum, ...identity, chunkCount, contentBytes };
}
