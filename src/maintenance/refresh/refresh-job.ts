import type { MessagePort } from 'node:worker_threads';
import type { RemoteFile } from '../../catalog/uploads.js';
import { processGuards } from '../../chunkstore/guards.js';
import { CairnError } from '../../core/errors.js';
import { snapshotTimeOf } from '../../core/snapshot-time.js';
import { openDatastoreReader } from '../../datastore/open.js';
import { MANIFEST_NAME } from '../../index/archive-names.js';
import { JobPort } from '../job/job-port.js';
import { isManifest } from '../upload/store-files.js';
import { FETCHING, UNCERTAIN } from '../upload/upload-parts.js';
import { groupOfFile } from '../upload/written-groups.js';
import { compareSnapshot } from './compare-snapshot.js';
import { fetchMarks, isFetched, mayBeMarkedAnew } from './fetch-marks.js';
import { fetchSnapshot } from './fetch-snapshot.js';
import { type ListedSnapshot, type ListedSnapshots, listPublished } from './listed-snapshots.js';
import type { RefreshParts } from './refresh-parts.js';
import type { RefreshAsks, RefreshJobOptions, RefreshReport } from './refresh-protocol.js';

const ROWS_AT_ONCE = 500;
/** Snapshots that become durable together. */
const BATCH = 16;

/** The job's side of a refresh. */
export async function serveRefreshJob(
  options: RefreshJobOptions,
  port: MessagePort,
  files: Pick<RefreshParts, 'factsOf' | 'standIn'>,
): Promise<void> {
  const owner = new JobPort<RefreshAsks>(port);
  await owner.serve(async () => {
    const datastore = await openDatastoreReader(options.store);
    try {
      const { objects, catalog, config } = datastore;
      if (objects?.shared === undefined) throw new CairnError('invalid', 'The object store is not shared');
      return await refresh({
        ...{ store: options.store, prefixDigits: config.prefixDigits, reader: catalog },
        ...{ objects: objects.shared, listing: objects.listing },
        ...{ guards: processGuards(), ...files },
        ask: (name, payload) => owner.ask(name, payload),
        progress: (progress) => owner.progress(progress),
        goOn: () => owner.goOn(),
      });
    } finally {
      datastore.close();
    }
  });
}

/**
 * Brings the snapshots of groups that other machines write to in line with those in the object store: new ones get their files
 * and, for each chunk that is not here, a placeholder; those that are there no more, or are others by the
 * same name, go; of the others the marks are brought in.
 * @throws {CairnError} what the object store failed with; what was done until then stays
 */
export async function refresh(parts: RefreshParts): Promise<RefreshReport> {
  const listed = await listPublished(parts.objects, parts.listing);
  const gone = await forgetGone(parts, listed);
  const { wanted, changed, replaced } = await compareListed(parts, listed);
  let appeared = 0;
  for (let done = 0; done < wanted.length; done += BATCH) {
    const batch = wanted.slice(done, done + BATCH);
    parts.progress({ step: 'fetching snapshots', done, total: wanted.length, unit: 'items' });
    const held: Uint8Array[] = [];
    // Once its files are here a mount shows it, whatever becomes of this job.
    await parts.ask('fetching', batch.map(manifestOf));
    try {
      for (const snapshot of batch) {
        parts.goOn();
        if (await fetchSnapshot(parts, snapshot, listed.groupFiles, held)) appeared += 1;
      }
    } finally {
      // They are held until what names them is durable.
      await parts.ask('commit', null).catch(() => undefined);
      for (const digest of held) parts.guards.release(digest);
    }
  }
  return { appeared, gone: gone + replaced, changed, postponed: wanted.length - appeared };
}

/** What there is to be fetched; marks are brought in, and what has another's name now goes from here. */
async function compareListed(
  parts: RefreshParts,
  { snapshots }: ListedSnapshots,
): Promise<{ readonly wanted: ListedSnapshot[]; readonly changed: number; readonly replaced: number }> {
  const isOthers = new Map<string, boolean>();
  const wanted = [];
  let [changed, replaced] = [0, 0];
  for (const [manifest, snapshot] of snapshots) {
    const identity = parts.reader.uploads.fileIdentity(manifest);
    const isKnown = identity !== undefined && identity !== FETCHING;
    if (isKnown && !mayBeMarkedAnew(parts, snapshot)) continue;
    const known = isOthers.get(snapshot.group) ?? (await parts.ask('is-others', snapshot.group));
    isOthers.set(snapshot.group, known);
    if (!known) continue;
    parts.goOn();
    const compared = identity === FETCHING ? undefined : await compareSnapshot(parts, snapshot);
    if (compared?.is === 'another') {
      // One that may not have been published is here alone.
      if (!isKnown || identity === UNCERTAIN) continue;
      await forget(parts, snapshot);
      replaced += 1;
      wanted.push(snapshot);
    } else if (!isKnown || compared?.is !== 'the same') wanted.push(snapshot);
    else if (await fetchMarks(parts, snapshot, compared.unprotected)) changed += 1;
  }
  return { wanted, changed, replaced };
}

async function forget(parts: RefreshParts, { group, time, folder }: ListedSnapshot): Promise<void> {
  const behind = parts.reader.uploads.listFiles(`${folder}/`, ROWS_AT_ONCE).map(({ path }) => path);
  await parts.ask('forget', { group, time, files: behind.filter((path) => path.startsWith(`${folder}/`)) });
}

function manifestOf({ folder }: ListedSnapshot): string {
  return `${folder}/${MANIFEST_NAME}`;
}

/** Snapshots that came from there, or were about to, or were published from here, and are there no more. */
async function forgetGone(parts: RefreshParts, listed: ListedSnapshots): Promise<number> {
  let gone = 0;
  for (const [folder, files] of notedFiles(parts)) {
    const manifest = files.find(({ path }) => isManifest(path));
    if (manifest === undefined || !isGone(manifest, listed)) continue;
    const group = groupOfFile(manifest.path);
    const time = group === undefined ? undefined : snapshotTimeOf(folder.slice(group.length + 1));
    if (group === undefined || time === undefined || !(await parts.ask('is-others', group))) continue;
    parts.goOn();
    await parts.ask('forget', { group, time, files: files.map(({ path }) => path) });
    gone += 1;
  }
  return gone;
}

/** By folder. */
function notedFiles({ reader }: Pick<RefreshParts, 'reader'>): Map<string, RemoteFile[]> {
  const noted = new Map<string, RemoteFile[]>();
  for (let after = ''; ; ) {
    const files = reader.uploads.listFiles(after, ROWS_AT_ONCE);
    for (const file of files) {
      const folder = file.path.slice(0, file.path.lastIndexOf('/'));
      noted.set(folder, [...(noted.get(folder) ?? []), file]);
    }
    const last = files.at(-1);
    if (last === undefined) return noted;
    after = last.path;
  }
}

/** Whether it was there and is not. What this machine only meant to put there, or what never counted, may be here alone. */
function isGone({ path, identity }: RemoteFile, { snapshots, revoked }: ListedSnapshots): boolean {
  if (snapshots.has(path) || identity === UNCERTAIN) return false;
  return isFetched(identity) || !revoked.has(path);
}
