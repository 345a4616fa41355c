import { DIGEST_BYTES, type Digest } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import { type Connection, checkedCount, type Row } from './connection.js';
import { CHUNK_STATES, type ChunkState, type ChunkTotals, type Counters } from './counters.js';
import type { ChunkExtent } from './extent.js';
import type { WriteFrame } from './transactions.js';
import type { UploadQueue } from './uploads.js';

/** What the catalog knows of a chunk. Lengths in bytes. */
export interface KnownChunk {
  /** Of the plain bytes. */
  readonly length: number;
  /** Of the encoded file; 0 where not known yet (only an index file ever named the chunk). */
  readonly stored: number;
  readonly state: ChunkState;
  /** When its digest was last checked, seconds since 1970; 0: never. */
  readonly verifiedAt: number;
}

/** A chunk in a list. */
export interface ListedChunk extends KnownChunk {
  readonly digest: Digest;
}

/** How far a walk from the chunks verified longest ago came: pass it on to the next step. */
export interface VerificationPosition {
  readonly verifiedAt: number;
  readonly id: number;
}

/** One step of such a walk. */
export interface OldestChunks {
  readonly chunks: readonly ListedChunk[];
  readonly position: VerificationPosition;
}

/** How long ago present chunks were verified. Times in seconds since 1970. */
export interface VerificationFigures {
  /** Chunks that never were. */
  readonly never: number;
  /** When the one verified longest ago was; undefined where none ever was. */
  readonly oldestAt: number | undefined;
}

const COLUMNS = 'length, stored, state, verified_at';

function decodeChunk(row: Row, at: number): KnownChunk {
  return {
    length: row[at] as number,
    stored: row[at + 1] as number,
    state: CHUNK_STATES[row[at + 2] as number]!,
    verifiedAt: row[at + 3] as number,
  };
}

/** Reads the chunks that are known. */
export class ChunkRows {
  readonly #find;
  readonly #list;
  readonly #inState;
  readonly #oldest;
  readonly #due;
  readonly #firstVerified;

  constructor(connection: Connection) {
    this.#find = connection.rows(`SELECT ${COLUMNS} FROM chunks WHERE digest = ?`);
    this.#list = connection.rows(
      `SELECT digest, ${COLUMNS} FROM chunks WHERE digest > ? ORDER BY digest LIMIT ? + 0`,
      'background',
    );
    this.#inState = connection.rows(
      `SELECT digest, ${COLUMNS} FROM chunks INDEXED BY chunks_not_present
       WHERE state > 0 AND state = ? AND digest > ? ORDER BY digest LIMIT ? + 0`,
      'background',
    );
    this.#oldest = connection.rows(
      `SELECT id, digest, ${COLUMNS} FROM chunks
       WHERE state = 0 AND verified_at < ? AND (verified_at, id) > (?, ?) ORDER BY verified_at, id LIMIT ? + 0`,
      'background',
    );
    this.#due = connection.number('SELECT count(*) FROM chunks WHERE state = 0 AND verified_at < ?', 'background');
    this.#firstVerified = connection.number(
      'SELECT verified_at FROM chunks WHERE state = 0 AND verified_at > 0 ORDER BY verified_at LIMIT 1',
    );
  }

  /** The chunk, or undefined where nothing ever named it. */
  find(digest: Digest): KnownChunk | undefined {
    const row = this.#find.get(digest);
    return row && decodeChunk(row, 0);
  }

  /** Chunks of all states behind a digest (an empty one: from the start), ascending, at most `limit`. */
  list(after: Digest, limit: number): ListedChunk[] {
    return this.#list.all(after, limit).map((row) => ({ digest: row[0] as Buffer, ...decodeChunk(row, 1) }));
  }

  /** Chunks of one state other than present, behind a digest, ascending, at most `limit`. */
  listLost(state: Exclude<ChunkState, 'present'>, after: Digest, limit: number): ListedChunk[] {
    const rows = this.#inState.all(CHUNK_STATES.indexOf(state), after, limit);
    return rows.map((row) => ({ digest: row[0] as Buffer, ...decodeChunk(row, 1) }));
  }

  /**
   * Present chunks last verified before a time (seconds), those verified longest ago (or never) first, equal ones in the
   * order they came into the store.
   * @param from the position the step before gave; undefined: from the start
   */
  oldestVerified(before: number, from: VerificationPosition | undefined, limit: number): OldestChunks {
    const start = from ?? { verifiedAt: -1, id: 0 };
    const rows = this.#oldest.all(before, start.verifiedAt, start.id, limit);
    const chunks = rows.map((row) => ({ digest: row[1] as Buffer, ...decodeChunk(row, 2) }));
    const last = rows.at(-1);
    const position = last === undefined ? start : { verifiedAt: last[5] as number, id: last[0] as number };
    return { chunks, position };
  }

  /** How many present chunks were last verified before a time (seconds); about 20 ms for a million. */
  countVerifiedBefore(before: number): number {
    return this.#due.get(before) as number;
  }

  /** Counts those never verified. */
  verification(): VerificationFigures {
    return { never: this.countVerifiedBefore(1), oldestAt: this.#firstVerified.get() };
  }
}

/**
 * The writer's chunks. A change that names a chunk makes it known as present; one that collection took away
 * (`absent`, `quarantined`: nothing named it, so whoever names it now stored it anew) becomes present again. A `bad`
 * one may be named by files that were there before, so it stays bad until `setPresent`.
 */
