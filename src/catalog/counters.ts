import type { Connection, Row } from './connection.js';

/** What is known of a chunk's file; the number is what `chunks.state` holds. */
export type ChunkState = 'present' | 'absent' | 'bad' | 'quarantined';

/** The states in the order of their numbers. */
export const CHUNK_STATES: readonly ChunkState[] = ['present', 'absent', 'bad', 'quarantined'];

/** How many chunks, and how many bytes they are: plain, and as stored. */
export interface ChunkTotals {
  chunks: number;
  plainBytes: number;
  storedBytes: number;
}

/** Next numbers to give out and totals, as a row of `meta` holds them. */
export interface Meta {
  appliedSequence: number;
  nextIno: number;
  nextEntry: number;
  nextList: number;
  nextGroup: number;
  nextArchive: number;
  inodes: number;
  allocatedBytes: number;
  journalBytes: number;
}

const META_COLUMNS =
  'applied_sequence, next_ino, next_entry, next_list, next_group, next_archive, inodes, allocated_bytes, journal_bytes';

/** Reads the totals of the last commit (or of the picture that is open). */
export class MetaRows {
  readonly #meta;
  readonly #totals;

  constructor(connection: Connection) {
    this.#meta = connection.rows(`SELECT ${META_COLUMNS} FROM meta WHERE one = 1`);
    this.#totals = connection.rows('SELECT chunks, plain, stored FROM chunk_totals WHERE state = ?');
  }

  meta(): Meta {
    const row = this.#meta.get() as readonly number[];
    return {
      appliedSequence: row[0]!,
      nextIno: row[1]!,
      nextEntry: row[2]!,
      nextList: row[3]!,
      nextGroup: row[4]!,
      nextArchive: row[5]!,
      inodes: row[6]!,
      allocatedBytes: row[7]!,
      journalBytes: row[8]!,
    };
  }

  totals(): Record<ChunkState, ChunkTotals> {
    return {
      present: this.#totalsOf(0),
      absent: this.#totalsOf(1),
      bad: this.#totalsOf(2),
      quarantined: this.#totalsOf(3),
    };
  }

  #totalsOf(state: number): ChunkTotals {
    const [chunks, plainBytes, storedBytes] = this.#totals.get(state) as Row & readonly number[];
    return { chunks: chunks!, plainBytes: plainBytes!, storedBytes: storedBytes! };
  }
}

/** The writer's totals and next numbers: changed in memory by the tables, stored with each commit. */
export class Counters {
  readonly #rows: MetaRows;
  readonly #storeMeta;
  readonly #storeTotals;
  meta: Meta;
  totals: Record<ChunkState, ChunkTotals>;

  constructor(connection: Connection) {
    this.#rows = new MetaRows(connection);
    this.#storeMeta = connection.write(`UPDATE meta SET (${META_COLUMNS}) = (?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE one = 1`);
    this.#storeTotals = connection.write('UPDATE chunk_totals SET chunks = ?, plain = ?, stored = ? WHERE state = ?');
    this.meta = this.#rows.meta();
    this.totals = this.#rows.totals();
  }

  /** Writes all into the open transaction. */
  store(): void {
    const m = this.meta;
    this.#storeMeta.run(
      m.appliedSequence,
      m.nextIno,
      m.nextEntry,
      m.nextList,
      m.nextGroup,
      m.nextArchive,
      m.inodes,
      m.allocatedBytes,
      m.journalBytes,
    );
    CHUNK_STATES.forEach((state, number) => {
      const { chunks, plainBytes, storedBytes } = this.totals[state];
      this.#storeTotals.run(chunks, plainBytes, storedBytes, number);
    });
  }

  /** Goes back to what the last commit says. */
  reload(): void {
    this.meta = this.#rows.meta();
    this.totals = this.#rows.totals();
  }
}
