import type { Catalog } from '../catalog/open.js';
import type { ChangeLog } from '../content/change-log.js';
import { fromSystemError } from '../core/errors.js';
import { type GroupName, groupPath } from '../core/group.js';
import type { Log } from '../core/log.js';
import { formatSnapshotTime, snapshotTimeOf } from '../core/snapshot-time.js';
import type { Clock } from '../core/time.js';
import { loadManifest } from '../index/publish.js';
import { findSnapshot, listGroups, listNamespaces, snapshotPath } from '../index/snapshot-folder.js';
import { listFolder } from '../native/files.js';
import { dropIndexFiles } from './index-rows.js';
import { makeGroup } from './make-group.js';
import { marksIn } from './marks.js';
import { METADATA_NAME, PAYLOAD_NAME, WHOLE_NAME } from './snapshot-files.js';

/** What looking for snapshots needs of a datastore. */
export interface DiscoverParts {
  readonly catalog: Catalog;
  readonly log: ChangeLog;
  readonly clock: Clock;
  readonly messages: Log;
  /** The datastore's folder. */
  readonly store: string;
  /** Whether a group, by its path, is another machine's: what is gone there was on its way out. */
  isOthers(group: string): boolean;
}

/**
 * Brings the catalog in line with the snapshots on disk, which are the truth (design §2): finished ones that hold a tree
 * and that others made (PBS) get a row, and their group one, too; rows of snapshots that others removed go, those
 * of snapshots that others protect say so. To be done
 * when nothing is under way. A snapshot that cannot be read is left out with a warning.
 */
export async function discoverSnapshots(parts: DiscoverParts): Promise<void> {
  for (const namespace of [[], ...(await listNamespaces(parts.store))]) {
    for (const group of await listGroups(parts.store, namespace)) await discoverIn(parts, group);
  }
  for (const { id, name } of parts.catalog.groups.list()) await alignRows(parts, id, name);
}

async function discoverIn(parts: DiscoverParts, group: GroupName): Promise<void> {
  const known = parts.catalog.groups.findByName(group)?.id;
  for (const time of await timesOf(parts.store, group)) {
    if (known !== undefined && parts.catalog.snapshots.findByTime(known, time) !== undefined) continue;
    try {
      await adoptSnapshot(parts, group, time);
    } catch (error) {
      parts.messages.warn({ error }, `Snapshot ${snapshotPath(parts.store, group, time)} cannot be shown`);
    }
  }
}

/** Times that name folders in the group's, oldest first. A link may lead anywhere: it is no snapshot. */
async function timesOf(store: string, group: GroupName): Promise<number[]> {
  const path = `${store}/${groupPath(group)}`;
  try {
    const folders = (await listFolder(path)).filter(({ type }) => type === 'folder');
    const times = folders.map(({ name }) => snapshotTimeOf(name.toString('latin1')));
    return times.filter((time) => time !== undefined).sort((a, b) => a - b);
  } catch (error) {
    throw fromSystemError(error, `list ${path}`);
  }
}

/** Gives a finished snapshot on disk that holds a tree a row, and its group, too; what is none is left alone. */
export async function adoptSnapshot(parts: DiscoverParts, group: GroupName, time: number): Promise<void> {
  const found = await findSnapshot(parts.store, group, time);
  if (found?.finished !== true || !holdsTree(found.files)) return;
  const manifest = await loadManifest(snapshotPath(parts.store, group, time));
  const { files } = manifest;
  const listed = files.map(({ filename, size }) => ({ name: filename, bytes: size }));
  if (!holdsTree(listed.map(({ name }) => name))) return;
  parts.catalog.snapshots.add(parts.catalog.groups.findByName(group)?.id ?? makeGroup(parts, group), time, {
    state: 'finished',
    files: listed,
    contentBytes: listed.reduce((sum, { bytes }) => sum + bytes, 0),
    entries: 0,
    isProtected: found.isProtected,
    ...marksIn(manifest),
  });
}

function holdsTree(files: readonly string[]): boolean {
  return files.includes(WHOLE_NAME) || (files.includes(METADATA_NAME) && files.includes(PAYLOAD_NAME));
}

async function alignRows(
  { catalog, messages, store, isOthers }: DiscoverParts,
  id: number,
  group: GroupName,
): Promise<void> {
  for (const { archive, time, state, files, isProtected } of catalog.snapshots.list(id)) {
    if (state !== 'finished') continue;
    const found = await findSnapshot(store, group, time);
    if (found?.finished === true) {
      if (found.isProtected !== isProtected) catalog.snapshots.update(archive, { isProtected: found.isProtected });
      continue;
    }
    const level = isOthers(groupPath(group)) ? 'debug' : 'warn';
    messages[level]({}, `Snapshot ${groupPath(group)}/${formatSnapshotTime(time)} was removed by somebody else`);
    dropIndexFiles(
      catalog,
      group,
      time,
      files.map(({ name }) => name),
    );
    catalog.snapshots.remove(archive);
  }
}
