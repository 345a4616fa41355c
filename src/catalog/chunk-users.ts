import type { Digest } from '../core/digest.js';
import { type ChunkSet, idsOf } from './chunk-set.js';
import type { ExtentPosition } from './chunk-sets.js';
import type { Connection } from './connection.js';
import { IN_CHUNK } from './extents.js';

/** An extent in one of the chunks looked for. All in bytes. */
export interface FoundExtent {
  /** The list it is in; `ChunkUsers.inodes` says whose that is. */
  readonly list: number;
  /** Where in the file it starts. */
  readonly offset: number;
  readonly length: number;
  readonly digest: Digest;
  /** Where in the chunk's plain bytes it starts. */
  readonly at: number;
}

/** An inode and the list of its extents. */
export interface ListUser {
  readonly ino: number;
  readonly list: number;
}

/**
 * Finds the live files that have bytes in given chunks, by looking at every extent and every inode: there is no index
 * for what is asked only when a chunk is damaged. For jobs, step by step.
 */
export class ChunkUsers {
  readonly #extents;
  readonly #digest;
  readonly #inodes;

  constructor(connection: Connection) {
    this.#extents = connection.rows(
      `SELECT list, offset, length, ref, at FROM extents WHERE kind = ${IN_CHUNK} AND (list, offset) > (?, ?)
       ORDER BY list, offset LIMIT ? + 0`,
      'background',
    );
    this.#digest = connection.rows('SELECT digest FROM chunks WHERE id = ?', 'background');
    this.#inodes = connection.rows(
      'SELECT ino, extent_list FROM inodes WHERE ino > ? AND extent_list > 0 ORDER BY ino LIMIT ? + 0',
      'background',
    );
  }

  /**
   * One step of looking for extents in chunks of the set: call it with the position it returned until that is done.
   * @param maxExtents to look at in this step, about 0.5 µs each
   */
  extents(
    set: ChunkSet,
    from: ExtentPosition | undefined,
    maxExtents: number,
  ): { readonly found: FoundExtent[]; readonly position: ExtentPosition } {
    const rows = this.#extents.all(from?.list ?? 0, from?.offset ?? -1, maxExtents) as (readonly number[])[];
    const ids = idsOf(set);
    const found: FoundExtent[] = [];
    for (const [list, offset, length, ref, at] of rows) {
      if (!ids.has(ref!)) continue;
      const digest = this.#digest.get(ref)?.[0] as Buffer;
      found.push({ list: list!, offset: offset!, length: length!, digest, at: at! });
    }
    const last = rows.at(-1);
    const position = { list: last?.[0] ?? 0, offset: last?.[1] ?? -1, done: rows.length < maxExtents };
    return { found, position };
  }

  /**
   * One step of looking for the inodes that use lists, above `afterIno`: pass `lastIno` on until it is undefined.
   * @param maxInodes to look at in this step
   */
  inodes(
    lists: { has(list: number): boolean },
    afterIno: number,
    maxInodes: number,
  ): { readonly found: ListUser[]; readonly lastIno: number | undefined } {
    const rows = this.#inodes.all(afterIno, maxInodes) as (readonly number[])[];
    const found = rows.filter(([, list]) => lists.has(list!)).map(([ino, list]) => ({ ino: ino!, list: list! }));
    return { found, lastIno: rows.length < maxInodes ? undefined : rows.at(-1)?.[0] };
  }
}
