import type { GroupName } from '../../core/group.js';

/** A finished snapshot as its group's folder shows it. */
export interface SnapshotEntry {
  /** Archive number: the upper part of its nodes' ids. */
  readonly archive: number;
  /** Epoch seconds; the folder's name. */
  readonly time: number;
}

/** What the folders above the live trees need of the rest of the daemon. */
export interface GroupServices {
  /** Finished snapshots of the group (row of `groups`), oldest first. */
  snapshots(group: number): readonly SnapshotEntry[];
  /** Content of the group's `owner` file. */
  owner(group: number): Uint8Array;
  /** Inode number of the group's folder; undefined where there is no such group. */
  groupFolder(group: number): number | undefined;
  /** The next row number of `groups`. */
  allocateGroup(): number;
  /** Makes the group's folder and owner file in the datastore; it may exist. */
  createGroupFolder(group: GroupName): Promise<void>;
  /** Removes the group's folder from the datastore. @throws {CairnError} `not-empty` where it has snapshots */
  removeGroupFolder(group: GroupName): Promise<void>;
  /** Makes a snapshot of the group's live tree as it is now; resolves when it is published. */
  createSnapshot(group: GroupName, time: number): Promise<void>;
  /** Forgets a snapshot. @throws {CairnError} `not-permitted` where it is protected */
  forgetSnapshot(group: GroupName, time: number): Promise<void>;
}
