import type Database from 'better-sqlite3';
import { CairnError } from '../core/errors.js';
import { sameRedundancy } from '../core/redundancy.js';
import type { ShardChange, ShardGroup } from '../core/shard-group.js';
import { Connection, fromSqliteError, openDatabase, type Row } from './connection.js';
import { SHARD_APPLICATION_ID, SHARD_SCHEMA, SHARD_SCHEMA_VERSION } from './shard-schema.js';
import { numbersIn, ShardTotals } from './shard-totals.js';

/** How much a backend was last known to have. */
export interface HeldShards {
  readonly shards: number;
  /** With their headers. */
  readonly bytes: number;
}

/** Objects that lie on the same backends. */
export interface ShardLayout {
  /** Pieces on so many different backends give them back. */
  readonly data: number;
  /** Ids of backends. */
  readonly backends: readonly string[];
  readonly objects: number;
}

/** How long the end of a process waits for another thread's transaction. */
const LAST_WAIT_MS = 2000;
/** Nobody holds back longer what he heard. */
const GONE_MS = 60_000;

/**
 * The database of where pieces are (shard-schema.ts). Threads and processes may each have one open; all calls are
 * synchronous, and all errors `CairnError`s.
 */
export class ShardPlaces {
  readonly #connection: Connection;
  readonly #totals: ShardTotals;
  readonly #find;
  readonly #put;
  readonly #remove;
  readonly #goneAt;
  readonly #markGone;
  readonly #endGone;
  readonly #list;
  readonly #held;
  readonly #layouts;
  readonly #comparedAt;
  readonly #setCompared;

