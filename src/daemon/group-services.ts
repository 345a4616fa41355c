import type { Catalog } from '../catalog/open.js';
import { type GroupName, groupPath } from '../core/group.js';
import { readIfThere } from '../datastore/read-if-there.js';
import type { GroupServices, SnapshotEntry } from '../vfs/groups/group-parts.js';
import type { GroupGuard } from './group-guard.js';
import { OWNER, StoreFolders } from './store-folders.js';

/** What snapshots are made and forgotten with. */
export interface SnapshotServices {
  create(group: GroupName, time: number, interrupted?: AbortSignal): Promise<unknown>;
  forget(group: GroupName, time: number): Promise<void>;
  readonly guard: Pick<GroupGuard, 'claim'>;
}

/** The groups of a datastore as the mount shows and changes them. */
export class DatastoreGroups implements GroupServices {
  readonly folders: StoreFolders;
  readonly #root: string;
  readonly #catalog: Catalog;
  readonly #snapshots: SnapshotServices;
  readonly #owners = new Map<number, Uint8Array>();
  readonly #finished = new Map<number, readonly SnapshotEntry[]>();

  /** @param root the datastore's folder */
  constructor(root: string, catalog: Catalog, snapshots: SnapshotServices) {
    this.folders = new StoreFolders(root, (group) => snapshots.guard.claim(group));
    this.#root = root;
    this.#catalog = catalog;
    this.#snapshots = snapshots;
  }

  /** Reads what the groups' folders say. */
  async load(): Promise<void> {
    for (const { id, name } of this.#catalog.groups.list()) {
      const owner = await this.#readOwner(name);
      if (owner !== undefined) this.#owners.set(id, owner);
    }
  }

  snapshots(group: number): readonly SnapshotEntry[] {
    let entries = this.#finished.get(group);
    if (entries === undefined) {
      const rows = this.#catalog.snapshots.list(group).filter((snapshot) => snapshot.state === 'finished');
      entries = rows.map(({ archive, time }) => ({ archive, time })).reverse();
      this.#finished.set(group, entries);
    }
    return entries;
  }

  /** The group's snapshots changed: they are read anew when next asked for. */
  snapshotsChanged(group: number): void {
    this.#finished.delete(group);
  }

  hasSnapshots(group: number): boolean {
    return this.#catalog.snapshots.hasAny(group);
  }

  owner(group: number): Uint8Array {
    return this.#owners.get(group) ?? Buffer.from(`${OWNER}\n`);
  }

  groupFolder(group: number): number | undefined {
    return this.#catalog.groups.find(group)?.groupIno;
  }

  folderOfArchive(archive: number): number | undefined {
    const snapshot = this.#catalog.snapshots.find(archive);
    return snapshot && this.groupFolder(snapshot.group);
  }

  allocateGroup(): number {
    return this.#catalog.groups.allocateId();
  }

  async createSnapshot(group: GroupName, time: number, interrupted?: AbortSignal): Promise<void> {
    await this.#snapshots.create(group, time, interrupted);
  }

  forgetSnapshot(group: GroupName, time: number): Promise<void> {
    return this.#snapshots.forget(group, time);
  }

  #readOwner(group: GroupName): Promise<Uint8Array | undefined> {
    return readIfThere(`${this.#root}/${groupPath(group)}/owner`);
  }
}
