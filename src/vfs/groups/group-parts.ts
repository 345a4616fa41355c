import type { GroupName } from '../../core/group.js';

/** A finished snapshot as its group's folder shows it. */
export interface SnapshotEntry {
  /** Archive number: the upper part of its nodes' ids. */
  readonly archive: number;
  /** Epoch seconds; the folder's name. */
  readonly time: number;
}

/** The folders of namespaces and groups as they are on disk. Paths are relative to the datastore. */
export interface GroupStoreFolders {
  /** Makes the group's folder and owner file, and the folders on the way to it; they may exist. */
  createGroup(group: GroupName): Promise<void>;
  /** @throws {CairnError} `not-empty` where the group's folder holds what is not the daemon's */
  requireRemovableGroup(group: GroupName): Promise<void>;
  /** Removes the group's folder. */
  removeGroup(group: GroupName): Promise<void>;
  /** Makes a folder above the groups, and those on the way to it; it may exist. */
  make(path: string): Promise<void>;
  /** Removes a folder above the groups; it may be absent. @throws {CairnError} `not-empty` */
  remove(path: string): Promise<void>;
}

/** What the folders above the live trees need of the rest of the daemon. */
export interface GroupServices {
  /** Finished snapshots of the group (row of `groups`), oldest first. */
  snapshots(group: number): readonly SnapshotEntry[];
  /** Content of the group's `owner` file. */
  owner(group: number): Uint8Array;
  /** Inode number of the group's folder; undefined where there is no such group. */
  groupFolder(group: number): number | undefined;
  /** Inode number of the folder of the group a snapshot belongs to; undefined where it was forgotten. */
  folderOfArchive(archive: number): number | undefined;
  /** Whether the group has snapshots, those that are being made or forgotten among them. */
  hasSnapshots(group: number): boolean;
  /** The next row number of `groups`. */
  allocateGroup(): number;
  readonly folders: GroupStoreFolders;
  /**
   * Makes a snapshot of the group's live tree as it is now; resolves when it is published. Given up where `interrupted`
   * fires before: nothing is left then. @throws {CairnError} `interrupted`
   */
  createSnapshot(group: GroupName, time: number, interrupted?: AbortSignal): Promise<void>;
  /** Forgets a snapshot. @throws {CairnError} `not-permitted` where it is protected */
  forgetSnapshot(group: GroupName, time: number): Promise<void>;
}
