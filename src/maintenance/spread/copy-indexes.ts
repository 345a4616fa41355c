import { dirname } from 'node:path';
import { groupPath } from '../../core/group.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import { listIfThere } from '../../datastore/list-if-there.js';
import type { Spread } from '../../datastore/object-store.js';
import type { WritableDatastore } from '../../datastore/open.js';
import { readIfThere } from '../../datastore/read-if-there.js';
import { MANIFEST_NAME, PROTECTED_NAME } from '../../index/archive-names.js';
import { isObjectRecord, OBJECTS_FOLDER, parseObjectFile } from '../../index/object-files.js';
import { listGroups, listNamespaces, listSnapshots } from '../../index/snapshot-folder.js';
import { type CareContext, requireWanted } from '../job/care-context.js';

/** What was done to the copies backends have of index files and manifests. Counts of files. */
export interface IndexCopies {
  readonly copied: number;
  readonly removed: number;
}

export type Member = ReturnType<Spread['members']['order']>[number];

/** Where backends have them, below their own folders. */
const FOLDER = '.cairn/indexes';
const GROUP_FILES = ['owner', 'notes'];
const INDEX = /\.[fd]idx$/;

/**
 * Makes so many backends have each index file, manifest and owner that one is left whatever may be lost, so that all can be
 * brought back without the datastore's folder. Copies go once neither the folder nor the catalog knows the snapshot.
 * @throws {CairnError} where a folder or backend cannot be listed: that is not taken for an empty one
 */
export async function copyIndexes(context: CareContext): Promise<IndexCopies> {
  const { spread } = context;
  if (spread === undefined) return { copied: 0, removed: 0 };
  const files = await filesOf(context.store);
  let copied = 0;
  for (const path of files) {
    requireWanted(context.signal);
    const bytes = await readIfThere(`${context.store}/${path}`);
    if (bytes !== undefined) copied += await copyTo(keepersOf(spread, path), path, bytes);
  }
  const removed = await removeForgotten(context, spread, new Set(files));
  await spread.sync();
  return { copied, removed };
}

/** The files snapshots, groups and their namespaces consist of besides chunks, by path. */
async function filesOf(store: string): Promise<string[]> {
  const paths: string[] = [];
  for (const namespace of [[], ...(await listNamespaces(store))]) {
    for (const group of await listGroups(store, namespace)) {
      paths.push(...GROUP_FILES.map((name) => `${groupPath(group)}/${name}`));
      for (const { time, finished, files } of await listSnapshots(store, group)) {
        const folder = `${groupPath(group)}/${formatSnapshotTime(time)}`;
        if (finished) paths.push(...[...files, PROTECTED_NAME].map((name) => `${folder}/${name}`));
      }
    }
  }
  return [...paths, ...(await objectFiles(store))];
}

/** The index files and records of objects. */
async function objectFiles(store: string): Promise<string[]> {
  const paths: string[] = [];
  for (const { name: folder } of await listIfThere(`${store}/${OBJECTS_FOLDER}`)) {
    const path = `${OBJECTS_FOLDER}/${folder.toString()}`;
    for (const { name } of await listIfThere(`${store}/${path}`)) {
      const { kind = 'mark' } = parseObjectFile(name.toString()) ?? {};
      if (kind !== 'mark') paths.push(`${path}/${name.toString()}`);
    }
  }
  return paths;
}

function keepersOf(spread: Spread, path: string): Member[] {
  const usable = spread.members.order(path).filter(({ settings, available }) => {
    return available && !settings.readOnly && !settings.draining;
  });
  return usable.slice(0, spread.members.mostTolerated + 1);
}

async function copyTo(members: readonly Member[], path: string, bytes: Buffer): Promise<number> {
  const name = copyName(path);
  const done = await Promise.all(
    members.map(async (member) => {
      // Index files never change under their name; the others are short.
      const found = INDEX.test(path)
        ? (await member.find((backend) => backend.size(name))) === bytes.length
        : (await member.find((backend) => backend.get(name)))?.equals(bytes);
      if (found !== true) await member.put(name, bytes);
      return found === true ? 0 : 1;
    }),
  );
  return done.reduce<number>((sum, count) => sum + count, 0);
}

async function removeForgotten(
  { catalog }: Pick<CareContext, 'catalog'>,
  spread: Spread,
  here: ReadonlySet<string>,
): Promise<number> {
  const copies = await copiesOn(spread);
  const tracked = new Set([...copies].filter((path) => catalog.indexFiles.find(path) !== undefined));
  const known = new Set([...tracked].map(dirname));
  // An object's record stays for good, and its index files come and go one by one.
  const isNeeded = (path: string): boolean => {
    if (!path.startsWith(`${OBJECTS_FOLDER}/`)) return known.has(dirname(path));
    return isObjectRecord(path) || tracked.has(path);
  };
  const gone = [...copies].filter((path) => !here.has(path) && !isNeeded(path));
  // A snapshot without its manifest counts as unfinished.
  for (const paths of [gone.filter(isManifest), gone.filter((path) => !isManifest(path))]) {
    const names = paths.map(copyName);
    if (names.length > 0) await spread.members.askAll('remove copies', (backend) => backend.removeAll(names));
  }
  return gone.length;
}

/** Paths of all files any backend has a copy of. */
async function copiesOn(spread: Spread): Promise<Set<string>> {
  const lists = await spread.members.askAll('list copies of index files', pathsOn, 'proven');
  return new Set(lists.flatMap(({ answer }) => answer));
}

/** Paths of the copies one backend has. */
export async function pathsOn(backend: WritableDatastore['backend']): Promise<string[]> {
  const paths: string[] = [];
  for await (const name of backend.list(FOLDER)) paths.push(name.slice(FOLDER.length + 1));
  return paths;
}

/** Where a backend has the copy of a file. */
export function copyName(path: string): string {
  return `${FOLDER}/${path}`;
}

/** Whether it says that what it stands beside is whole. */
export function isManifest(path: string): boolean {
  return path.endsWith(`/${MANIFEST_NAME}`) || isObjectRecord(path);
}
