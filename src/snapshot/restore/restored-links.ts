import type { BigIntStats } from 'node:fs';
import type { AttributeRecord } from '../../archive/attributes-record.js';
import type { TargetFolder } from './target-folder.js';

/** Names from the target's root to a folder. */
export type FolderNames = readonly Uint8Array[];

/** What tells a node from any other. */
export type NodeIdentity = Pick<BigIntStats, (typeof IDENTITY)[number]>;

const IDENTITY = ['dev', 'ino', 'mode', 'uid', 'gid', 'size', 'mtimeNs'] as const;

/** Where the first name of an inode was restored. */
export interface RestoredName {
  readonly folder: FolderNames;
  readonly name: Uint8Array;
  /** What it was when it was restored. */
  readonly node: NodeIdentity;
}

/** First names of inodes that may have more of them; of others nothing is kept. */
export class RestoredLinks {
  readonly #root: TargetFolder;
  readonly #targets: ReadonlySet<number> | undefined;
  readonly #names = new Map<number, RestoredName>();

  /** @param targets as for `mayHaveMoreNames` */
  constructor(root: TargetFolder, targets: ReadonlySet<number> | undefined) {
    this.#root = root;
    this.#targets = targets;
  }

  /** As `mayHaveMoreNames`. */
  mayHaveMore(inode: number, record: AttributeRecord | undefined): boolean {
    return mayHaveMoreNames(this.#targets, inode, record);
  }

  /** @param inode position of its first entry */
  add(inode: number, { folder, name, node }: RestoredName): void {
    const { dev, ino, mode, uid, gid, size, mtimeNs } = node;
    this.#names.set(inode, { folder, name, node: { dev, ino, mode, uid, gid, size, mtimeNs } });
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

/**
 * Whether an inode may have more names than one.
 * @param targets inodes that hard links lead to; undefined: any without a record may be one
 * @param inode position of its first entry
 */
export function mayHaveMoreNames(
  targets: ReadonlySet<number> | undefined,
  inode: number,
  record: AttributeRecord | undefined,
): boolean {
  if (record !== undefined) return record.nlink > 1;
  return targets === undefined || targets.has(inode);
}

/** Whether it is the very node that was restored: somebody may have put another one in its place, with its size and times. */
export function isThatNode(restored: NodeIdentity, now: NodeIdentity | undefined): boolean {
  return now !== undefined && IDENTITY.every((field) => restored[field] === now[field]);
}
