import type { BigIntStats } from 'node:fs';
import type { TargetFolder } from './target-folder.js';

/** Names from the target's root to a folder. */
export type FolderNames = readonly Uint8Array[];

/** Where the first name of an inode was restored. */
export interface RestoredName {
  readonly folder: FolderNames;
  readonly name: Uint8Array;
  /** What it was when it was restored. */
  readonly node: BigIntStats;
}

/** First names of inodes that may have more of them. */
export class RestoredLinks {
  readonly #root: TargetFolder;
  readonly #names = new Map<number, RestoredName>();

  constructor(root: TargetFolder) {
    this.#root = root;
  }

  /** @param inode position of its first entry */
  add(inode: number, restored: RestoredName): void {
    this.#names.set(inode, restored);
  }

  find(inode: number): RestoredName | undefined {
    return this.#names.get(inode);
  }

  /** Opens the folder for as long as `use` runs, from the root down, through no symbolic link. */
  inFolder<T>(folder: FolderNames, use: (folder: TargetFolder) => T): T {
    let open = this.#root;
    try {
      for (const name of folder) {
        const next = open.openFolder(name);
        if (open !== this.#root) open.close();
        open = next;
      }
      return use(open);
    } finally {
      if (open !== this.#root) open.close();
    }
  }
}

/** Whether it is the very node that was restored: somebody may have put another one in its place, with its size and times. */
export function isThatNode(restored: BigIntStats, now: BigIntStats | undefined): boolean {
  return (
    now !== undefined &&
    ['dev', 'ino', 'mode', 'uid', 'gid', 'size', 'mtimeNs'].every(
      (field) => restored[field as keyof BigIntStats] === now[field as keyof BigIntStats],
    )
  );
}
