import { readdir, rename, rm } from 'node:fs/promises';
import type { Catalog } from '../catalog/open.js';
import type { Snapshot } from '../catalog/snapshots.js';
import type { ChangeLog } from '../content/change-log.js';
import type { Durability } from '../content/durability.js';
import { CairnError, fromSystemError, kindOf } from '../core/errors.js';
import { type GroupName, groupPath } from '../core/group.js';
import { formatTreeName, type TreeName } from '../core/tree-name.js';
import { isMarkedProtected, snapshotPath } from '../index/snapshot-folder.js';
import { syncFolder } from '../native/files.js';
import { type FoundSnapshot, requireSnapshot, type SnapshotFinder } from './find-snapshot.js';
import { dropIndexFiles } from './index-rows.js';

/** What forgetting needs of a datastore. */
export interface ForgetParts {
  readonly catalog: Catalog;
  readonly log: Pick<ChangeLog, 'requireWorking'>;
  readonly durability: Pick<Durability, 'commitDurably'>;
  /** The datastore's folder, and where forgotten snapshots wait for their end. */
  readonly store: string;
  readonly forgottenFolder: string;
}

/**
 * Forgets a snapshot: its folder goes out of sight, then the catalog's rows, the files last (design §3). A crash in
 * between is completed by `completeInterrupted`, what broke off by being asked for once more.
 * @returns its archive number
 * @throws {CairnError} `not-found`, `not-permitted` where it is protected, `read-only` where the store takes no changes
 */
export async function forgetSnapshot(parts: ForgetParts, group: GroupName, time: number): Promise<number> {
  parts.log.requireWorking();
  const brokenOff = findForgetting(parts.catalog, group, time);
  if (brokenOff !== undefined) {
    await complete(parts, group, brokenOff);
    return brokenOff.archive;
  }
  const { snapshot } = await requireForgettable(parts.catalog, parts.store, { group, which: time });
  parts.catalog.snapshots.update(snapshot.archive, { state: 'forgetting' });
  await parts.durability.commitDurably();
  await complete(parts, group, snapshot);
  return snapshot.archive;
}

function findForgetting({ groups, snapshots }: SnapshotFinder, name: GroupName, time: number): Snapshot | undefined {
  const group = groups.findByName(name);
  const snapshot = group && snapshots.findByTime(group.id, time);
  return snapshot?.state === 'forgetting' ? snapshot : undefined;
}

/**
 * The snapshot, if it may be forgotten.
 * @param store the datastore's folder
 * @throws {CairnError} `not-found`, `not-permitted` where it is protected
 */
export async function requireForgettable(
  catalog: SnapshotFinder,
  store: string,
  name: TreeName,
): Promise<FoundSnapshot> {
  const { group, snapshot } = requireSnapshot(catalog, name);
  // Others (PBS) protect by the file alone.
  const marked = await isMarkedProtected(snapshotPath(store, group.name, snapshot.time));
  const now = requireSnapshot(catalog, { group: group.name, which: snapshot.time });
  if (!marked && !now.snapshot.isProtected) return now;
  const shown = formatTreeName({ group: group.name, which: snapshot.time });
  throw new CairnError('not-permitted', `Snapshot ${shown} is protected: "cairn snapshot unprotect" allows it`);
}

/**
 * Ends what a crash interrupted: snapshots that were being forgotten, and those that were being made. What only waits
 * to be deleted goes, too.
 */
export async function completeInterrupted(parts: ForgetParts): Promise<void> {
  for (const group of parts.catalog.groups.list()) {
    for (const snapshot of parts.catalog.snapshots.list(group.id)) {
      if (snapshot.state === 'forgetting') await complete(parts, group.name, snapshot);
      else if (snapshot.state === 'publishing') {
        await removeSnapshotFolder(parts.store, group.name, snapshot.time);
        dropIndexFiles(parts.catalog, group.name, snapshot.time);
        parts.catalog.snapshots.remove(snapshot.archive);
      }
    }
  }
  await removeForgotten(parts.forgottenFolder);
}

/** Takes the folder of a snapshot away that came to nothing, durably; absent is fine. */
export async function removeSnapshotFolder(store: string, group: GroupName, time: number): Promise<void> {
  const path = snapshotPath(store, group, time);
  try {
    await rm(path, { recursive: true, force: true });
    await syncIfThere(`${store}/${groupPath(group)}`);
  } catch (error) {
    throw fromSystemError(error, `remove ${path}`);
  }
}

async function complete(parts: ForgetParts, group: GroupName, snapshot: Snapshot): Promise<void> {
  const { catalog, durability, store, forgottenFolder } = parts;
  const path = snapshotPath(store, group, snapshot.time);
  const aside = `${forgottenFolder}/${snapshot.archive}`;
  await moveAside(path, aside);
  await syncIfThere(`${store}/${groupPath(group)}`);
  await syncFolder(forgottenFolder);
  // Whoever forgets it, too, may have been faster.
  if (findForgetting(catalog, group, snapshot.time)?.archive !== snapshot.archive) return;
  const names = snapshot.files.map(({ name }) => name);
  dropIndexFiles(catalog, group, snapshot.time, names);
  catalog.snapshots.remove(snapshot.archive);
  await durability.commitDurably();
  await rm(aside, { recursive: true, force: true });
}

async function moveAside(path: string, aside: string): Promise<void> {
  try {
    await rename(path, aside);
  } catch (error) {
    const failure = fromSystemError(error, `move ${path} aside`);
    if (kindOf(failure) !== 'not-found') throw failure;
  }
}

/** Somebody may have removed a group's folder by hand: then nothing in it can come back. */
async function syncIfThere(folder: string): Promise<void> {
  try {
    await syncFolder(folder);
  } catch (error) {
    const failure = fromSystemError(error, `sync ${folder}`);
    if (kindOf(failure) !== 'not-found') throw failure;
  }
}

async function removeForgotten(folder: string): Promise<void> {
  try {
    for (const name of await readdir(folder)) await rm(`${folder}/${name}`, { recursive: true, force: true });
  } catch (error) {
    throw fromSystemError(error, `empty ${folder}`);
  }
}
