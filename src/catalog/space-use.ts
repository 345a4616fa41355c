import type { Digest } from '../core/digest.js';
import { ChunkSet, idsOf } from './chunk-set.js';
import type { ChunkSets } from './chunk-sets.js';
import type { Connection } from './connection.js';
import type { ChunkTotals, MetaRows } from './counters.js';
import { IN_CHUNK } from './extents.js';

/** A snapshot, as far as its space goes: the index files it consists of. */
export interface IndexedSnapshot {
  /** Row of `groups`. */
  readonly group: number;
  /** Index files, relative to the datastore. */
  readonly paths: readonly string[];
}

/** What somebody uses: all its chunks, each once, and those of them that nobody else names. */
export interface SpaceUsed {
  readonly chunks: ChunkTotals;
  readonly exclusive: ChunkTotals;
}

/** What a live tree uses, and what is in it. */
export interface LiveSpaceUsed extends SpaceUsed {
  readonly files: number;
  /** Sum of the sizes of its regular files, hard links once. */
  readonly bytes: number;
  /** Bytes that are in the journal only. */
  readonly journalBytes: number;
}

/** Who uses how much of a datastore. */
export interface SpaceAccount<T extends IndexedSnapshot> {
  readonly snapshots: ReadonlyMap<T, SpaceUsed>;
  /** By row of `groups`: live trees, and groups with all that is in them. */
  readonly live: ReadonlyMap<number, LiveSpaceUsed>;
  readonly groups: ReadonlyMap<number, SpaceUsed>;
  /** Everything that any of them names, and the same with what stays anyway. */
  readonly all: ChunkTotals;
  readonly staying: ChunkTotals;
}

/** The digests of index files that have no usable set, by path. */
export type LoadedIndexes = ReadonlyMap<string, Iterable<Digest>>;

/** Inodes whose extents are looked at in one step. */
const INODES_AT_ONCE = 20_000;
const CHUNKS_AT_ONCE = 50_000;
const REGULAR = '(mode & 61440) = 32768';

interface LiveTree {
  readonly set: ChunkSet;
  files: number;
  bytes: number;
  journalBytes: number;
}

/** Says who uses how much space, from the sets of index files and the extents of live trees. For jobs. */
export class SpaceUse {
  readonly #sets: ChunkSets;
  readonly #meta: MetaRows;
  readonly #refs;
  readonly #files;
  readonly #sizes;