export interface Chunks {
  find(digest: Digest): KnownChunk | undefined;
  /** Says that the chunk was stored anew or found good: state present, with these lengths. */
  setPresent(digest: Digest, length: number, stored: number): void;
  /** Changes the state of a known chunk; false where nothing ever named it. */
  setState(digest: Digest, state: ChunkState): boolean;
  /** Notes that the chunk's digest was checked at a time in seconds; false where nothing ever named it. */
  setVerified(digest: Digest, atSeconds: number): boolean;
  /** When the present chunk verified longest ago was, seconds; 0 where some never were. */
  oldestVerifiedAt(): number;
  /** How many chunks and bytes are in a state: at hand, not counted. */
  totals(state: ChunkState): Readonly<ChunkTotals>;
}

/** @throws {CairnError} where these cannot be a chunk's */
export function checkedChunk(digest: Digest, length: number, stored: number): void {
  if (digest.length !== DIGEST_BYTES) throw new CairnError('invalid', `A digest has 32 bytes, not ${digest.length}`);
  checkedCount(length, 'length of a chunk');
  checkedCount(stored, 'stored length of a chunk');
}

interface StoredChunk {
  readonly id: number;
  readonly length: number;
  readonly stored: number;
  readonly state: ChunkState;
}

export class ChunkTable implements Chunks {
  readonly #rows: ChunkRows;
  readonly #counters: Counters;
  readonly #frame: WriteFrame;
  readonly #uploads: UploadQueue | undefined;
  readonly #select;
  readonly #insert;
  readonly #update;
  readonly #verify;
  readonly #oldest;

  /** @param uploads told of chunks that become present or cease to be; absent where there is no object store */
  constructor(connection: Connection, counters: Counters, frame: WriteFrame, uploads?: UploadQueue) {
    this.#uploads = uploads;
    this.#rows = new ChunkRows(connection);
    this.#counters = counters;
    this.#frame = frame;
    this.#select = connection.rows('SELECT id, length, stored, state FROM chunks WHERE digest = ?');
    this.#insert = connection.write(
      'INSERT INTO chunks (digest, length, stored, state, verified_at) VALUES (?, ?, ?, ?, 0)',
    );
    this.#update = connection.write('UPDATE chunks SET length = ?, stored = ?, state = ? WHERE id = ?');
    this.#verify = connection.write('UPDATE chunks SET verified_at = ? WHERE digest = ?');
    this.#oldest = connection.number('SELECT min(verified_at) FROM chunks WHERE state = 0');
  }

  find(digest: Digest): KnownChunk | undefined {
    return this.#rows.find(digest);
  }

  setPresent(digest: Digest, length: number, stored: number): void {
    this.#frame.write('note a stored chunk', () => {
      checkedChunk(digest, length, stored);
      const chunk = this.#stored(digest);
      if (chunk === undefined) this.#add(digest, length, stored, 'present');
      else this.#change(chunk, length, stored, 'present');
    });
  }

  setState(digest: Digest, state: ChunkState): boolean {
    return this.#frame.write('change the state of a chunk', () => {
      const chunk = this.#stored(digest);
      if (chunk !== undefined) this.#change(chunk, chunk.length, chunk.stored, state);
      return chunk !== undefined;
    });
  }

  setVerified(digest: Digest, atSeconds: number): boolean {
    return this.#frame.write('note that a chunk was verified', () => this.#verify.run(atSeconds, digest).changes === 1);
  }

  oldestVerifiedAt(): number {
    return this.#oldest.get() ?? 0;
  }

  totals(state: ChunkState): Readonly<ChunkTotals> {
    return { ...this.#counters.totals[state] };
  }

  /** The id of a chunk that an extent names, with what that says of the chunk. Its writer knows the lengths best. */
  mention(extent: ChunkExtent): number {
    const chunk = this.#stored(extent.digest);
    if (chunk === undefined) return this.#add(extent.digest, extent.chunkLength, extent.storedLength, 'present');
    const state = chunk.state === 'bad' ? 'bad' : 'present';
    this.#change(chunk, extent.chunkLength, extent.storedLength || chunk.stored, state);
    return chunk.id;
  }

  /** The id of a chunk that an index file names; made in the given state on first mention. */
  track(digest: Digest, length: number, state: ChunkState): number {
    return this.#stored(digest)?.id ?? this.#add(digest, length, 0, state);
  }

  #stored(digest: Digest): StoredChunk | undefined {
    const row = this.#select.get(digest);
    if (row === undefined) return undefined;
    const [id, length, stored, state] = row as readonly number[];
    return { id: id!, length: length!, stored: stored!, state: CHUNK_STATES[state!]! };
  }

  #add(digest: Digest, length: number, stored: number, state: ChunkState): number {
    const { lastInsertRowid } = this.#insert.run(digest, length, stored, CHUNK_STATES.indexOf(state));
    this.#count(state, 1, length, stored);
    if (state === 'present') this.#uploads?.add(Number(lastInsertRowid), stored);
    return Number(lastInsertRowid);
  }

  #change(chunk: StoredChunk, length: number, stored: number, state: ChunkState): void {
    if (chunk.length === length && chunk.stored === stored && chunk.state === state) return;
    this.#update.run(length, stored, CHUNK_STATES.indexOf(state), chunk.id);
    if (state !== 'present') this.#uploads?.remove(chunk.id);
    else if (chunk.state !== 'present' || chunk.stored !== stored) this.#uploads?.add(chunk.id, stored);
    this.#count(chunk.state, -1, -chunk.length, -chunk.stored);
    this.#count(state, 1, length, stored);
  }

  #count(state: ChunkState, chunks: number, plainBytes: number, storedBytes: number): void {
    const totals = this.#counters.totals[state];
    totals.chunks += chunks;
    totals.plainBytes += plainBytes;
    totals.storedBytes += storedBytes;
  }
}
