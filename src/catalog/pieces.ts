import { DIGEST_BYTES, type Digest, digestHex } from '../core/digest.js';
import type { ChunkTable } from './chunks.js';
import type { Connection } from './connection.js';
import type { ChunkExtent } from './extent.js';
import type { WriteFrame } from './transactions.js';

/** Where the content of a packed file lies. Lengths and offsets in bytes. */
export interface Piece {
  readonly digest: Digest;
  /** Where in the chunk's plain bytes the content starts. */
  readonly at: number;
  readonly length: number;
  /** Plain length of the whole chunk, and length of its encoded file. */
  readonly chunkLength: number;
  readonly storedLength: number;
}

/** A chunk that packs the content of files. */
export interface PackPieces {
  readonly digest: Digest;
  /** Plain length of the chunk, and length of its encoded file; bytes. */
  readonly chunkLength: number;
  readonly storedLength: number;
  /** SHA-256 of each content, 32 bytes. */
  readonly contents: Uint8Array;
  /** Where in the chunk each starts, and its length; bytes. */
  readonly places: Float64Array;
}

/** Contents one statement looks for: each statement costs more than it looks for one. */
const FOUND_AT_ONCE = 64;

const PIECE = `SELECT c.digest, p.at, p.length, c.length, c.stored, p.content
  FROM pieces p CROSS JOIN chunks c ON c.id = p.chunk`;

/** Finds the piece of a chunk that holds a packed file's content, by the SHA-256 of the content. */
export class PieceRows {
  readonly #find;
  readonly #findMany;

  constructor(connection: Connection) {
    this.#find = connection.rows(`${PIECE} WHERE p.content = ? AND c.state = 0`);
    const wanted = new Array(FOUND_AT_ONCE).fill('?').join(', ');
    this.#findMany = connection.rows(`${PIECE} WHERE p.content IN (${wanted}) AND c.state = 0`);
  }

  /** The piece, or undefined where none is known whose chunk is present. */
  find(content: Digest): Piece | undefined {
    const row = this.#find.get(content);
    return row && pieceOf(row);
  }

  /** As `find`, of each of them. */
  findAll(contents: readonly Digest[]): (Piece | undefined)[] {
    const found = new Map<string, Piece>();
    for (let at = 0; at < contents.length; at += FOUND_AT_ONCE) {
      const wanted = contents.slice(at, at + FOUND_AT_ONCE);
      while (wanted.length < FOUND_AT_ONCE) wanted.push(wanted[0] as Digest);
      for (const row of this.#findMany.all(...wanted)) found.set(digestHex(row[5] as Buffer), pieceOf(row));
    }
    return contents.map((content) => (found.size === 0 ? undefined : found.get(digestHex(content))));
  }
}

function pieceOf(row: readonly unknown[]): Piece {
  return {
    digest: row[0] as Buffer,
    at: row[1] as number,
    length: row[2] as number,
    chunkLength: row[3] as number,
    storedLength: row[4] as number,
  };
}

/** The writer's pieces. */
export class Pieces {
  readonly #rows: PieceRows;
  readonly #edits: PieceEdits;
  readonly #chunks: Pick<ChunkTable, 'mention'>;
  readonly #frame: WriteFrame;
  readonly #deleteLost;

  constructor(connection: Connection, frame: WriteFrame, chunks: Pick<ChunkTable, 'mention'>) {
    this.#rows = new PieceRows(connection);
    this.#edits = new PieceEdits(connection);
    this.#chunks = chunks;
    this.#frame = frame;
    this.#deleteLost = connection.write(
      `DELETE FROM pieces WHERE content = ? AND (SELECT state FROM chunks WHERE id = pieces.chunk) > 0`,
      'background',
    );
  }

  /** The piece, or undefined where none is known whose chunk is present. */
  find(content: Digest): Piece | undefined {
    return this.#rows.find(content);
  }

  /**
   * Says where contents [from, to) of a pack lie, by index, which snapshots have and no live tree need have; the chunk is
   * present.
   */
  putPacked({ digest, chunkLength, storedLength, contents, places }: PackPieces, from: number, to: number): void {
    this.#frame.write('note where contents lie', () => {
      const chunk = { kind: 'chunk', offset: 0, digest, chunkLength, storedLength } as const;
      const id = this.#chunks.mention({ ...chunk, at: 0, length: 0 });
      for (let index = from; index < to; index += 1) {
        const [at, length] = [places[2 * index] as number, places[2 * index + 1] as number];
        this.#edits.put(contents.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES), { at, length }, id);
      }
    });
  }

  /**
   * Clears pieces away whose chunk is not present; `find` passes over them anyway, so this only saves space.
   * @param contents which may be lost (`CollectionRows.lostPieces`), at most about 1,000; those that are not stay
   */
  removeLost(contents: Iterable<Digest>): void {
    this.#frame.write('clear lost pieces away', () => {
      for (const content of contents) this.#deleteLost.run(content);
    });
  }
}

/** Writes pieces; only changes use it. */
export class PieceEdits {
  readonly #put;

  constructor(connection: Connection) {
    this.#put = connection.write(
      `INSERT INTO pieces (content, chunk, at, length) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET chunk = excluded.chunk, at = excluded.at, length = excluded.length`,
    );
  }

  put(content: Digest, { at, length }: Pick<ChunkExtent, 'at' | 'length'>, chunkId: number): void {
    this.#put.run(content, chunkId, at, length);
  }
}
