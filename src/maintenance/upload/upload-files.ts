import type { RemoteFile } from '../../catalog/uploads.js';
import { readIfThere } from '../../datastore/read-if-there.js';
import { PROTECTED_NAME } from '../../index/archive-names.js';
import { knownFiles } from './known-files.js';
import { changing } from './shared-changes.js';
import { isManifest, isNamespaceMark } from './store-files.js';
import { type StoreFile, type StoreFiles, UNCERTAIN, type UploadParts } from './upload-parts.js';
import { WrittenGroups } from './written-groups.js';

/** Files noted together. */
const NOTED_AT_ONCE = 50;

/** Files put into the object store, and removed from it. */
export interface UploadedFiles {
  readonly put: number;
  readonly removed: number;
  /** To be removed another time. */
  readonly kept: number;
}

/**
 * Makes the object store have the files of groups and snapshots that are here: puts those that changed, manifests last, and
 * removes those that are gone, manifests first. All chunks the files speak of are in the object store.
 */
export async function uploadFiles(parts: UploadParts, files: StoreFiles): Promise<UploadedFiles> {
  const known = knownFiles(parts);
  const groups = new WrittenGroups(parts);
  const changed = await groups.filter(files.ready.filter(({ path, identity }) => known.get(path) !== identity));
  for (let done = 0; done < changed.length; done += NOTED_AT_ONCE) {
    parts.goOn();
    parts.progress({ step: 'uploading snapshots', done, total: changed.length, unit: 'items' });
    await putFiles(parts, changed.slice(done, done + NOTED_AT_ONCE));
  }
  const here = new Set(files.ready.map(({ path }) => path));
  const isGone = (path: string): boolean => !here.has(path) && !files.waiting.has(path);
  // What was noted since the listing, as another machine's snapshot that a refresh brought, was not here to be listed.
  const goneHere = [...known].filter(([path, identity]) => isGone(path) && files.known.get(path) === identity);
  const gone = (await groups.filter(goneHere.map(([path]) => ({ path })))).map(({ path }) => path);
  if (parts.isShared && !parts.mayWithdraw) {
    // No chunk is given up with a mark.
    const marks = gone.filter((path) => path.endsWith(`/${PROTECTED_NAME}`));
    await removeFiles(parts, marks);
    return { put: changed.length, removed: marks.length, kept: gone.length - marks.length };
  }
  // A snapshot without its manifest counts as unfinished.
  await removeFiles(parts, gone.filter(isManifest));
  await removeFiles(
    parts,
    gone.filter((path) => !isManifest(path)),
  );
  return { put: changed.length, removed: gone.length, kept: 0 };
}

async function putFiles(parts: UploadParts, files: readonly StoreFile[]): Promise<void> {
  if (!parts.isShared) return putAll(parts, files);
  const paths = files.map(({ path }) => path);
  await noteUncertain(parts, paths);
  const units = paths.filter(isManifest);
  if (units.length === 0) return putAll(parts, files);
  await changing(parts, { units, kind: 'publish' }, () => putAll(parts, files));
}

/** Whatever is put there, whoever puts it when, is known to be: what goes from here goes from there, too. */
async function noteUncertain(parts: UploadParts, paths: readonly string[]): Promise<void> {
  await parts.ask('files', { put: paths.map((path) => ({ path, identity: UNCERTAIN })), removed: [] });
  await parts.ask('commit', null);
}

async function putAll(parts: UploadParts, files: readonly StoreFile[]): Promise<void> {
  const put: RemoteFile[] = [];
  try {
    for (const { path, identity } of files) {
      const bytes = isNamespaceMark(path) ? Buffer.alloc(0) : await readIfThere(`${parts.store}/${path}`);
      // Gone since it was listed: the next time it is removed.
      if (bytes === undefined) continue;
      await parts.objects.remote.put(path, bytes);
      put.push({ path, identity });
    }
  } finally {
    if (put.length > 0) await parts.ask('files', { put, removed: [] });
  }
}

async function removeFiles(parts: UploadParts, paths: readonly string[]): Promise<void> {
  for (let done = 0; done < paths.length; done += NOTED_AT_ONCE) {
    parts.goOn();
    const removed = paths.slice(done, done + NOTED_AT_ONCE);
    await removeAll(parts, removed);
    await parts.ask('files', { put: [], removed });
  }
}

async function removeAll(parts: UploadParts, paths: readonly string[]): Promise<void> {
  const { remote, shared } = parts.objects;
  if (!parts.isShared || shared === undefined) {
    await remote.removeAll(paths);
    return;
  }
  await noteUncertain(parts, paths);
  const units = paths.filter(isManifest);
  if (units.length === 0) await shared.removeAll(paths);
  else await changing(parts, { units, kind: 'withdraw' }, () => shared.removeAll(paths));
}
