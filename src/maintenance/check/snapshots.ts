import { ChunkSet } from '../../catalog/chunk-set.js';
import type { IndexFile } from '../../catalog/index-files.js';
import type { Snapshot } from '../../catalog/snapshots.js';
import type { Digest } from '../../core/digest.js';
import { kindOf } from '../../core/errors.js';
import { type GroupName, groupPath } from '../../core/group.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import { indexKindOfName } from '../../index/archive-names.js';
import { checksumFits } from '../../index/chunk-index.js';
import { loadIndex, loadIndexIdentity, sameIndexIdentity } from '../../index/index-file.js';
import { loadManifest } from '../../index/publish.js';
import {
  findSnapshot,
  listGroups,
  listNamespaces,
  listSnapshots,
  type SnapshotFolder,
  snapshotPath,
} from '../../index/snapshot-folder.js';
import { type CareContext, requireWanted } from '../job/care-context.js';
import type { Findings } from './findings.js';

const LISTED_AT_ONCE = 500;
const ON_MOUNT = 'mount the datastore anew: that brings the catalog in line';

/** Compares the catalog's snapshots and index files with those on disk; deep: also the sets with what the files list. */
export async function checkSnapshots(context: CareContext, findings: Findings, deep: boolean): Promise<void> {
  for (const { id, name } of context.catalog.groups.list()) {
    for (const snapshot of context.catalog.snapshots.list(id)) {
      requireWanted(context.signal);
      if (snapshot.state === 'finished') await checkRow(context, findings, name, snapshot);
    }
  }
  const forgetting = [...snapshotsIn(context, 'forgetting')];
  await checkFolders(context, findings);
  for (const file of trackedFiles(context)) {
    requireWanted(context.signal);
    await checkTracked(context, findings, file, deep);
  }
  tellBrokenOff(context, findings, forgetting);
}

function* snapshotsIn(
  { catalog }: CareContext,
  state: Snapshot['state'],
): Generator<{ archive: number; path: string }> {
  for (const { id, name } of catalog.groups.list()) {
    for (const snapshot of catalog.snapshots.list(id)) {
      if (snapshot.state !== state) continue;
      yield { archive: snapshot.archive, path: `${groupPath(name)}/${formatSnapshotTime(snapshot.time)}` };
    }
  }
}

/** Snapshots that are still being forgotten as they were a while ago: a failure broke that off. */
function tellBrokenOff(
  context: CareContext,
  findings: Findings,
  forgetting: readonly { archive: number; path: string }[],
): void {
  for (const { archive, path } of forgetting) {
    if (context.catalog.snapshots.find(archive)?.state !== 'forgetting') continue;
    const message = 'forgetting this snapshot was broken off, or goes on now';
    findings.add({ severity: 'untidy', kind: 'unfinished-forgetting', path, message, advice: ON_MOUNT });
  }
}

function* trackedFiles({ catalog }: CareContext): Generator<IndexFile> {
  for (let after = ''; ; ) {
    const listed = catalog.indexFiles.list(after, LISTED_AT_ONCE);
    yield* listed;
    const last = listed.at(-1);
    if (last === undefined || listed.length < LISTED_AT_ONCE) return;
    after = last.path;
  }
}

async function checkRow(
  { store, catalog }: CareContext,
  findings: Findings,
  group: GroupName,
  { archive, time, files, verifyState }: Snapshot,
): Promise<void> {
  const path = `${groupPath(group)}/${formatSnapshotTime(time)}`;
  const tell = (kind: string, message: string, advice: string): void => {
    // Forgotten meanwhile, it may look like anything.
    if (catalog.snapshots.find(archive)?.state !== 'finished') return;
    findings.add({ severity: 'damage', kind, path, message, advice });
  };
  if (verifyState === 'failed') {
    tell('failed-verification', 'its last verification failed', '"cairn repair" says what it lacks');
  }
  const found = await findSnapshot(store, group, time);
  if (found?.finished !== true) {
    const message = found === undefined ? 'the snapshot is not there' : 'the snapshot has no manifest';
    tell('missing-snapshot', message, `restore its folder from a copy of the datastore, or ${ON_MOUNT}`);
    return;
  }
  try {
    const manifest = await loadManifest(snapshotPath(store, group, time));
    for (const { filename, size } of manifest.files) {
      if (!found.files.includes(filename)) {
        tell(
          'missing-file',
          `${filename}, which its manifest lists, is not there`,
          'forget the snapshot, or restore it',
        );
      } else if (files.some(({ name, bytes }) => name === filename && bytes !== size)) {
        tell('snapshot-contradiction', `manifest and catalog do not agree on the size of ${filename}`, ON_MOUNT);
      }
    }
  } catch (error) {
    if (kindOf(error) !== 'corrupt' && kindOf(error) !== 'not-found') throw error;
    tell(
      'manifest',
      (error as Error).message,
      'run "cairn verify" on it; its files can be read as long as it is mounted',
    );
  }
}

