import { CairnError } from '../core/errors.js';
import type { Connection, Row } from './connection.js';
import type { Counters } from './counters.js';
import type { WriteFrame } from './transactions.js';

/**
 * Where a snapshot is in its life: `publishing` (intent: its files may be incomplete), `finished`, `unfinished`
 * (found without a manifest: a backup of PBS under way or broken off), `forgetting` (its files are on their way out).
 */
export type SnapshotState = 'publishing' | 'finished' | 'unfinished' | 'forgetting';

export type VerifyState = 'none' | 'ok' | 'failed';

const STATES: readonly SnapshotState[] = ['publishing', 'finished', 'unfinished', 'forgetting'];
const VERIFY_STATES: readonly VerifyState[] = ['none', 'ok', 'failed'];

/** Archive numbers are 24 bits of the kernel's node id; 0 is the live side. */
const MAX_ARCHIVE = 2 ** 24 - 1;

/** A file of a snapshot's folder. */
export interface SnapshotFile {
  readonly name: string;
  /** For an index the length of its stream, for a blob that of the file. */
  readonly bytes: number;
}

/** What is said of a snapshot and may change. Times in seconds since 1970. */
export interface SnapshotFacts {
  readonly state: SnapshotState;
  readonly files: readonly SnapshotFile[];
  /** Sum of the streams and blobs it holds. */
  readonly contentBytes: number;
  /** Inodes in its tree; 0: not known. */
  readonly entries: number;
  readonly isProtected: boolean;
  readonly notes: string;
  readonly verifyState: VerifyState;
  /** 0: never. */
  readonly verifiedAt: number;
}

/** A snapshot: a row of `snapshots`. */
export interface Snapshot extends SnapshotFacts {
  /** Its number in the kernel's node ids, 1 … 2^24 - 1, never re-used. */
  readonly archive: number;
  /** Row of `groups`. */
  readonly group: number;
  /** Its name. */
  readonly time: number;
}

const FACTS = 'state, files, content_bytes, entries, protected, notes, verify_state, verified_at';
const SELECT = `SELECT archive, group_id, time, ${FACTS} FROM snapshots`;

function decodeSnapshot(row: Row): Snapshot {
  return {
    archive: row[0] as number,
    group: row[1] as number,
    time: row[2] as number,
    state: STATES[row[3] as number]!,
    files: JSON.parse(row[4] as string) as SnapshotFile[],
    contentBytes: row[5] as number,
    entries: row[6] as number,
    isProtected: row[7] === 1,
    notes: row[8] as string,
    verifyState: VERIFY_STATES[row[9] as number]!,
    verifiedAt: row[10] as number,
  };
}

function encodeFacts(facts: SnapshotFacts): (string | number)[] {
  const { state, files, contentBytes, entries, isProtected, notes, verifyState, verifiedAt } = facts;
  const listed = JSON.stringify(files.map(({ name, bytes }) => ({ name, bytes })));
  const verify = VERIFY_STATES.indexOf(verifyState);
  return [STATES.indexOf(state), listed, contentBytes, entries, isProtected ? 1 : 0, notes, verify, verifiedAt];
}

/** Reads snapshots. */
export class SnapshotRows {
  readonly #byArchive;
  readonly #byTime;
  readonly #list;
  readonly #newest;
  readonly #failed;

