import { rmdir } from 'node:fs/promises';
import { CairnError, fromSystemError, kindOf } from '../core/errors.js';
import { type GroupName, groupPath } from '../core/group.js';
import { listIfThere } from '../datastore/list-if-there.js';
import { createGroupFolder, isUnfinishedOwner } from '../index/snapshot-folder.js';
import { makeFolders, removeFile, syncFolder } from '../native/files.js';
import type { GroupStoreFolders } from '../vfs/groups/group-parts.js';

/** Who owns what this daemon makes, as PBS writes it (pbs-format §10). */
export const OWNER = 'root@pam';
const FOLDER_MODE = 0o755;
/** What a group's folder holds besides snapshots. */
const GROUP_FILES = ['owner', 'notes'];

/** The folders of namespaces and groups in a datastore's own folder. */
export class StoreFolders implements GroupStoreFolders {
  readonly #root: string;

  readonly #claim: (group: GroupName) => Promise<void>;

  /**
   * @param root the datastore's folder
   * @param claim makes this machine a new group's writer
   */
  constructor(root: string, claim: (group: GroupName) => Promise<void> = () => Promise.resolve()) {
    this.#root = root;
    this.#claim = claim;
  }

  async createGroup(group: GroupName): Promise<void> {
    await this.#claim(group);
    try {
      await createGroupFolder(this.#root, group, OWNER);
    } catch (error) {
      if (kindOf(error) !== 'exists') throw error;
    }
  }

  async requireRemovableGroup(group: GroupName): Promise<void> {
    const path = `${this.#root}/${groupPath(group)}`;
    const foreign = (await namesIn(path)).find((name) => !isGroupFile(name));
    if (foreign === undefined) return;
    throw new CairnError('not-empty', `The group's folder ${path} holds something else: ${JSON.stringify(foreign)}`);
  }

  async removeGroup(group: GroupName): Promise<void> {
    const path = groupPath(group);
    const names = await namesIn(`${this.#root}/${path}`);
    for (const name of names.filter(isGroupFile)) await removeFile(`${this.#root}/${path}/${name}`);
    await this.remove(path);
  }

  async make(path: string): Promise<void> {
    const parts = path.split('/');
    const folders = parts.map((_, index) => `${this.#root}/${parts.slice(0, index + 1).join('/')}`);
    try {
      await makeFolders(folders, FOLDER_MODE);
      for (const folder of [this.#root, ...folders].reverse()) await syncFolder(folder);
    } catch (error) {
      throw fromSystemError(error, `make the folder ${this.#root}/${path}`);
    }
  }

  async remove(path: string): Promise<void> {
    try {
      await rmdir(`${this.#root}/${path}`);
    } catch (error) {
      const failure = fromSystemError(error, `remove the folder ${this.#root}/${path}`);
      if (kindOf(failure) !== 'not-found') throw failure;
    }
  }
}

function isGroupFile(name: string): boolean {
  return GROUP_FILES.includes(name) || isUnfinishedOwner(name);
}

/** Names in a folder; none where it is absent. */
async function namesIn(path: string): Promise<string[]> {
  return (await listIfThere(path)).map(({ name }) => name.toString('latin1'));
}
