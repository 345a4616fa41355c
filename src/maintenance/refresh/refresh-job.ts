import type { MessagePort } from 'node:worker_threads';
import { processGuards } from '../../chunkstore/guards.js';
import { CairnError } from '../../core/errors.js';
import { snapshotTimeOf } from '../../core/snapshot-time.js';
import { openDatastoreReader } from '../../datastore/open.js';
import { MANIFEST_NAME } from '../../index/archive-names.js';
import { JobPort } from '../job/job-port.js';
import { isManifest } from '../upload/store-files.js';
import { FETCHING } from '../upload/upload-parts.js';
import { groupOfFile } from '../upload/written-groups.js';
import { fetchMarks, mayBeMarkedAnew } from './fetch-marks.js';
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
 * and, for each chunk that is not here, a placeholder; those that are there no more go; of the others the marks are brought in.
 * @throws {CairnError} what the object store failed with; what was done until then stays
 */
export async function refresh(parts: RefreshParts): Promise<RefreshReport> {
  const listed = await listPublished(parts.objects, parts.listing);
  const gone = await forgetGone(parts, listed);
  const isOthers = new Map<string, boolean>();
  const wanted = [];
  let changed = 0;
  for (const [manifest, snapshot] of listed.snapshots) {
    const identity = parts.reader.uploads.fileIdentity(manifest);
    const isKnown = identity !== undefined && identity !== FETCHING;
    if (isKnown && !mayBeMarkedAnew(parts, snapshot)) continue;
    const known = isOthers.get(snapshot.group) ?? (await parts.ask('is-others', snapshot.group));
    isOthers.set(snapshot.group, known);
    if (!known) continue;
    parts.goOn();
    if (!isKnown) wanted.push(snapshot);
    else if (await fetchMarks(parts, snapshot)) changed += 1;
  }
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
  return { appeared, gone, changed, postponed: wanted.length - appeared };
}

function manifestOf({ folder }: ListedSnapshot): string {
  return `${folder}/${MANIFEST_NAME}`;
}

/** Snapshots that came from there, or were about to, and are there no more. */
async function forgetGone(parts: RefreshParts, { snapshots }: ListedSnapshots): Promise<number> {
  const { uploads } = parts.reader;
  const known = new Map<string, string[]>();
  for (let after = ''; ; ) {
    const files = uploads.listFiles(after, ROWS_AT_ONCE);
    for (const { path } of files) {
      const folder = path.slice(0, path.lastIndexOf('/'));
      known.set(folder, [...(known.get(folder) ?? []), path]);
    }
    const last = files.at(-1);
    if (last === undefined) break;
    after = last.path;
  }
  let gone = 0;
  for (const [folder, files] of known) {
    const manifest = files.find(isManifest);
    if (manifest === undefined || snapshots.has(manifest)) continue;
    const group = groupOfFile(manifest);
    const time = group === undefined ? undefined : snapshotTimeOf(folder.slice(group.length + 1));
    if (group === undefined || time === undefined || !(await parts.ask('is-others', group))) continue;
    parts.goOn();
    await parts.ask('forget', { group, time, files });
    gone += 1;
  }
  return gone;
}
