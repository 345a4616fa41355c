import type { Connection } from './connection.js';

/** The numbers of backends as they stand in a row. */
export function numbersIn(places: string): number[] {
  return places === '' ? [] : places.split(' ').map(Number);
}

interface BackendTotal {
  shards: number;
  bytes: number;
}

/** The numbers of backends, and what a transaction changes in the counters of `backends` and `layouts`. */
export class ShardTotals {
  readonly #all;
  readonly #add;
  readonly #count;
  readonly #countLayout;
  readonly #endLayout;
  readonly #groups;
  readonly #clear;
  readonly #clearLayouts;
  readonly #ids = new Map<number, string>();
  readonly #numbers = new Map<string, number>();
  readonly #backends = new Map<number, BackendTotal>();
  readonly #layouts = new Map<string, { readonly data: number; readonly places: string; objects: number }>();

  constructor(connection: Connection) {
    this.#all = connection.rows('SELECT number, id FROM backends', 'background');
    this.#add = connection.write('INSERT INTO backends (id, shards, bytes) VALUES (?, 0, 0)');
    this.#count = connection.write('UPDATE backends SET shards = shards + ?, bytes = bytes + ? WHERE number = ?');
    this.#countLayout = connection.write(`INSERT INTO layouts (data, places, objects) VALUES (?, ?, ?)
      ON CONFLICT (data, places) DO UPDATE SET objects = objects + excluded.objects`);
    this.#endLayout = connection.write('DELETE FROM layouts WHERE data = ? AND places = ? AND objects <= 0');
    this.#groups = connection.rows('SELECT data, places, shard_bytes FROM shard_groups', 'background');
    this.#clear = connection.write('UPDATE backends SET shards = 0, bytes = 0', 'background');
    this.#clearLayouts = connection.write('DELETE FROM layouts', 'background');
  }

  /** Reads which backends there are, a few rows: others may have added some. What was counted and not stored is dropped. */
  begin(): void {
    this.#ids.clear();
    this.#numbers.clear();
    this.#backends.clear();
    this.#layouts.clear();
    for (const [number, id] of this.#all.all()) this.#know(Number(number), id as string);
  }

  /** What a backend is called. */
  idOf(number: number): string {
    return this.#ids.get(number) ?? `(${number})`;
  }

  /** The number of a backend, which gets one; within a transaction. */
  numberOf(id: string): number {
    const known = this.#numbers.get(id);
    if (known !== undefined) return known;
    const number = Number(this.#add.run(id).lastInsertRowid);
    this.#know(number, id);
    return number;
  }

  /** Counts an object, or with -1 takes it off. @param places numbers of backends by index of the piece, 0: nowhere */
  count(sign: 1 | -1, data: number, places: readonly number[], shardBytes: number): void {
    const held = places.filter((number) => number > 0).sort((a, b) => a - b);
    for (const number of held) {
      const total = this.#backends.get(number) ?? { shards: 0, bytes: 0 };
      total.shards += sign;
      total.bytes += sign * shardBytes;
      this.#backends.set(number, total);
    }
    const key = held.join(' ');
    const layout = this.#layouts.get(`${data}:${key}`) ?? { data, places: key, objects: 0 };
    layout.objects += sign;
    this.#layouts.set(`${data}:${key}`, layout);
  }

  /** Writes what was counted since `begin`. */
  store(): void {
    for (const [number, { shards, bytes }] of this.#backends) this.#count.run(shards, bytes, number);
    for (const { data, places, objects } of this.#layouts.values()) {
      if (objects === 0) continue;
      this.#countLayout.run(data, places, objects);
      if (objects < 0) this.#endLayout.run(data, places);
    }
  }

  /** Counts everything anew, within a transaction. */
  recount(): void {
    this.begin();
    this.#clear.run();
    this.#clearLayouts.run();
    for (const [data, places, bytes] of this.#groups.iterate()) {
      this.count(1, Number(data), numbersIn(places as string), Number(bytes));
    }
    this.store();
  }

  #know(number: number, id: string): void {
    this.#ids.set(number, id);
    this.#numbers.set(id, number);
  }
}
