import { GROUP_TYPES } from '../../core/group.js';
import { snapshotTimeOf } from '../../core/snapshot-time.js';
import { revokedUnits } from '../../datastore/shared/machine-epochs.js';
import type { SharedObjects } from '../../datastore/shared/shared-objects.js';
import { MANIFEST_NAME } from '../../index/archive-names.js';
import { groupOfFile } from '../upload/written-groups.js';

const FOLDERS: readonly string[] = [...GROUP_TYPES, 'ns'];

/** A snapshot as the object store has it. */
export interface ListedSnapshot {
  /** The path of its group. */
  readonly group: string;
  readonly time: number;
  /** Relative to the datastore. */
  readonly folder: string;
  /** All its files, the manifest last. */
  readonly files: readonly string[];
}

/** What is published. */
export interface ListedSnapshots {
  /** By name of the manifest. */
  readonly snapshots: ReadonlyMap<string, ListedSnapshot>;
  /** `owner` and `notes` of groups. */
  readonly groupFiles: ReadonlySet<string>;
}

/** Lists the finished snapshots in a shared object store that count. @throws {CairnError} */
export async function listPublished(objects: Pick<SharedObjects, 'list'>): Promise<ListedSnapshots> {
  const folders = new Map<string, string[]>();
  const groupFiles = new Set<string>();
  for (const prefix of FOLDERS) {
    for await (const name of objects.list(prefix)) {
      const folder = name.slice(0, name.lastIndexOf('/'));
      if (groupOfFile(name) === folder) groupFiles.add(name);
      else folders.set(folder, [...(folders.get(folder) ?? []), name]);
    }
  }
  // Asked when all has been listed: what was revoked before does not count.
  const revoked = await revokedUnits(objects);
  const snapshots = new Map<string, ListedSnapshot>();
  for (const [folder, files] of folders) {
    const manifest = `${folder}/${MANIFEST_NAME}`;
    const group = groupOfFile(manifest);
    const time = group === undefined ? undefined : snapshotTimeOf(folder.slice(group.length + 1));
    if (group === undefined || time === undefined || !files.includes(manifest) || revoked.has(manifest)) continue;
    snapshots.set(manifest, { group, time, folder, files: [...files.filter((name) => name !== manifest), manifest] });
  }
  return { snapshots, groupFiles };
}