  constructor(connection: Connection) {
    this.#byArchive = connection.rows(`${SELECT} WHERE archive = ?`);
    this.#byTime = connection.rows(`${SELECT} WHERE group_id = ? AND time = ?`);
    this.#list = connection.rows(`${SELECT} WHERE group_id = ? ORDER BY time DESC`);
    this.#newest = connection.rows(`${SELECT} WHERE group_id = ? AND state = 1 ORDER BY time DESC LIMIT 1`);
    this.#failed = connection.rows(
      `${SELECT} WHERE state = 1 AND verify_state = 2 ORDER BY archive LIMIT ? + 0`,
      'background',
    );
  }

  find(archive: number): Snapshot | undefined {
    const row = this.#byArchive.get(archive);
    return row && decodeSnapshot(row);
  }

  findByTime(group: number, time: number): Snapshot | undefined {
    const row = this.#byTime.get(group, time);
    return row && decodeSnapshot(row);
  }

  /** All snapshots of a group in all states, newest first. */
  list(group: number): Snapshot[] {
    return this.#list.all(group).map(decodeSnapshot);
  }

  newestFinished(group: number): Snapshot | undefined {
    const row = this.#newest.get(group);
    return row && decodeSnapshot(row);
  }

  /** Finished snapshots of all groups that failed their last verification, at most so many. Looks at every row. */
  failed(limit: number): Snapshot[] {
    return this.#failed.all(limit).map(decodeSnapshot);
  }
}

/** The writer's snapshots. */
export class SnapshotTable {
  readonly #rows: SnapshotRows;
  readonly #counters: Counters;
  readonly #frame: WriteFrame;
  readonly #insert;
  readonly #update;
  readonly #delete;
  readonly #any;

  constructor(connection: Connection, counters: Counters, frame: WriteFrame) {
    this.#rows = new SnapshotRows(connection);
    this.#counters = counters;
    this.#frame = frame;
    this.#insert = connection.write(
      `INSERT INTO snapshots (archive, group_id, time, ${FACTS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#update = connection.write(`UPDATE snapshots SET (${FACTS}) = (?, ?, ?, ?, ?, ?, ?, ?) WHERE archive = ?`);
    this.#delete = connection.write('DELETE FROM snapshots WHERE archive = ?');
    this.#any = connection.number('SELECT 1 FROM snapshots WHERE group_id = ? LIMIT 1');
  }

  find(archive: number): Snapshot | undefined {
    return this.#rows.find(archive);
  }

  findByTime(group: number, time: number): Snapshot | undefined {
    return this.#rows.findByTime(group, time);
  }

  list(group: number): Snapshot[] {
    return this.#rows.list(group);
  }

  newestFinished(group: number): Snapshot | undefined {
    return this.#rows.newestFinished(group);
  }

  /** As `SnapshotRows.failed`. */
  failed(limit: number): Snapshot[] {
    return this.#rows.failed(limit);
  }

  hasAny(group: number): boolean {
    return this.#any.get(group) !== undefined;
  }

  /**
   * Adds a snapshot under a new archive number, which it returns.
   * @throws {CairnError} `exists` where the group has one of that time, `no-space` when all numbers were given out
   */
  add(group: number, time: number, facts: SnapshotFacts): number {
    return this.#frame.write('add a snapshot to the catalog', () => {
      const { meta } = this.#counters;
      const archive = meta.nextArchive;
      if (archive > MAX_ARCHIVE) throw new CairnError('no-space', 'All 2^24 - 1 snapshot numbers have been given out');
      if (this.findByTime(group, time) !== undefined) {
        throw new CairnError('exists', `Group ${group} has a snapshot of time ${time}`);
      }
      this.#insert.run(archive, group, time, ...encodeFacts(facts));
      meta.nextArchive += 1;
      return archive;
    });
  }

  /** Changes the facts that are given. @throws {CairnError} `not-found` */
  update(archive: number, facts: Partial<SnapshotFacts>): void {
    this.#frame.write('change a snapshot in the catalog', () => {
      const before = this.find(archive);
      if (before === undefined) throw new CairnError('not-found', `The catalog has no snapshot of number ${archive}`);
      this.#update.run(...encodeFacts({ ...before, ...facts }), archive);
    });
  }

  /** Drops the row; false where there is none. */
  remove(archive: number): boolean {
    return this.#frame.write('drop a snapshot from the catalog', () => this.#delete.run(archive).changes === 1);
  }
}
