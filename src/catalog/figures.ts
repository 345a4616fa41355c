import { type Connection, fromSqliteError } from './connection.js';
import type { ChunkState, ChunkTotals, Meta } from './counters.js';

/** Totals of the catalog. */
export interface CatalogFigures {
  /** Inodes of all live trees, the mount's own folders among them. */
  readonly inodes: number;
  /** Bytes of live files that are not holes, and how many of them are in the journal only. */
  readonly allocatedBytes: number;
  readonly journalBytes: number;
  readonly chunks: Readonly<Record<ChunkState, Readonly<ChunkTotals>>>;
}

export function figuresOf(meta: Meta, totals: Record<ChunkState, ChunkTotals>): CatalogFigures {
  const { inodes, allocatedBytes, journalBytes } = meta;
  return { inodes, allocatedBytes, journalBytes, chunks: structuredClone(totals) };
}

/** How large the database file is, and how much of it is free, in bytes. */
export interface SpaceFigures {
  readonly fileBytes: number;
  readonly freeBytes: number;
}

/** The database file's own space. */
export class Space {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  figures(): SpaceFigures {
    const pageBytes = this.#pragma('page_size');
    return { fileBytes: this.#pragma('page_count') * pageBytes, freeBytes: this.#pragma('freelist_count') * pageBytes };
  }

  /** Gives at most `maxPages` free pages back to the file system (about 10 µs each); a write of its own. */
  shrink(maxPages: number): void {
    try {
      this.#connection.database.pragma(`incremental_vacuum(${Math.max(1, Math.floor(maxPages))})`);
    } catch (error) {
      throw fromSqliteError(error, 'shrink the catalog');
    }
  }

  #pragma(name: string): number {
    return this.#connection.database.pragma(name, { simple: true }) as number;
  }
}
