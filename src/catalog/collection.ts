import { RoaringBitmap32 } from 'roaring-wasm';
import type { Digest } from '../core/digest.js';
import { ChunkSet, idsOf } from './chunk-set.js';
import type { ListedChunk } from './chunks.js';
import type { Connection, Row } from './connection.js';
import { CHUNK_STATES } from './counters.js';

/** Rows read at a time. */
const SLICE_ROWS = 10_000;

/** Contents whose piece is lost, and where to go on: undefined at the end. */
export interface LostPieces {
  readonly contents: readonly Digest[];
  readonly next: Digest | undefined;
}

/** What a collection asks beside sets. For jobs. */
export class CollectionRows {
  readonly #newest;
  readonly #notPresent;
  readonly #one;
  readonly #pieces;

  constructor(connection: Connection) {
    this.#newest = connection.number('SELECT max(id) FROM chunks', 'background');
    this.#notPresent = connection.rows(
      `SELECT id, state, digest FROM chunks INDEXED BY chunks_not_present
       WHERE state > 0 AND (state, digest) > (?, ?) ORDER BY state, digest LIMIT ? + 0`,
      'background',
    );
    this.#one = connection.rows(
      'SELECT digest, length, stored, state, verified_at FROM chunks WHERE id = ?',
      'background',
    );
    this.#pieces = connection.rows(
      `SELECT p.content, c.state FROM pieces p CROSS JOIN chunks c ON c.id = p.chunk
       WHERE p.content > ? ORDER BY p.content LIMIT ? + 0`,
      'background',
    );
  }

  /** Every chunk that is present as far as is known. Costs as much as there are others. */
  present(): ChunkSet {
    const newest = this.#newest.get() ?? 0;
    const ids = newest === 0 ? new RoaringBitmap32() : RoaringBitmap32.fromRange(1, newest + 1);
    let after: readonly [number, Buffer] = [0, Buffer.alloc(0)];
    for (;;) {
      const rows: Row[] = this.#notPresent.all(...after, SLICE_ROWS);
      ids.removeMany(rows.map(([id]) => id as number));
      const last = rows.at(-1);
      if (last === undefined || rows.length < SLICE_ROWS) return new ChunkSet(ids);
      after = [last[1] as number, last[2] as Buffer];
    }
  }

  /** What is known of the chunks in a set, about 1 µs each. The set must not change meanwhile. */
  *members(set: ChunkSet): Generator<ListedChunk> {
    for (const id of idsOf(set)) {
      const row = this.#one.get(id);
      if (row === undefined) continue;
      const [digest, length, stored, state, verifiedAt] = row as [Buffer, number, number, number, number];
      yield { digest, length, stored, state: CHUNK_STATES[state]!, verifiedAt };
    }
  }

  /**
   * One step over all pieces: those whose chunk's file is gone for good.
   * @param after content digest to go on behind; empty: from the start
   */
  lostPieces(after: Digest, limit: number): LostPieces {
    const rows = this.#pieces.all(after, limit);
    const contents = rows.filter(([, state]) => CHUNK_STATES[state as number] === 'absent').map(([digest]) => digest);
    return {
      contents: contents as Buffer[],
      next: rows.length < limit ? undefined : (rows.at(-1)?.[0] as Buffer),
    };
  }
}
