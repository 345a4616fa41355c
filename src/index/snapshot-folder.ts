import { randomBytes } from 'node:crypto';
import { fromSystemError, kindOf } from '../core/errors.js';
import { GROUP_TYPES, type GroupName, groupPath, isLegalId, isLegalNamespace } from '../core/group.js';
import { formatSnapshotTime, snapshotTimeOf } from '../core/snapshot-time.js';
import {
  type FolderName,
  fileSize,
  linkFile,
  listFolder,
  makeFolder,
  makeFolders,
  putFile,
  removeFile,
  syncFolder,
} from '../native/files.js';
import { isListedByPbs, MANIFEST_NAME, PROTECTED_NAME } from './archive-names.js';

const FOLDER_MODE = 0o755;
const FILE_MODE = 0o644;
const OWNER_NAME = 'owner';
const UNFINISHED_OWNER = /^owner\.tmp_[0-9a-f]{6}(\.new)?$/;

/** A snapshot's folder as it was found. */
export interface SnapshotFolder {
  /** Epoch seconds. */
  readonly time: number;
  /** Whether it has a manifest; without one it is being made, or its making failed. */
  readonly finished: boolean;
  readonly isProtected: boolean;
  /** The files PBS lists, sorted; all others mean nothing. */
  readonly files: readonly string[];
}

/** The folder of a snapshot, e.g. `<store>/host/web1/2026-11-20T10:00:00Z`. */
export function snapshotPath(store: string, group: GroupName, time: number): string {
  return `${store}/${groupPath(group)}/${formatSnapshotTime(time)}`;
}

/**
 * All namespaces below the root one, parents first, as lists of their components.
 * @throws {CairnError} what listing a folder gives, never taken as an empty list
 */
export async function listNamespaces(store: string, under: readonly string[] = []): Promise<string[][]> {
  const found: string[][] = [];
  const folders = await foldersIn(namespacePath(store, under));
  if (!folders.includes('ns')) return found;
  const components = await foldersIn(`${namespacePath(store, under)}/ns`);
  for (const component of components.sort()) {
    const namespace = [...under, component];
    if (!isLegalNamespace(namespace)) continue;
    found.push(namespace, ...(await listNamespaces(store, namespace)));
  }
  return found;
}

/**
 * The groups of one namespace, in the order of PBS: by type, ids that are numbers before others (pbs-format §1.5).
 * @throws {CairnError} `not-found` where there is no such namespace, and what listing a folder gives
 */
export async function listGroups(store: string, namespace: readonly string[]): Promise<GroupName[]> {
  const path = namespacePath(store, namespace);
  const folders = await foldersIn(path);
  const groups: GroupName[] = [];
  for (const type of GROUP_TYPES) {
    if (!folders.includes(type)) continue;
    const ids = (await foldersIn(`${path}/${type}`)).filter(isLegalId);
    groups.push(...ids.sort(compareIds).map((id) => ({ namespace, type, id })));
  }
  return groups;
}

/**
 * The snapshots of a group, oldest first; one that vanishes meanwhile is left out.
 * @throws {CairnError} `not-found` where there is no such group, and what listing a folder gives
 */
export async function listSnapshots(store: string, group: GroupName): Promise<SnapshotFolder[]> {
  const snapshots: SnapshotFolder[] = [];
  for (const name of (await foldersIn(`${store}/${groupPath(group)}`)).sort()) {
    const time = snapshotTimeOf(name);
    const snapshot = time === undefined ? undefined : await findSnapshot(store, group, time);
    if (snapshot !== undefined) snapshots.push(snapshot);
  }
  return snapshots;
}

/**
 * A snapshot's folder, or undefined where there is none.
 * @throws {CairnError} what listing a folder gives
 */
export async function findSnapshot(store: string, group: GroupName, time: number): Promise<SnapshotFolder | undefined> {
  let names: FolderName[];
  try {
    names = await namesIn(snapshotPath(store, group, time));
  } catch (error) {
    if (kindOf(error) === 'not-found') return undefined;
    throw error;
  }
  const files = names.filter(({ type }) => type === 'file').map(({ name }) => name.toString());
  return {
    time,
    finished: files.includes(MANIFEST_NAME),
    isProtected: files.includes(PROTECTED_NAME),
    files: files.filter(isListedByPbs).sort(),
  };
}