/** Snapshots on disk that the catalog does not have. */
async function checkFolders(context: CareContext, findings: Findings): Promise<void> {
  for (const namespace of [[], ...(await listNamespaces(context.store))]) {
    for (const group of await listGroups(context.store, namespace)) {
      for (const folder of await listSnapshots(context.store, group)) checkFolder(context, findings, group, folder);
    }
  }
}

function checkFolder({ catalog }: CareContext, findings: Findings, group: GroupName, folder: SnapshotFolder): void {
  const row = catalog.groups.findByName(group);
  const known = row && catalog.snapshots.findByTime(row.id, folder.time);
  if (known !== undefined || !folder.files.some((name) => indexKindOfName(name) !== undefined)) return;
  const path = `${groupPath(group)}/${formatSnapshotTime(folder.time)}`;
  const message = folder.finished
    ? 'a snapshot the catalog does not have'
    : 'a snapshot without a manifest: a backup of another program under way or broken off';
  const advice = folder.finished ? ON_MOUNT : 'leave it, or remove its folder once nobody is writing it';
  findings.add({ severity: 'untidy', kind: 'unknown-snapshot', path, message, advice });
}

async function checkTracked(context: CareContext, findings: Findings, file: IndexFile, deep: boolean): Promise<void> {
  const { store, catalog } = context;
  const tell = (kind: string, message: string): void => {
    if (catalog.indexFiles.find(file.path) === undefined) return;
    // Its folder goes first, these rows after it.
    for (const { path } of snapshotsIn(context, 'forgetting')) if (file.path.startsWith(`${path}/`)) return;
    const advice = 'run "cairn verify" on its snapshot; gc reads the file itself where the record does not fit';
    findings.add({ severity: 'damage', kind, path: file.path, message, advice });
  };
  try {
    const path = `${store}/${file.path}`;
    if (!sameIndexIdentity(await loadIndexIdentity(path), file)) {
      tell('index-changed', 'the index file is not the one the catalog has recorded');
    } else if (deep) await compareSet(context, file, tell);
    else if (catalog.sets.find(file.path)?.kind === 'damaged')
      tell('set-damaged', 'its recorded set of chunks is damaged');
  } catch (error) {
    if (kindOf(error) !== 'corrupt' && kindOf(error) !== 'not-found') throw error;
    tell('index-file', (error as Error).message);
  }
}

async function compareSet(
  { store, catalog }: CareContext,
  { path }: IndexFile,
  tell: (kind: string, message: string) => void,
): Promise<void> {
  const { index } = await loadIndex(`${store}/${path}`);
  if (!checksumFits(index)) tell('index-checksum', 'its list of chunks does not fit its checksum');
  const recorded = catalog.sets.find(path);
  if (recorded === undefined) return;
  if (recorded.kind === 'damaged') {
    tell('set-damaged', 'its recorded set of chunks is damaged');
    return;
  }
  const listed = new ChunkSet();
  const digests = function* (): Generator<Digest> {
    for (let i = 0; i < index.count; i += 1) yield index.digest(i);
  };
  const unknown = catalog.sets.addKnown(listed, digests());
  const same = listed.common(recorded.value);
  if (unknown.length > 0 || same.size !== listed.size || same.size !== recorded.value.size) {
    tell('set-differs', 'its recorded set of chunks is not what it lists');
  }
  for (const set of [listed, recorded.value, same]) set.dispose();
}
