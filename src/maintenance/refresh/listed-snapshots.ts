import { GROUP_TYPES } from '../../core/group.js';
import { snapshotTimeOf } from '../../core/snapshot-time.js';
import type { ObjectStore } from '../../datastore/object-store.js';
import { revokedUnits } from '../../datastore/shared/machine-epochs.js';
import type { SharedObjects } from '../../datastore/shared/shared-objects.js';
import { MANIFEST_NAME } from '../../index/archive-names.js';
import { isManifest } from '../upload/store-files.js';
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
  /** What the object store calls the manifest's bytes; empty: it does not tell. */
  readonly tag: string;
}

/** What is published. */
export interface ListedSnapshots {
  /** By name of the manifest. */
  readonly snapshots: ReadonlyMap<string, ListedSnapshot>;
  /** Manifests that are there, and do not count. */
  readonly revoked: ReadonlySet<string>;
  /** `owner` and `notes` of groups. */
  readonly groupFiles: ReadonlySet<string>;
}

/** Lists the finished snapshots in a shared object store that count. @throws {CairnError} */
export async function listPublished(
  objects: Pick<SharedObjects, 'list'>,
  listing: ObjectStore['listing'],
): Promise<ListedSnapshots> {
  const tags = new Map<string, string>();
  const folders = new Map<string, string[]>();
  const groupFiles = new Set<string>();
  for (const prefix of FOLDERS) {
    for await (const { name, tag } of listing.objects(prefix)) {
      const folder = name.slice(0, name.lastIndexOf('/'));
      if (isManifest(name)) tags.set(name, tag);
      if (groupOfFile(name) === folder) groupFiles.add(name);
      else folders.set(folder, [...(folders.get(folder) ?? []), name]);
    }
  }
  // Asked when all has been listed: what was revoked before does not count.
  const allRevoked = await revokedUnits(objects);
  const revoked = new Set([...tags.keys()].filter((manifest) => allRevoked.has(manifest)));
  const snapshots = new Map<string, ListedSnapshot>();
  for (const [folder, files] of folders) {
    const manifest = `${folder}/${MANIFEST_NAME}`;
    const group = groupOfFile(manifest);
    const time = group === undefined ? undefined : snapshotTimeOf(folder.slice(group.length + 1));
    if (group === undefined || time === undefined || !files.includes(manifest) || revoked.has(manifest)) continue;
    const ordered = [...files.filter((name) => name !== manifest), manifest];
    snapshots.set(manifest, { group, time, folder, files: ordered, tag: tags.get(manifest) ?? '' });
  }
  return { snapshots, revoked, groupFiles };
}
