import { groupPath } from '../../core/group.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import { MANIFEST_NAME, PROTECTED_NAME } from '../../index/archive-names.js';
import { isObjectRecord } from '../../index/object-files.js';
import { listGroups, listNamespaces, listSnapshots } from '../../index/snapshot-folder.js';
import { knownFiles } from './known-files.js';
import { listObjectFiles } from './object-files.js';
import type { StoreFile, StoreFiles, UploadParts } from './upload-parts.js';

const GROUP_FILES = ['owner', 'notes'];
const INDEX = /\.[fd]idx$/;
/** How S3 has a namespace that may be empty (pbs-format §9.1). */
const NAMESPACE_MARK = '.namespace';

/**
 * All files of finished snapshots, of their groups and namespaces, and of objects.
 * @throws {CairnError} where a folder cannot be listed: that is not taken for an empty one
 */
export async function listStoreFiles(parts: UploadParts): Promise<StoreFiles> {
  // Before anything is listed: what comes in between is listed, and not taken for gone.
  const known = knownFiles(parts);
  const ready: StoreFile[] = [];
  const waiting = new Set<string>();
  const namespaces = await listNamespaces(parts.store);
  for (const namespace of [[], ...namespaces]) {
    const mark = [...namespace.flatMap((component) => ['ns', component]), NAMESPACE_MARK].join('/');
    if (namespace.length > 0) ready.push({ path: mark, identity: '' });
    for (const group of await listGroups(parts.store, namespace)) {
      const path = groupPath(group);
      ready.push(...(await factsOfAll(parts, path, GROUP_FILES)));
      for (const { time, finished, isProtected, files } of await listSnapshots(parts.store, group)) {
        if (!finished) continue;
        const folder = `${path}/${formatSnapshotTime(time)}`;
        const marks = isProtected ? [PROTECTED_NAME] : [];
        const found = await factsOfAll(parts, folder, [...marks, ...[...files].sort(manifestLast)]);
        if (isTracked(parts, folder, files)) ready.push(...found);
        else for (const file of found) waiting.add(file.path);
      }
    }
  }
  const objects = await listObjectFiles(parts);
  for (const path of objects.waiting) waiting.add(path);
  return { ready: [...ready, ...objects.ready], waiting, known };
}

/** Whether the path is that of a namespace's mark. */
export function isNamespaceMark(path: string): boolean {
  return path.endsWith(`/${NAMESPACE_MARK}`);
}

/** Whether the path is that of a file that others are nothing without: a manifest, or an object's record. */
export function isManifest(path: string): boolean {
  return path.endsWith(`/${MANIFEST_NAME}`) || isObjectRecord(path);
}

function manifestLast(a: string, b: string): number {
  return Number(a === MANIFEST_NAME) - Number(b === MANIFEST_NAME);
}

/** The chunks of a tracked index file are in the queue, or were. */
function isTracked(parts: UploadParts, folder: string, files: readonly string[]): boolean {
  const indexes = files.filter((name) => INDEX.test(name));
  return indexes.every((name) => parts.reader.indexFiles.find(`${folder}/${name}`) !== undefined);
}

async function factsOfAll(parts: UploadParts, folder: string, names: readonly string[]): Promise<StoreFile[]> {
  const files: StoreFile[] = [];
  for (const name of names) {
    const path = `${folder}/${name}`;
    const facts = await parts.factsOf(`${parts.store}/${path}`);
    if (facts !== undefined) files.push({ path, identity: facts.identity });
  }
  return files;
}
