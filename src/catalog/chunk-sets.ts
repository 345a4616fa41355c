import type { Digest } from '../core/digest.js';
import { ChunkSet, decodeSet, idsOf } from './chunk-set.js';
import type { Connection, Row } from './connection.js';
import type { ChunkTotals } from './counters.js';
import { IN_CHUNK } from './extents.js';
import type { PackUse } from './pack-use.js';

/** A set, or the index files whose recorded sets are damaged: these must be recorded anew first, never left out. */
export type SetResult<T> =
  | { readonly kind: 'whole'; readonly value: T }
  | { readonly kind: 'damaged'; readonly paths: readonly string[] };

/** How far a walk over all extents came: pass it on to the next step. `done` says that this was the last. */
export interface ExtentPosition {
  readonly list: number;
  readonly offset: number;
  readonly done: boolean;
}

interface TrackedSet {
  readonly path: string;
  readonly set: ChunkSet;
}

/** Reads sets of chunks and reckons with them. Everything here is for jobs, not for requests. */
export class ChunkSets {
  readonly #one;
  readonly #next;
  readonly #paths;
  readonly #id;
  readonly #sizes;
  readonly #digest;
  readonly #live;

  constructor(connection: Connection) {
    const columns = 'path, header, chunk_set, set_checksum';
    this.#one = connection.rows(`SELECT ${columns} FROM index_files WHERE path = ?`, 'background');
    this.#next = connection.rows(
      `SELECT ${columns} FROM index_files WHERE path > ? ORDER BY path LIMIT 1`,
      'background',
    );
    this.#paths = connection.rows('SELECT path FROM index_files', 'background');
    this.#id = connection.number('SELECT id FROM chunks WHERE digest = ?', 'background');
    this.#sizes = connection.rows('SELECT length, stored FROM chunks WHERE id = ?', 'background');
    this.#digest = connection.rows('SELECT digest FROM chunks WHERE id = ?', 'background');
    this.#live = connection.rows(
      `SELECT list, offset, ref, at, length FROM extents WHERE kind = ${IN_CHUNK} AND (list, offset) > (?, ?)
       ORDER BY list, offset LIMIT ? + 0`,
      'background',
    );
  }

  /** The set recorded for an index file, or undefined where none is. */
  find(path: string): SetResult<ChunkSet> | undefined {
    const row = this.#one.get(path);
    if (row === undefined) return undefined;
    const set = decodeTracked(row).set;
    return set === undefined ? { kind: 'damaged', paths: [path] } : { kind: 'whole', value: set };
  }

  /** Every chunk that a tracked index file names: the mark of gc. About a millisecond per index file. */
  union(): SetResult<ChunkSet> {
    const union = new ChunkSet();
    const damaged = this.#each(({ set }) => union.addAll(set));
    return damaged.length > 0 ? { kind: 'damaged', paths: damaged } : { kind: 'whole', value: union };
  }

  /**
   * One step of adding every chunk that an extent names (live files, orphans, freed lists): call it with what it
   * returned until that is done. Only the steps of one picture belong together.
   * @param maxExtents to look at in this step, about 0.5 µs each
   * @param use is told of each extent
   */
  addLive(set: ChunkSet, from: ExtentPosition | undefined, maxExtents: number, use?: PackUse): ExtentPosition {
    const rows = this.#live.all(from?.list ?? 0, from?.offset ?? -1, maxExtents) as (readonly number[])[];
    idsOf(set).addMany(rows.map((row) => row[2]!));
    if (use !== undefined) for (const [, , ref, at, length] of rows) use.note(ref!, at!, length!);
    const last = rows.at(-1);
    return { list: last?.[0] ?? 0, offset: last?.[1] ?? -1, done: rows.length < maxExtents };
  }

  /** Adds chunks by digest. Returns those the catalog never heard of, which are in no set. */
  addKnown(set: ChunkSet, digests: Iterable<Digest>): Digest[] {
    const unknown: Digest[] = [];
    for (const digest of digests) {
      const id = this.#id.get(digest);
      if (id === undefined) unknown.push(digest);
      else idsOf(set).add(id);
    }
    return unknown;
  }

  has(set: ChunkSet, digest: Digest): boolean {
    const id = this.#id.get(digest);
    return id !== undefined && idsOf(set).has(id);
  }

  /** The digests in a set, in no order that means anything. */
  *digests(set: ChunkSet): Generator<Digest> {
    for (const id of idsOf(set)) {
      const digest = this.#digest.get(id)?.[0] as Buffer | undefined;
      if (digest !== undefined) yield digest;
    }
  }

  /** How many chunks and bytes a set is, about 1 µs per chunk. */
  totals(set: ChunkSet): ChunkTotals {
    const totals = { chunks: 0, plainBytes: 0, storedBytes: 0 };
    for (const id of idsOf(set)) {
      const [length, stored] = (this.#sizes.get(id) ?? [0, 0]) as readonly number[];
      totals.chunks += 1;
      totals.plainBytes += length!;
      totals.storedBytes += stored!;
    }
    return totals;
  }

  /**
   * The chunks that only these index files name: what removing them would free.
   * @param kept chunks to leave out because something else needs them (live trees)
   */
  exclusive(paths: readonly string[], kept?: ChunkSet): SetResult<ChunkSet> {
    const mine = new ChunkSet();
    const others = kept?.clone() ?? new ChunkSet();
    const wanted = new Set(paths);
    const damaged = this.#each(({ path, set }) => (wanted.has(path) ? mine : others).addAll(set));
    mine.removeAll(others);
    others.dispose();
    return damaged.length > 0 ? { kind: 'damaged', paths: damaged } : { kind: 'whole', value: mine };
  }

  /**
   * The totals of chunks that only one folder's index files name, for every folder with index files (a snapshot is
   * a folder), in one go.
   * @param kept chunks to leave out because something else needs them (live trees)
   */
  exclusiveByFolder(kept?: ChunkSet): SetResult<Map<string, ChunkTotals>> {
    const once = kept?.clone() ?? new ChunkSet();
    const twice = kept?.clone() ?? new ChunkSet();
    const damaged = this.#eachFolder((_folder, set) => {
      const again = once.common(set);
      twice.addAll(again);
      again.dispose();
      once.addAll(set);
    });
    const totals = new Map<string, ChunkTotals>();
    if (damaged.length === 0) {
      this.#eachFolder((folder, set) => {
        set.removeAll(twice);
        totals.set(folder, this.totals(set));
      });
    }
    once.dispose();
    twice.dispose();
    return damaged.length > 0 ? { kind: 'damaged', paths: damaged } : { kind: 'whole', value: totals };
  }

  /** Shows every whole set once, in order of paths, and frees it; returns the paths of damaged ones. */
  #each(use: (tracked: TrackedSet) => void): string[] {
    const damaged: string[] = [];
    for (let row = this.#next.get(''); row !== undefined; row = this.#next.get(row[0])) {
      const { path, set } = decodeTracked(row);
      if (set === undefined) damaged.push(path);
      else {
        use({ path, set });
        set.dispose();
      }
    }
    return damaged;
  }

  /** The same with all sets of a folder in one. */
  #eachFolder(use: (folder: string, set: ChunkSet) => void): string[] {
    const folders = new Map<string, string[]>();
    for (const [path] of this.#paths.all() as (readonly string[])[]) {
      const folder = path!.slice(0, Math.max(0, path!.lastIndexOf('/')));
      const paths = folders.get(folder);
      if (paths === undefined) folders.set(folder, [path!]);
      else paths.push(path!);
    }
    const damaged: string[] = [];
    for (const [folder, paths] of folders) {
      const gathered = new ChunkSet();
      for (const path of paths) {
        const found = this.find(path);
        if (found?.kind === 'whole') {
          gathered.addAll(found.value);
          found.value.dispose();
        } else damaged.push(path);
      }
      use(folder, gathered);
      gathered.dispose();
    }
    return damaged;
  }
}

function decodeTracked(row: Row): { path: string; set: ChunkSet | undefined } {
  const [path, header, bytes, checksum] = row as [string, Buffer, Buffer, Buffer];
  return { path, set: decodeSet(header, bytes, checksum) };
}
