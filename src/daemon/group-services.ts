import { rmdir } from 'node:fs/promises';
import type { Catalog } from '../catalog/open.js';
import { CairnError, fromSystemError, kindOf } from '../core/errors.js';
import { type GroupName, groupPath } from '../core/group.js';
import { makeFolders, putFile, readFile, removeFile } from '../native/files.js';
import type { GroupServices, SnapshotEntry } from '../vfs/groups/group-parts.js';

/** Who owns what this daemon makes, as PBS writes it (pbs-format §10). */
const OWNER = Buffer.from('root@pam\n');
const FOLDER_MODE = 0o755;
const FILE_MODE = 0o644;

/** What snapshots are made and forgotten with. */
export interface SnapshotServices {
  create(group: GroupName, time: number): Promise<unknown>;
  forget(group: GroupName, time: number): Promise<void>;
}

/** The groups of a datastore as the mount shows and changes them. */
export class DatastoreGroups implements GroupServices {
  readonly #root: string;
  readonly #catalog: Catalog;
  readonly #snapshots: SnapshotServices;
  readonly #owners = new Map<number, Uint8Array>();
  readonly #finished = new Map<number, readonly SnapshotEntry[]>();

  /** @param root the datastore's folder */
  constructor(root: string, catalog: Catalog, snapshots: SnapshotServices) {
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

  owner(group: number): Uint8Array {
    return this.#owners.get(group) ?? OWNER;
  }

  groupFolder(group: number): number | undefined {
    return this.#catalog.groups.find(group)?.groupIno;
  }

  allocateGroup(): number {
    return this.#catalog.groups.allocateId();
  }

  async createGroupFolder(group: GroupName): Promise<void> {
    const parts = groupPath(group).split('/');
    const folders = parts.map((_, index) => `${this.#root}/${parts.slice(0, index + 1).join('/')}`);
    const path = folders.at(-1) as string;
    try {
      await makeFolders(folders, FOLDER_MODE);
      if ((await this.#readOwner(group)) !== undefined) return;
      await putFile(`${path}/owner`, `${path}/owner.tmp_cairn`, OWNER, { mode: FILE_MODE, sync: true });
    } catch (error) {
      throw fromSystemError(error, `make the group folder ${path}`);
    }
  }

  async removeGroupFolder(group: GroupName): Promise<void> {
    const path = `${this.#root}/${groupPath(group)}`;
    for (const name of ['owner', 'notes']) await removeFile(`${path}/${name}`);
    await removeFolder(path);
  }

  async createSnapshot(group: GroupName, time: number): Promise<void> {
    await this.#snapshots.create(group, time);
  }

  forgetSnapshot(group: GroupName, time: number): Promise<void> {
    return this.#snapshots.forget(group, time);
  }

  async #readOwner(group: GroupName): Promise<Uint8Array | undefined> {
    const path = `${this.#root}/${groupPath(group)}/owner`;
    try {
      return await readFile(path);
    } catch (error) {
      const failure = fromSystemError(error, `read ${path}`);
      if (kindOf(failure) === 'not-found') return undefined;
      throw failure;
    }
  }
}

async function removeFolder(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    const failure = fromSystemError(error, `remove the group folder ${path}`);
    if (kindOf(failure) !== 'not-empty') throw failure;
    throw new CairnError('not-empty', `The group's folder ${path} holds files of others`, { cause: error });
  }
}
