import type { IndexFile } from '../../catalog/index-files.js';
import { type GroupName, groupPath } from '../../core/group.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import { OBJECTS_FOLDER } from '../../index/object-files.js';
import { snapshotPath } from '../../index/snapshot-folder.js';
import { breathe, type CareContext, requireWanted } from '../job/care-context.js';
import { indexProblem, lookAtFiles, type SnapshotFindings } from './snapshot-files.js';

const LISTED_AT_ONCE = 500;

/** The index file of an object that cannot be relied on. */
export interface DamagedIndex {
  /** Relative to the datastore. */
  readonly path: string;
  readonly reason: string;
}

/** What was found wrong with files that name chunks. */
export interface StoredFilesReport {
  readonly snapshots: readonly SnapshotFindings[];
  readonly objects: readonly DamagedIndex[];
}

/**
 * Verifies the files of all finished snapshots and the index files of all objects by their content. No other copy of them need
 * exist, and damage to one loses all of its stream, so each run reads them all: 40 bytes for each chunk they list. A snapshot
 * with a damaged file is noted as failed, in manifest and catalog.
 * @throws {CairnError} `interrupted`
 */
export async function verifyStoredFiles(context: CareContext): Promise<StoredFilesReport> {
  const snapshots: SnapshotFindings[] = [];
  for (const { id, name } of context.catalog.groups.list()) {
    for (const { archive, time, state } of context.catalog.snapshots.list(id)) {
      if (state !== 'finished') continue;
      const problems = await verifyOne(context, name, time, archive);
      if (problems.length > 0) snapshots.push({ group: groupPath(name), time: formatSnapshotTime(time), problems });
    }
  }
  return { snapshots, objects: await damagedObjects(context) };
}

async function verifyOne(
  context: CareContext,
  group: GroupName,
  time: number,
  archive: number,
): Promise<readonly string[]> {
  requireWanted(context.signal);
  await breathe();
  const startedAt = context.clock.now().seconds;
  const problems = await lookAtFiles(context, snapshotPath(context.store, group, time), async () => undefined);
  // What is being forgotten may look like anything.
  const stands = context.catalog.snapshots.find(archive)?.state === 'finished';
  if (problems.length === 0 || !stands) return [];
  await context.writes.snapshotVerified({ group, time, state: 'failed', startedAt });
  return problems;
}

async function damagedObjects(context: CareContext): Promise<DamagedIndex[]> {
  const { catalog, store, signal } = context;
  const damaged: DamagedIndex[] = [];
  for (const { path, checksum } of objectIndexes(context)) {
    requireWanted(signal);
    const reason = await indexProblem(context, `${store}/${path}`, checksum);
    // A file goes after its row.
    if (reason !== undefined && catalog.indexFiles.find(path) !== undefined) damaged.push({ path, reason });
  }
  return damaged;
}

function* objectIndexes({ catalog }: CareContext): Generator<IndexFile> {
  const folder = `${OBJECTS_FOLDER}/`;
  for (let after = folder; ; ) {
    const listed = catalog.indexFiles.list(after, LISTED_AT_ONCE).filter(({ path }) => path.startsWith(folder));
    yield* listed;
    const last = listed.at(-1);
    if (last === undefined || listed.length < LISTED_AT_ONCE) return;
    after = last.path;
  }
}
