import type { KnownChunk } from '../../../src/catalog/chunks.js';
import type { ChunkState } from '../../../src/catalog/counters.js';
import { type Digest, digestHex } from '../../../src/core/digest.js';
import type { Random } from '../random.js';
import type { Turns } from './turns.js';

/** Lengths of a chunk's plain bytes and blob. */
export type Lengths = Pick<KnownChunk, 'length' | 'stored'>;

/** A change of a live tree: a file comes to name a chunk (a new file, or one with that chunk now), or goes. */
export type ModelChange =
  | { readonly kind: 'name'; readonly file: number; readonly digest: Digest; readonly ifDigest?: Digest }
  | { readonly kind: 'drop'; readonly file: number };

interface Row extends Lengths {
  readonly id: number;
  readonly state: ChunkState;
}

/** What one transaction sees. Ids belong to their digests for ever; files and sets name chunks by id. */
export class Tables {
  readonly #lengths: (digest: Digest) => Lengths;
  readonly #rows: Map<string, Row>;
  #nextId: number;
  readonly files: Map<number, number>;
  readonly sets: Map<number, ReadonlySet<number>>;
  appliedSequence: number;

  constructor(lengths: (digest: Digest) => Lengths, from?: Tables) {
    this.#lengths = lengths;
    this.#rows = new Map(from ? from.#rows : []);
    this.#nextId = from ? from.#nextId : 0;
    this.files = new Map(from?.files);
    this.sets = new Map(from?.sets);
    this.appliedSequence = from?.appliedSequence ?? 0;
  }

  copy(): Tables {
    return new Tables(this.#lengths, this);
  }

  find(digest: Digest): KnownChunk | undefined {
    const row = this.#rows.get(digestHex(digest));
    return row && { length: row.length, stored: row.stored, state: row.state, verifiedAt: 0 };
  }

  setState(digest: Digest, state: ChunkState): boolean {
    const key = digestHex(digest);
    const row = this.#rows.get(key);
    if (row !== undefined) this.#rows.set(key, { ...row, state });
    return row !== undefined;
  }

  setPresent(digest: Digest): void {
    this.idOf(digest);
    this.setState(digest, 'present');
  }

  /** As `ChunkTable.track`: the id, and a row where there is none. */
  idOf(digest: Digest): number {
    const key = digestHex(digest);
    const row = this.#rows.get(key) ?? { id: this.#nextId++, ...this.#lengths(digest), state: 'present' };
    this.#rows.set(key, row);
    return row.id;
  }

  /** What a catalog must never do: the digest's next mention gets another id. */
  forgetRow(digest: Digest): void {
    this.#rows.delete(digestHex(digest));
  }

  /** As `Catalog.apply`; false where the file is not as the change wants it. */
  apply(change: ModelChange): boolean {
    if (change.kind === 'drop') return this.files.delete(change.file);
    const { file, digest, ifDigest } = change;
    if (ifDigest !== undefined && this.files.get(file) !== this.idOf(ifDigest)) return false;
    const id = this.idOf(digest);
    // As `ChunkTable.mention`.
    if (this.find(digest)?.state !== 'bad') this.setState(digest, 'present');
    this.files.set(file, id);
    return true;
  }

  /** Digests (hex) that a file or a set names. */
  named(): Set<string> {
    const ids = this.#namedIds();
    return new Set([...this.#rows].flatMap(([key, { id }]) => (ids.has(id) ? [key] : [])));
  }

  /** Whether a file or a set names an id that has no digest. */
  dangling(): boolean {
    return this.#namedIds().size > this.named().size;
  }

  #namedIds(): Set<number> {
    return new Set([...this.files.values(), ...[...this.sets.values()].flatMap((set) => [...set])]);
  }
}

/** The writer's open transaction, and the commits a power cut may fall back to. */
export class ModelCatalog {
  readonly #turns: Turns;
  open: Tables;
  #commits: Tables[];
  /** Index of the newest commit that is durable. */
  #durable = 0;

  constructor(turns: Turns, from: Tables) {
    this.#turns = turns;
    this.open = from;
    this.#commits = [from.copy()];
  }

  /** What readers see. */
  get committed(): Tables {
    return this.#commits.at(-1) as Tables;
  }

  commitAndBegin(appliedSequence: number): void {
    this.open.appliedSequence = appliedSequence;
    this.#commits.push(this.open.copy());
  }

  async syncCommit(): Promise<void> {
    const upTo = this.#commits.length - 1;
    await this.#turns.point();
    this.#durable = Math.max(this.#durable, upTo);
    await this.#turns.point();
  }

  /** What is left after a power cut, or after the death of the process alone. */
  recovered(random: Random, powerCut: boolean): Tables {
    const at = powerCut ? random.between(this.#durable, this.#commits.length - 1) : this.#commits.length - 1;
    return (this.#commits[at] as Tables).copy();
  }
}

/** The journal: a list of changes of which a prefix is durable. Used in place of `Journal`. */
export class ModelJournal {
  readonly #turns: Turns;
  readonly #records: (ModelChange | { readonly kind: 'barrier'; readonly upTo: number })[] = [];
  readonly #first: number;
  #durable = 0;
  readonly appendedBytes = 0;

  constructor(turns: Turns, lastSequence: number) {
    this.#turns = turns;
    this.#first = lastSequence + 1;
  }

  get lastSequence(): number {
    return this.#first + this.#records.length - 1;
  }

  append(change: ModelChange): ModelChange {
    this.#records.push(change);
    return change;
  }

  appendBarrier(upTo: number): void {
    this.#records.push({ kind: 'barrier', upTo });
  }

  async sync(): Promise<void> {
    const upTo = this.#records.length;
    await this.#turns.point();
    this.#durable = Math.max(this.#durable, upTo);
    await this.#turns.point();
  }

  closedSegments(): number[] {
    return [];
  }

  /**
   * Applies what the tables lack, up to where the journal ends after a crash.
   * @param verifies whether the chunk stands whole: asked of what no barrier vouches for
   */
  replay(tables: Tables, random: Random, powerCut: boolean, verifies: (digest: Digest) => boolean): void {
    const end = powerCut ? random.between(this.#durable, this.#records.length) : this.#records.length;
    const left = this.#records.slice(0, end);
    const lastBarrier = Math.max(0, ...left.map((record) => (record.kind === 'barrier' ? record.upTo : 0)));
    for (const [index, record] of left.entries()) {
      const sequence = this.#first + index;
      if (sequence <= tables.appliedSequence || record.kind === 'barrier') continue;
      if (sequence > lastBarrier && record.kind === 'name' && !verifies(record.digest)) break;
      tables.apply(record);
    }
    tables.appliedSequence = this.lastSequence;
  }
}
