import type { Catalog } from '../../catalog/open.js';
import type { ChangeLog } from '../../content/change-log.js';
import type { Cloner } from '../../content/cloner.js';
import type { ContentReader } from '../../content/content-reader.js';
import type { ContentTable } from '../../content/content-table.js';
import type { Clock } from '../../core/time.js';
import type { Caller } from '../api.js';
import type { OpenFiles } from './open-files.js';
import type { Orphans } from './orphans.js';

/** What the live side asks the catalog. All of it is synchronous and touches few rows. */
export type LiveTree = Pick<Catalog, 'inodes' | 'names' | 'extents' | 'xattrs'>;

/** Waits until everything answered so far survives a power cut. */
export interface Barrier {
  barrier(): Promise<void>;
}

/** The live side's parts, as one record that its families of operations share. */
export interface LiveParts {
  readonly tree: LiveTree;
  readonly log: ChangeLog;
  readonly contents: ContentTable;
  readonly reader: ContentReader;
  readonly cloner: Cloner;
  readonly openFiles: OpenFiles;
  readonly orphans: Orphans;
  readonly durability: Barrier;
  readonly clock: Clock;
  /** Told of an inode that has other attributes, or bytes, than the kernel can know of. */
  changedUnasked(ino: number): void;
  /** Whether a group is the caller's own or one of its supplementary ones. Must not wait. */
  isInGroup(caller: Caller, gid: number): boolean;
}
