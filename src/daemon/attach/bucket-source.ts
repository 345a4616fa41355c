import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { S3Backend } from '../../backend/s3/s3-backend.js';
import type { S3Settings } from '../../backend/s3/s3-settings.js';
import { formatConfig } from '../../datastore/config.js';
import { withObjects } from '../../datastore/object-store.js';
import { datastorePaths } from '../../datastore/paths.js';
import { OBJECTS_FOLDER, objectFileName, parseObjectFile } from '../../index/object-files.js';
import { groupOfFile } from '../../maintenance/upload/written-groups.js';
import { makeFolders, putFile } from '../../native/files.js';
import { groupsOfSelection, parseSelection } from '../../snapshot/copy/selection.js';
import { type AttachCaller, noteOf } from './attach-store.js';
import { fetchSnapshots } from './fetch-snapshots.js';

const OWN_MODE = 0o600;
const OWN_FOLDER_MODE = 0o700;

/** A folder that stands for a datastore, until it is closed. */
export interface BucketSource {
  /** Its path, which a `CopySource` opens. */
  readonly folder: string;
  close(): Promise<void>;
}

/**
 * Makes a datastore that an object store holds readable without one of its folders: a temporary folder stands for it, with
 * the files of what is selected and without any chunk. Nothing is written to the object store, and no machine hears of it.
 * @param select names as `cairn copy` has them
 * @throws {CairnError} `not-found` where the object store holds no datastore, what it fails with, `interrupted`
 */
export async function openBucketSource(
  s3: S3Settings,
  select: readonly string[],
  caller: AttachCaller,
): Promise<BucketSource> {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-source-'));
  const close = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    await withObjects(s3, (remote) => fetchSource(remote, s3, { folder, select }, caller));
    return { folder, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function fetchSource(
  remote: S3Backend,
  s3: S3Settings,
  { folder, select }: { readonly folder: string; readonly select: readonly string[] },
  caller: AttachCaller,
): Promise<void> {
  const { format, uuid, created, prefixDigits, verifyNew } = await noteOf(remote, s3);
  const config = formatConfig({ format, uuid, created, prefixDigits, verifyNew, s3: { ...s3 } });
  const paths = datastorePaths(folder);
  await makeFolders([paths.own], OWN_FOLDER_MODE);
  await putFile(paths.config, `${paths.config}.tmp`, Buffer.from(config), { mode: OWN_MODE });
  await fetchSnapshots(remote, folder, caller, selector(select));
}

/** Whether a file may be of what is selected: of a group, all snapshots. */
function selector(select: readonly string[]): (name: string) => boolean {
  const { snapshots, objects } = parseSelection(select);
  const groups = snapshots === 'all' ? undefined : new Set(groupsOfSelection(snapshots));
  const ids = objects === 'all' ? undefined : new Set(objects.map(objectFileName));
  return (name) => {
    const group = groupOfFile(name);
    if (group !== undefined) return groups === undefined || groups.has(group);
    if (!name.startsWith(`${OBJECTS_FOLDER}/`)) return groups === undefined;
    const file = parseObjectFile(name.slice(name.lastIndexOf('/') + 1));
    return ids === undefined || (file !== undefined && ids.has(file.name));
  };
}