  constructor(connection: Connection, sets: ChunkSets, meta: MetaRows) {
    this.#sets = sets;
    this.#meta = meta;
    this.#refs = connection.rows(
      `SELECT i.group_id, e.ref FROM inodes i CROSS JOIN extents e ON e.list = i.extent_list
       WHERE i.ino > ? AND i.ino <= ? AND i.extent_list > 0 AND e.kind = ${IN_CHUNK}`,
      'background',
    );
    this.#files = connection.rows(
      `SELECT group_id, count(*), sum(size), sum(journal_bytes) FROM inodes
       WHERE ino > ? AND ino <= ? AND nlink > 0 AND ${REGULAR} GROUP BY group_id`,
      'background',
    );
    this.#sizes = connection.rows(
      'SELECT id, length, stored FROM chunks WHERE id > ? ORDER BY id LIMIT ? + 0',
      'background',
    );
  }

  /** Those of the index files whose set is not recorded, or damaged: their digests have to be read from the files. */
  withoutSet(paths: Iterable<string>): string[] {
    return [...paths].filter((path) => {
      const found = this.#sets.find(path);
      if (found?.kind !== 'whole') return true;
      found.value.dispose();
      return false;
    });
  }

  /**
   * Who uses how much. Takes about 1 µs for each extent of the live trees and each chunk known, and 2 ms for each
   * index file.
   * @param loaded what `withoutSet` asks for; chunks among it that the catalog never heard of are not counted
   * @param standing chunks that stay whoever names them: nobody has them alone
   */
  account<T extends IndexedSnapshot>(
    snapshots: readonly T[],
    loaded: LoadedIndexes,
    standing: readonly Digest[],
  ): SpaceAccount<T> {
    const sizes = this.#loadSizes();
    const live = this.#liveTrees();
    const groups = new Map<number, T[]>([...live.keys()].map((group) => [group, []]));
    for (const snapshot of snapshots) {
      const members = groups.get(snapshot.group);
      if (members === undefined) groups.set(snapshot.group, [snapshot]);
      else members.push(snapshot);
    }
    const users = new SharedChunks();
    const owners = new SharedChunks();
    for (const [group, members] of groups) {
      const all = this.#groupSet(members, live.get(group), loaded, (set) => users.add(set));
      owners.add(all);
      all.dispose();
    }
    const anyway = owners.any.clone();
    for (const set of [users.shared, owners.shared, anyway]) this.#sets.addKnown(set, standing);
    const used = (set: ChunkSet, shared: SharedChunks): SpaceUsed => ({
      chunks: sizes.totals(set),
      exclusive: sizes.totalsWithout(set, shared.shared),
    });
    const account = {
      snapshots: new Map<T, SpaceUsed>(),
      live: new Map(),
      groups: new Map(),
      all: sizes.totals(owners.any),
      staying: sizes.totals(anyway),
    };
    anyway.dispose();
    for (const [group, members] of groups) {
      let next = 0;
      const all = this.#groupSet(members, live.get(group), loaded, (set) => {
        const member = members[next++];
        if (member !== undefined) account.snapshots.set(member, used(set, users));
      });
      account.groups.set(group, used(all, owners));
      all.dispose();
    }
    for (const [group, { set, ...figures }] of live) account.live.set(group, { ...figures, ...used(set, users) });
    for (const { set } of live.values()) set.dispose();
    users.dispose();
    owners.dispose();
    return account;
  }

  /** What goes when these index files go: chunks that neither others of `snapshots` nor live trees name, nor `standing`. */
  freedBy(
    paths: readonly string[],
    others: readonly string[],
    loaded: LoadedIndexes,
    standing: readonly Digest[],
  ): ChunkTotals {
    const kept = this.#union(others, loaded);
    this.#sets.addKnown(kept, standing);
    for (const { set } of this.#liveTrees().values()) {
      kept.addAll(set);
      set.dispose();
    }
    const mine = this.#union(paths, loaded);
    const totals = this.#loadSizes().totalsWithout(mine, kept);
    mine.dispose();
    kept.dispose();
    return totals;
  }

  /** Shows each member's set, then the live tree's, to `each`; returns all of them together. */
  #groupSet(
    members: readonly IndexedSnapshot[],
    live: LiveTree | undefined,
    loaded: LoadedIndexes,
    each: (set: ChunkSet) => void,
  ): ChunkSet {
    const all = new ChunkSet();
    for (const { paths } of members) {
      const set = this.#union(paths, loaded);
      each(set);
      all.addAll(set);
      set.dispose();
    }
    if (live !== undefined) {
      each(live.set);
      all.addAll(live.set);
    }
    return all;
  }

  #union(paths: readonly string[], loaded: LoadedIndexes): ChunkSet {
    const union = new ChunkSet();
    for (const path of paths) {
      const digests = loaded.get(path);
      if (digests !== undefined) {
        this.#sets.addKnown(union, digests);
        continue;
      }
      const found = this.#sets.find(path);
      if (found?.kind !== 'whole') continue;
      union.addAll(found.value);
      found.value.dispose();
    }
    return union;
  }

  #liveTrees(): Map<number, LiveTree> {
    const trees = new Map<number, LiveTree>();
    const treeOf = (group: number): LiveTree => {
      let tree = trees.get(group);
      if (tree === undefined) {
        tree = { set: new ChunkSet(), files: 0, bytes: 0, journalBytes: 0 };
        trees.set(group, tree);
      }
      return tree;
    };
    const end = this.#meta.meta().nextIno;
    for (let from = 0; from < end; from += INODES_AT_ONCE) {
      const refs = new Map<number, number[]>();
      for (const row of this.#refs.iterate(from, from + INODES_AT_ONCE)) {
        const [group, ref] = row as readonly [number, number];
        const list = refs.get(group);
        if (list === undefined) refs.set(group, [ref]);
        else list.push(ref);
      }
      for (const [group, ids] of refs) idsOf(treeOf(group).set).addMany(ids);
      for (const row of this.#files.all(from, from + INODES_AT_ONCE)) {
        const [group, files, bytes, journalBytes] = row as readonly [number, number, number, number];
        const tree = treeOf(group);
        tree.files += files;
        tree.bytes += bytes;
        tree.journalBytes += journalBytes;
      }
    }
    return trees;
  }

  #loadSizes(): ChunkSizes {
    const sizes = new ChunkSizes();
    for (let after = 0; ; ) {
      const rows = this.#sizes.all(after, CHUNKS_AT_ONCE) as (readonly number[])[];
      for (const [id, length, stored] of rows) sizes.set(id!, length!, stored!);
      if (rows.length < CHUNKS_AT_ONCE) return sizes;
      after = rows.at(-1)![0]!;
    }
  }
}

/** Which chunks were added once, and which more than once. */
class SharedChunks {
  readonly any = new ChunkSet();
  readonly shared = new ChunkSet();

  add(set: ChunkSet): void {
    const again = this.any.common(set);
    this.shared.addAll(again);
    again.dispose();
    this.any.addAll(set);
  }

  dispose(): void {
    this.any.dispose();
    this.shared.dispose();
  }
}

/** Plain and stored lengths of all chunks by id: 8 bytes each. */
class ChunkSizes {
  #plain = new Uint32Array(1024);
  #stored = new Uint32Array(1024);

  set(id: number, plain: number, stored: number): void {
    if (id >= this.#plain.length) this.#grow(id + 1);
    this.#plain[id] = plain;
    this.#stored[id] = stored;
  }

  totals(set: ChunkSet): ChunkTotals {
    const totals = { chunks: 0, plainBytes: 0, storedBytes: 0 };
    for (const id of idsOf(set).toUint32Array()) {
      totals.chunks += 1;
      totals.plainBytes += this.#plain[id] ?? 0;
      totals.storedBytes += this.#stored[id] ?? 0;
    }
    return totals;
  }

  totalsWithout(set: ChunkSet, without: ChunkSet): ChunkTotals {
    const rest = set.clone();
    rest.removeAll(without);
    const totals = this.totals(rest);
    rest.dispose();
    return totals;
  }

  #grow(least: number): void {
    const length = Math.max(least, this.#plain.length * 2);
    const grown = (from: Uint32Array) => {
      const to = new Uint32Array(length);
      to.set(from);
      return to;
    };
    this.#plain = grown(this.#plain);
    this.#stored = grown(this.#stored);
  }
}
