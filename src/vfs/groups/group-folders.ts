import { setTimeout as delay } from 'node:timers/promises';
import {
  CHUNKER_DYNAMIC,
  type Inode,
  ROLE_GROUP,
  ROLE_NAMESPACE,
  ROLE_NAMESPACES,
  ROLE_ROOT,
  ROLE_TYPE,
  ROOT_INO,
  type Role,
} from '../../catalog/inode.js';
import { CairnError } from '../../core/errors.js';
import { type GroupName, isGroupType, isLegalId, isLegalNamespace, parseGroupPath } from '../../core/group.js';
import { formatSnapshotTime, snapshotTimeOf } from '../../core/snapshot-time.js';
import type { Attributes, Caller, FolderEntry, NodeId } from '../api.js';
import { S_IFDIR } from '../file-mode.js';
import { listFolder } from '../live/live-folders.js';
import {
  attributesOf,
  folderOf,
  inodeOf,
  liveNode,
  requireEntry,
  requireFree,
  timeFields,
} from '../live/live-nodes.js';
import type { LiveParts } from '../live/live-parts.js';
import type { SnapshotNodes } from '../snapshots/snapshot-nodes.js';
import {
  type GroupEntry,
  groupEntries,
  groupEntry,
  LATEST_EXPIRED_MILLISECONDS,
  type VirtualFile,
  virtualAttributes,
  virtualNode,
  virtualOf,
} from './group-entries.js';
import type { GroupServices } from './group-parts.js';

const CURRENT_NAME = Buffer.from('current');
/** Where the root's ENTRY is in the archives we write: behind FORMAT_VERSION. */
const SPLIT_ROOT_POSITION = 24;

/**
 * The folders above the live trees: root, types, namespaces and groups. Only groups, namespaces and snapshots are
 * made and removed there (design §1); everything else is `not-permitted`.
 */
export class GroupFolders {
  readonly #parts: LiveParts;
  readonly #services: GroupServices;
  readonly #snapshots: SnapshotNodes;
  /** When somebody was last told what a group's `latest` is, by `performance.now()`. */
  readonly #latestTold = new Map<number, number>();

  constructor(parts: LiveParts, services: GroupServices, snapshots: SnapshotNodes) {
    this.#parts = parts;
    this.#services = services;
    this.#snapshots = snapshots;
  }

