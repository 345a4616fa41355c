import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import pLimit from 'p-limit';
import type { S3Backend } from '../../backend/s3/s3-backend.js';
import { GROUP_TYPES } from '../../core/group.js';
import { revokedUnits } from '../../datastore/shared/machine-epochs.js';
import { MANIFEST_NAME } from '../../index/archive-names.js';
import { OBJECTS_FOLDER } from '../../index/object-files.js';
import type { JobProgress } from '../../maintenance/job/job-messages.js';
import { isNamespaceMark } from '../../maintenance/upload/store-files.js';
import { putFile } from '../../native/files.js';

/** Folders of a datastore that are not hidden: those snapshots are in, and that of objects. */
export const SNAPSHOT_FOLDERS: readonly string[] = [...GROUP_TYPES, 'ns', OBJECTS_FOLDER];
const FILES_AT_ONCE = 16;
const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;
const GROUP_FILES = ['owner', 'notes'];

/** What was fetched, relative to the datastore. */
export interface FetchedFiles {
  readonly files: readonly string[];
  /** Files of snapshots without a manifest, which are left where they are. */
  readonly strays: readonly string[];
}

/**
 * Fetches the files of all finished snapshots, of their groups and namespaces, and of objects; not synced. What is revoked
 * does not count.
 * @param store absolute path of the datastore's folder
 * @param isWanted which files; absent: all
 */
export async function fetchSnapshots(
  remote: Pick<S3Backend, 'get' | 'list'>,
  store: string,
  { progress, signal }: { progress(progress: JobProgress): void; signal: AbortSignal },
  isWanted?: (name: string) => boolean,
): Promise<FetchedFiles> {
  const names: string[] = [];
  for (const folder of SNAPSHOT_FOLDERS) {
    for await (const name of remote.list(folder)) if (isWanted?.(name) ?? true) names.push(name);
  }
  // Asked when all has been listed: what was revoked before does not count.
  const { files, strays } = sorted(names, await revokedUnits(remote));
  const limit = pLimit(FILES_AT_ONCE);
  let done = 0;
  await Promise.all(
    files.map((name) =>
      limit(async () => {
        signal.throwIfAborted();
        await fetchFile(remote, store, name);
        done += 1;
        progress({ step: 'fetching snapshots', done, total: files.length, unit: 'items' });
      }),
    ),
  );
  return { files, strays };
}

async function fetchFile(remote: Pick<S3Backend, 'get'>, store: string, name: string): Promise<void> {
  const path = `${store}/${name}`;
  await mkdir(dirname(path), { recursive: true, mode: FOLDER_MODE });
  // Here a namespace is its folder.
  if (isNamespaceMark(name)) return;
  await putFile(path, `${path}.tmp`, await remote.get(name), { mode: FILE_MODE, sync: false });
}

/** Files whose snapshot is finished, or that are of no snapshot. */
function sorted(names: readonly string[], revoked: ReadonlySet<string>): FetchedFiles {
  const finished = new Set(names.filter((name) => name.endsWith(`/${MANIFEST_NAME}`)).map((name) => dirname(name)));
  const files: string[] = [];
  const strays: string[] = [];
  for (const name of names) {
    // Of a revoked snapshot nothing is touched: its machine may publish it again.
    if (revoked.has(name) || revoked.has(`${dirname(name)}/${MANIFEST_NAME}`)) continue;
    // Opening the datastore tells which index files belong to an object (track-objects.ts).
    const isOfObject = name.startsWith(`${OBJECTS_FOLDER}/`);
    const isOfGroup = GROUP_FILES.includes(name.slice(name.lastIndexOf('/') + 1)) || isNamespaceMark(name);
    (isOfGroup || isOfObject || finished.has(dirname(name)) ? files : strays).push(name);
  }
  return { files, strays };
}
