import { isFolder } from '../../catalog/inode.js';
import type { Catalog } from '../../catalog/open.js';
import type { ChangeLog } from '../../content/change-log.js';
import type { Clock } from '../../core/time.js';
import { turn } from '../create/turns.js';

/** What removing a tree works on. */
export interface RemovalParts {
  readonly catalog: Catalog;
  readonly log: Pick<ChangeLog, 'make' | 'backgroundTurn'>;
  readonly clock: Clock;
  /** Ends an inode that lost its last name, at once or when nobody uses it any more. */
  dropOrphan(ino: number): void;
}

const NAMES_AT_ONCE = 100;
const ORPHANS_AT_ONCE = 1000;

/** Folders without a name: clones that were interrupted, and live trees that were replaced. */
export function unnamedTrees(catalog: Pick<Catalog, 'orphans' | 'inodes'>): number[] {
  const found: number[] = [];
  for (let after = 0; ; ) {
    const orphans = catalog.orphans.list(after, ORPHANS_AT_ONCE);
    found.push(...orphans.filter((ino) => isTree(catalog, ino)));
    const last = orphans.at(-1);
    if (last === undefined) return found;
    after = last;
  }
}

/** Removed folders have no links any more; these still have theirs. */
function isTree({ inodes }: Pick<Catalog, 'inodes'>, ino: number): boolean {
  const inode = inodes.find(ino);
  return inode !== undefined && isFolder(inode.mode) && inode.nlink > 0;
}

/**
 * Removes a tree that has no name, in steps; what is left after an interruption is removed by the next mount.
 * @param isGoing asked before each step
 */
export async function removeTree(parts: RemovalParts, root: number, isGoing: () => boolean): Promise<void> {
  const folders = [root];
  for (let folder = folders.at(-1); folder !== undefined; folder = folders.at(-1)) {
    if (!isGoing()) return;
    const deeper = removeSome(parts, folder);
    if (deeper === 'empty') folders.pop();
    else if (deeper !== 'more') folders.push(deeper);
    await turn();
    await parts.log.backgroundTurn();
  }
  parts.log.make({ kind: 'drop-orphan', ino: root });
}

/** As `removeTree`, of one that nobody can have seen: its inodes go at once. */
export function removeHiddenTree(
  { log, ...parts }: Omit<RemovalParts, 'dropOrphan'>,
  root: number,
  isGoing: () => boolean,
): Promise<void> {
  const dropOrphan = (ino: number): void => {
    log.make({ kind: 'drop-orphan', ino });
  };
  return removeTree({ ...parts, log, dropOrphan }, root, isGoing);
}

/** Removes some names of a folder; a folder among them that is to be emptied first, or how it stands. */
function removeSome({ catalog, log, clock, dropOrphan }: RemovalParts, folder: number): number | 'empty' | 'more' {
  const entries = catalog.names.entries(folder, 0, NAMES_AT_ONCE);
  for (const { ino, name, inode } of entries) {
    if (isFolder(inode.mode) && catalog.names.hasEntries(ino)) return ino;
    const { seconds: timeSec, nanoseconds: timeNsec } = clock.now();
    log.make({ kind: 'unlink', parent: folder, name, timeSec, timeNsec });
    if (catalog.inodes.find(ino)?.nlink === 0) dropOrphan(ino);
  }
  return entries.length === 0 ? 'empty' : 'more';
}