  /** Attributes of a group's snapshot folder, `latest` or `owner`; undefined where the name is none of them. */
  lookup(folder: Readonly<Inode>, name: Uint8Array): Attributes | undefined | Promise<Attributes | undefined> {
    const entry = groupEntry(this.#services, folder.group, name);
    return entry === undefined ? undefined : this.#attributes(folder, entry);
  }

  /** A group's entries behind `cookie`: the catalog's, then `owner`, `latest` and the snapshots. */
  async list(folder: Readonly<Inode>, cookie: number, limit: number): Promise<readonly FolderEntry[]> {
    const stored = listFolder(this.#parts, liveNode(folder.ino), cookie, limit);
    const more = groupEntries(this.#services, folder.group)
      .filter((entry) => entry.cookie > cookie)
      .slice(0, limit - stored.length);
    const shown = await Promise.all(
      more.map(async (entry) => ({
        cookie: entry.cookie,
        name: entry.name,
        attributes: await this.#shownAttributes(folder, entry),
      })),
    );
    return [...stored, ...shown];
  }

  /** Attributes of a `latest` or `owner` node. @throws {CairnError} `stale` where it is no more */
  virtualAttributes(node: NodeId): Attributes {
    const { folder, kind, content } = this.#virtual(node);
    return virtualAttributes(folder, node, kind, content.length);
  }

  /** What a `latest` link points to, or what an `owner` file holds. @throws {CairnError} `stale` where it is no more */
  virtualContent(node: NodeId): Uint8Array {
    return this.#virtual(node).content;
  }

  /** mkdir in one of these folders. */
  async make(caller: Caller, parent: NodeId, name: Uint8Array): Promise<Attributes> {
    this.#parts.log.requireWorking();
    const folder = folderOf(this.#parts, parent);
    const text = Buffer.from(name).toString('latin1');
    if (folder.role === ROLE_GROUP) return this.#makeSnapshot(caller, folder, name, text);
    if (folder.role === ROLE_TYPE) return this.#makeGroup(caller, folder, text);
    if (folder.role === ROLE_NAMESPACES) return this.#makeNamespace(caller, folder, text);
    if (folder.role === ROLE_NAMESPACE || folder.role === ROLE_ROOT) {
      if (isGroupType(text)) return this.#makeFolder(caller, folder, name, ROLE_TYPE);
      if (text === 'ns') return this.#makeFolder(caller, folder, name, ROLE_NAMESPACES);
      throw notLegal('group type', text);
    }
    throw new CairnError('not-permitted', 'Folders are made here by other means');
  }

  /** rmdir in one of these folders. */
  async remove(parent: NodeId, name: Uint8Array): Promise<void> {
    this.#parts.log.requireWorking();
    const folder = folderOf(this.#parts, parent);
    if (folder.role === ROLE_GROUP) return this.#removeSnapshot(folder, name);
    const inode = requireEntry(this.#parts, folder.ino, name);
    if (inode.role === ROLE_GROUP) return this.#removeGroup(inode);
    if (inode.role === ROLE_NAMESPACE || folder.role === ROLE_NAMESPACE) return this.#removeFolder(folder, name, inode);
    throw new CairnError('not-permitted', 'This folder is part of every datastore');
  }

  async #makeSnapshot(caller: Caller, folder: Readonly<Inode>, name: Uint8Array, text: string): Promise<Attributes> {
    const time = snapshotTimeOf(text);
    if (CURRENT_NAME.equals(name) || (await this.lookup(folder, name)) !== undefined) {
      throw new CairnError('exists', 'The name is taken');
    }
    if (time === undefined) throw notLegal('snapshot time', text);
    await this.#services.createSnapshot(this.#groupOf(folder), time, caller.interrupted);
    await this.#latestExpired(folder.group);
    const made = await this.lookup(folder, name);
    if (made === undefined) throw new CairnError('io', `Snapshot ${text} was made but does not show`);
    return made;
  }

  async #removeSnapshot(folder: Readonly<Inode>, name: Uint8Array): Promise<void> {
    const entry = groupEntry(this.#services, folder.group, name);
    if (entry?.kind !== 'snapshot') {
      if (entry !== undefined) throw new CairnError('not-a-directory', 'Not a folder');
      requireEntry(this.#parts, folder.ino, name);
      throw new CairnError('not-permitted', 'The live tree goes with its group');
    }
    await this.#services.forgetSnapshot(this.#groupOf(folder), entry.snapshot.time);
    await this.#latestExpired(folder.group);
  }

  /** Waits until the kernel has let go of a `latest` of before the change that has just been made. */
  async #latestExpired(group: number): Promise<void> {
    const told = this.#latestTold.get(group) ?? Number.NEGATIVE_INFINITY;
    const left = told + LATEST_EXPIRED_MILLISECONDS - performance.now();
    if (left > 0) await delay(left);
  }

  async #makeNamespace(caller: Caller, folder: Readonly<Inode>, component: string): Promise<Attributes> {
    const name = Buffer.from(component, 'latin1');
    if (!isLegalId(component) || !isLegalNamespace([...this.#componentsOf(folder), component])) {
      throw notLegal('namespace', component);
    }
    requireFree(this.#parts, folder.ino, name);
    await this.#services.folders.make(`${this.#pathOf(folder)}/${component}`);
    return this.#makeFolder(caller, this.#stillThere(folder), name, ROLE_NAMESPACE);
  }

  /** A namespace, or a type or `ns` folder in one. */
  async #removeFolder(folder: Readonly<Inode>, name: Uint8Array, inode: Readonly<Inode>): Promise<void> {
    this.#requireNoEntries(inode.ino, 'Folder is not empty');
    await this.#services.folders.remove(this.#pathOf(inode));
    const now = requireEntry(this.#parts, folder.ino, name);
    this.#requireNoEntries(now.ino, 'Folder is not empty');
    this.#parts.log.make({ kind: 'unlink', parent: folder.ino, name, ...timeFields(this.#parts.clock.now()) });
    this.#parts.orphans.add(now.ino);
  }

  async #makeGroup(caller: Caller, folder: Readonly<Inode>, id: string): Promise<Attributes> {
    if (!isLegalId(id)) throw notLegal('group name', id);
    requireFree(this.#parts, folder.ino, Buffer.from(id));
    const group: GroupName = parseGroupPath(`${this.#pathOf(folder)}/${id}`);
    await this.#services.folders.createGroup(group);
    this.#stillThere(folder);
    requireFree(this.#parts, folder.ino, Buffer.from(id));
    const groupIno = this.#parts.tree.inodes.allocate();
    this.#parts.log.make({
      kind: 'create-group',
      group,
      id: this.#services.allocateGroup(),
      groupIno,
      currentIno: this.#parts.tree.inodes.allocate(),
      folderInos: [],
      uid: caller.uid,
      gid: caller.gid,
      ...timeFields(this.#parts.clock.now()),
    });
    return attributesOf(this.#parts, inodeOf(this.#parts, liveNode(groupIno)));
  }

  async #removeGroup(group: Readonly<Inode>): Promise<void> {
    this.#requireEmptyGroup(group);
    const name = this.#groupOf(group);
    await this.#services.folders.requireRemovableGroup(name);
    // Meanwhile a file or a snapshot may have come.
    this.#requireEmptyGroup(this.#stillThere(group));
    this.#parts.log.make({ kind: 'remove-group', id: group.group, ...timeFields(this.#parts.clock.now()) });
    await this.#services.folders.removeGroup(name);
  }

  #requireEmptyGroup(group: Readonly<Inode>): void {
    const current = this.#parts.tree.names.lookup(group.ino, CURRENT_NAME);
    if (this.#services.hasSnapshots(group.group)) throw new CairnError('not-empty', 'Group has snapshots');
    if (current !== undefined) this.#requireNoEntries(current, 'The live tree of the group is not empty');
  }

  #requireNoEntries(ino: number, message: string): void {
    if (this.#parts.tree.names.hasEntries(ino)) throw new CairnError('not-empty', message);
  }

  /** The folder as it is now. @throws {CairnError} `not-found` where it was removed meanwhile */
  #stillThere(folder: Readonly<Inode>): Readonly<Inode> {
    const now = this.#parts.tree.inodes.find(folder.ino);
    if (now !== undefined && now.nlink > 0) return now;
    throw new CairnError('not-found', 'The folder was removed meanwhile');
  }

  #makeFolder(caller: Caller, parent: Readonly<Inode>, name: Uint8Array, role: Role): Attributes {
    requireFree(this.#parts, parent.ino, name);
    const { seconds, nanoseconds } = this.#parts.clock.now();
    const inode: Readonly<Inode> = {
      ...{ ino: this.#parts.tree.inodes.allocate(), mode: S_IFDIR | 0o755, nlink: 2, uid: caller.uid, gid: caller.gid },
      ...{ rdev: 0, size: 0, allocated: 0, storage: 0, chunker: CHUNKER_DYNAMIC, version: 0, role, group: 0 },
      ...{ atimeSec: seconds, mtimeSec: seconds, ctimeSec: seconds, btimeSec: seconds, target: null },
      ...{ atimeNsec: nanoseconds, mtimeNsec: nanoseconds, ctimeNsec: nanoseconds, btimeNsec: nanoseconds },
    };
    this.#parts.log.make({ kind: 'create', parent: parent.ino, name, inode, xattrs: [] });
    return attributesOf(this.#parts, inode);
  }

  /** As they are, or for a snapshot that cannot be opened those of some folder: the others are listed all the same. */
  async #shownAttributes(folder: Readonly<Inode>, entry: GroupEntry): Promise<Attributes> {
    try {
      return await this.#attributes(folder, entry);
    } catch (error) {
      if (entry.kind !== 'snapshot') throw error;
      const node = { archive: entry.snapshot.archive, position: SPLIT_ROOT_POSITION };
      return { ...attributesOf(this.#parts, folder), node, nlink: 2 };
    }
  }

  #attributes(folder: Readonly<Inode>, entry: GroupEntry): Attributes | Promise<Attributes> {
    if (entry.kind === 'snapshot') return this.#snapshots.root(entry.snapshot.archive);
    const { group } = folder;
    const { kind } = entry;
    if (kind === 'latest') this.#latestTold.set(group, performance.now());
    return this.virtualAttributes(
      virtualNode(kind === 'owner' ? { kind, group } : { kind, archive: entry.snapshot.archive }),
    );
  }

  #virtual(node: NodeId): { folder: Readonly<Inode>; kind: VirtualFile['kind']; content: Uint8Array } {
    const file = virtualOf(node);
    if (file?.kind === 'owner') {
      const folder = this.#folder(this.#services.groupFolder(file.group), 'The group is gone');
      return { folder, kind: file.kind, content: this.#services.owner(file.group) };
    }
    const ino = file === undefined ? undefined : this.#services.folderOfArchive(file.archive);
    const folder = this.#folder(ino, 'The snapshot was forgotten');
    const target = this.#services.snapshots(folder.group).find(({ archive }) => archive === file?.archive);
    if (target === undefined) throw new CairnError('stale', 'The snapshot was forgotten');
    return { folder, kind: 'latest', content: Buffer.from(formatSnapshotTime(target.time)) };
  }

  /** @throws {CairnError} `stale` where it is not there */
  #folder(ino: number | undefined, otherwise: string): Readonly<Inode> {
    const folder = ino === undefined ? undefined : this.#parts.tree.inodes.find(ino);
    if (folder === undefined) throw new CairnError('stale', otherwise);
    return folder;
  }

  #groupOf(folder: Readonly<Inode>): GroupName {
    return parseGroupPath(this.#pathOf(folder));
  }

  /** The folder's path below the root, as `groupPath` writes it. */
  #pathOf(folder: Readonly<Inode>): string {
    const names: string[] = [];
    for (let ino = folder.ino; ino !== ROOT_INO; ) {
      const parent = this.#parts.tree.names.parentOf(ino);
      const name = parent === undefined ? undefined : this.#parts.tree.names.entryName(parent, ino);
      if (parent === undefined || name === undefined) throw new CairnError('stale', 'The folder was removed');
      names.unshift(Buffer.from(name).toString('latin1'));
      ino = parent;
    }
    return names.join('/');
  }

  /** Components of the namespace an `ns` folder is in. */
  #componentsOf(folder: Readonly<Inode>): string[] {
    return this.#pathOf(folder)
      .split('/')
      .filter((_, index) => index % 2 === 1);
  }
}

function notLegal(what: string, name: string): CairnError {
  return new CairnError('invalid', `${JSON.stringify(name)} is no ${what}`);
}