/** Whether a name in a group's folder is that of an `owner` which a killed process was about to make. */
export function isUnfinishedOwner(name: string): boolean {
  return UNFINISHED_OWNER.test(name);
}

/**
 * Makes a group's folder, those on the way to it, and its `owner` (pbs-format §1.5, §10).
 * @param owner auth id, e.g. `root@pam`
 * @throws {CairnError} `exists` where it has an owner already, and what writing gives
 */
export async function createGroupFolder(store: string, group: GroupName, owner: string): Promise<void> {
  const folder = `${store}/${groupPath(group)}`;
  const unique = `${folder}/${OWNER_NAME}.tmp_${randomBytes(3).toString('hex')}`;
  await doing(`create group ${folder}`, async () => {
    const folders = ancestorsOf(store, folder);
    await makeFolders(folders, FOLDER_MODE);
    await putFile(unique, `${unique}.new`, Buffer.from(`${owner}\n`), { mode: FILE_MODE, sync: true });
    try {
      // Unlike a rename, a link never takes the place of what stands already.
      await linkFile(unique, `${folder}/${OWNER_NAME}`);
    } finally {
      await removeFile(unique);
    }
    for (const made of [store, ...folders].reverse()) await syncFolder(made);
  });
}

/**
 * Makes the folder of a new snapshot in a group that exists: of several who try at once one succeeds.
 * @returns its path
 * @throws {CairnError} `exists` where there is one already, `not-found` where there is no such group
 */
export async function createSnapshotFolder(store: string, group: GroupName, time: number): Promise<string> {
  const path = snapshotPath(store, group, time);
  await doing(`create snapshot ${path}`, () => makeFolder(path, FOLDER_MODE));
  return path;
}

/**
 * Puts the marker into a snapshot's folder that forbids to forget it (pbs-format §1.5); durable when it resolves.
 * @throws {CairnError} what writing gives
 */
export async function markProtected(folder: string): Promise<void> {
  const path = `${folder}/${PROTECTED_NAME}`;
  await doing(`protect ${folder}`, () =>
    putFile(path, `${path}.tmp_${randomBytes(3).toString('hex')}`, new Uint8Array(0), { mode: FILE_MODE, sync: true }),
  );
}

/**
 * Takes the marker away again; absent is fine. Durable when it resolves.
 * @throws {CairnError} what removing gives
 */
export async function unmarkProtected(folder: string): Promise<void> {
  await doing(`unprotect ${folder}`, async () => {
    await removeFile(`${folder}/${PROTECTED_NAME}`);
    await syncFolder(folder);
  });
}

/** Whether the marker is in the snapshot's folder. @throws {CairnError} what looking gives */
export async function isMarkedProtected(folder: string): Promise<boolean> {
  try {
    await fileSize(`${folder}/${PROTECTED_NAME}`);
    return true;
  } catch (error) {
    const failure = fromSystemError(error, `look into ${folder}`);
    if (failure.kind === 'not-found') return false;
    throw failure;
  }
}

/** The folders from below the store down to `folder`, itself included. */
export function ancestorsOf(store: string, folder: string): string[] {
  const parts = folder.slice(store.length + 1).split('/');
  return parts.map((_, i) => `${store}/${parts.slice(0, i + 1).join('/')}`);
}

function namespacePath(store: string, namespace: readonly string[]): string {
  return [store, ...namespace.flatMap((component) => ['ns', component])].join('/');
}

function compareIds(a: string, b: string): number {
  const numeric = (id: string): boolean => /^\d+$/.test(id);
  if (numeric(a) && numeric(b) && Number(a) !== Number(b)) return Number(a) - Number(b);
  if (numeric(a) !== numeric(b)) return numeric(a) ? -1 : 1;
  return a < b ? -1 : Number(a > b);
}

async function foldersIn(path: string): Promise<string[]> {
  return (await namesIn(path)).filter(({ type }) => type === 'folder').map(({ name }) => name.toString());
}

async function namesIn(path: string): Promise<FolderName[]> {
  return doing(`list ${path}`, () => listFolder(path));
}

async function doing<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fromSystemError(error, what);
  }
}