  private constructor(database: Database.Database) {
    const connection = new Connection(database);
    this.#connection = connection;
    this.#totals = new ShardTotals(connection);
    const columns = 'data, parity, generation, object_bytes, shard_bytes, places';
    this.#find = connection.rows(`SELECT ${columns}, heard_at FROM shard_groups WHERE name = ?`);
    this.#put = connection.write(
      `INSERT OR REPLACE INTO shard_groups (name, ${columns}, heard_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#remove = connection.write('DELETE FROM shard_groups WHERE name = ?');
    this.#goneAt = connection.number('SELECT heard_at FROM gone WHERE name = ?');
    this.#markGone = connection.write('INSERT OR REPLACE INTO gone (name, heard_at) VALUES (?, ?)');
    this.#endGone = connection.write('DELETE FROM gone WHERE heard_at < ?');
    this.#list = connection.rows(`SELECT ${columns}, name FROM shard_groups WHERE name > ? AND name < ?`, 'background');
    this.#held = connection.rows('SELECT id, shards, bytes FROM backends', 'background');
    this.#layouts = connection.rows('SELECT data, places, objects FROM layouts', 'background');
    this.#comparedAt = connection.number('SELECT compared_at FROM shard_meta WHERE one = 1');
    this.#setCompared = connection.write('UPDATE shard_meta SET compared_at = ? WHERE one = 1');
  }

  /** @throws {CairnError} `unsupported` where it is of another version, `corrupt` where it is damaged or no database */
  static openReader(path: string): ShardPlaces {
    return attempt('open', () => {
      const database = openDatabase(path, { readonly: true, fileMustExist: true });
      return closedOnError(database, () => {
        requireOurs(database);
        return new ShardPlaces(database);
      });
    });
  }

  /** Makes it where it is not there. @throws {CairnError} as `openReader` */
  static openWriter(path: string): ShardPlaces {
    return attempt('open', () => {
      const database = openDatabase(path, { timeout: 0 });
      return closedOnError(database, () => {
        database.pragma('journal_mode = WAL');
        // Nothing is lost with it, so nothing waits for a disk.
        database.pragma('synchronous = OFF');
        database.pragma('wal_autocheckpoint = 250');
        makeIfEmpty(database);
        requireOurs(database);
        return new ShardPlaces(database);
      });
    });
  }

  /** What was prepared, for whoever looks at query plans. */
  get statements(): Connection['prepared'] {
    return this.#connection.prepared;
  }

  /** Takes over what was heard, in one transaction. @throws {CairnError} `busy` while another thread does */
  apply(changes: readonly ShardChange[]): void {
    attempt('write', () => {
      this.#connection.database
        .transaction(() => {
          this.#totals.begin();
          for (const change of changes) this.#apply(change);
          const last = changes.at(-1);
          if (last !== undefined) this.#endGone.run(last.at - GONE_MS);
          this.#totals.store();
        })
        .immediate();
    });
  }

  /**
   * All objects have been compared with what backends have. The counters, which a power cut may have left behind, are counted
   * anew; others do not write meanwhile.
   * @throws {CairnError} as `apply`
   */
  setCompared(seconds: number): void {
    attempt('write', () => {
      this.#connection.database
        .transaction(() => {
          this.#totals.recount();
          this.#setCompared.run(seconds);
        })
        .immediate();
    });
  }

  /** When that was, in seconds since 1970; undefined: never. @throws {CairnError} */
  comparedAt(): number | undefined {
    return attempt('read', () => this.#comparedAt.get()) || undefined;
  }

  /** What is known of one object. @throws {CairnError} */
  find(name: string): ShardGroup | undefined {
    return attempt('read', () => {
      this.#totals.begin();
      return this.#read(name)?.group;
    });
  }

  /** All objects directly or further below a folder, by name. @throws {CairnError} */
  below(folder: string): Map<string, ShardGroup> {
    return attempt('read', () => {
      this.#totals.begin();
      // '0' comes right behind '/'.
      const rows = this.#list.all(`${folder}/`, `${folder}0`);
      return new Map(rows.map((row) => [row[6] as string, decoded(row, this.#totals).group]));
    });
  }

  /** By id of the backend; independent of how many objects there are. @throws {CairnError} */
  held(): Map<string, HeldShards> {
    const rows = attempt('read', () => this.#held.all());
    return new Map(rows.map(([id, shards, bytes]) => [id as string, { shards: Number(shards), bytes: Number(bytes) }]));
  }

  /** As many as there are combinations of backends. @throws {CairnError} */
  layouts(): ShardLayout[] {
    return attempt('read', () => {
      this.#totals.begin();
      return this.#layouts.all().map(([data, places, objects]) => {
        const backends = numbersIn(places as string).map((number) => this.#totals.idOf(number));
        return { data: Number(data), backends, objects: Number(objects) };
      });
    });
  }

  /** Waits for others from now on: for the last that is written. */
  waitForOthers(): void {
    this.#connection.database.pragma(`busy_timeout = ${LAST_WAIT_MS}`);
  }

  close(): void {
    this.#connection.database.close();
  }

  #apply(change: ShardChange): void {
    const { silent, at } = change;
    const name = change.kind === 'seen' ? change.name : change.from;
    const before = this.#read(name);
    if ((before?.heardAt ?? this.#goneAt.get(name) ?? at) > at) return;
    const stays = before && restricted(before.group, (id) => silent.includes(id));
    this.#replace(name, change.kind === 'seen' ? merged(stays, change.group) : stays, at);
    if (change.kind === 'seen' || before === undefined) return;
    const moved = restricted(before.group, (id) => !silent.includes(id));
    this.#replace(change.to, moved, at);
  }

  #replace(name: string, group: ShardGroup | undefined, at: number): void {
    const before = this.#read(name);
    if (before !== undefined) {
      this.#totals.count(-1, before.group.redundancy.data, before.numbers, before.group.shardBytes);
    }
    if (group === undefined || group.places.size === 0) {
      if (before !== undefined) this.#remove.run(name);
      this.#markGone.run(name, at);
      return;
    }
    const numbers = this.#numbersOf(group);
    const { redundancy, generation, objectBytes, shardBytes } = group;
    const sizes = [redundancy.data, redundancy.parity, generation, objectBytes, shardBytes];
    this.#put.run(name, ...sizes, numbers.join(' '), at);
    this.#totals.count(1, redundancy.data, numbers, shardBytes);
  }

  #numbersOf({ redundancy, places }: ShardGroup): number[] {
    return Array.from({ length: redundancy.data + redundancy.parity }, (_, index) => {
      const id = places.get(index);
      return id === undefined ? 0 : this.#totals.numberOf(id);
    });
  }

  #read(name: string): (Decoded & { readonly heardAt: number }) | undefined {
    const row = this.#find.get(name);
    return row && { ...decoded(row, this.#totals), heardAt: Number(row[6]) };
  }
}

/** A row's first six columns. */
interface Decoded {
  readonly group: ShardGroup;
  /** Numbers of backends by index of the piece, 0: nowhere. */
  readonly numbers: readonly number[];
}

function decoded(row: Row, totals: ShardTotals): Decoded {
  const [data = 0, parity = 0, generation = 0, objectBytes = 0, shardBytes = 0] = row.slice(0, 5).map(Number);
  const numbers = numbersIn(row[5] as string);
  const places = numbers.flatMap((number, index) => (number === 0 ? [] : [[index, totals.idOf(number)] as const]));
  const redundancy = { data, parity };
  return { group: { redundancy, generation, objectBytes, shardBytes, places: new Map(places) }, numbers };
}

function restricted(group: ShardGroup, has: (id: string) => boolean): ShardGroup {
  return { ...group, places: new Map([...group.places].filter(([, id]) => has(id))) };
}

/** What was seen, and what is still taken to be on backends that did not answer. */
function merged(stays: ShardGroup | undefined, seen: ShardGroup | undefined): ShardGroup | undefined {
  if (stays === undefined || seen === undefined) return seen ?? stays;
  // Pieces of another object under the name are of no use any more.
  if (stays.generation !== seen.generation || !sameRedundancy(stays.redundancy, seen.redundancy)) return seen;
  return { ...seen, places: new Map([...stays.places, ...seen.places]) };
}

function makeIfEmpty(database: Database.Database): void {
  if (versionOf(database) !== 0) return;
  database
    .transaction(() => {
      // Another thread may just have made it.
      if (versionOf(database) !== 0) return;
      database.exec(SHARD_SCHEMA);
      database.pragma(`application_id = ${SHARD_APPLICATION_ID}`);
      database.pragma(`user_version = ${SHARD_SCHEMA_VERSION}`);
    })
    .immediate();
}

function requireOurs(database: Database.Database): void {
  const id = database.pragma('application_id', { simple: true });
  if (id === SHARD_APPLICATION_ID && versionOf(database) === SHARD_SCHEMA_VERSION) return;
  throw new CairnError('unsupported', `${database.name} is of another version: it is made anew when something is put`);
}

function versionOf(database: Database.Database): number {
  return database.pragma('user_version', { simple: true }) as number;
}

function closedOnError<T>(database: Database.Database, work: () => T): T {
  try {
    return work();
  } catch (error) {
    database.close();
    throw error;
  }
}

function attempt<T>(doing: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw fromSqliteError(error, `${doing} the record of where pieces are`);
  }
}
