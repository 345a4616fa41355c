import { createHash } from 'node:crypto';
import type { ChunkState } from '../../../src/catalog/counters.js';
import { ChunkStore } from '../../../src/chunkstore/chunk-store.js';
import { type ChunkGuards, processGuards } from '../../../src/chunkstore/guards.js';
import { chunkName } from '../../../src/chunkstore/layout.js';
import type { SweepGuards } from '../../../src/chunkstore/removal.js';
import { CatalogChunkStates, type StateTurns } from '../../../src/content/catalog-chunk-states.js';
import { ChangeLog } from '../../../src/content/change-log.js';
import { ChunkSink, type SinkCatalog } from '../../../src/content/chunk-sink.js';
import { Durability, type SyncedStore } from '../../../src/content/durability.js';
import { presentChunk, writersKnowledge } from '../../../src/content/open-live-store.js';
import { type Digest, digestHex } from '../../../src/core/digest.js';
import { encodeBlobSync } from '../../../src/native/blob.js';
import { betweenPictures, openPicture } from '../../../src/native/digest-locks.js';
import { beginSweep, endSweep, HoldScope } from '../../../src/native/holds.js';
import type { Random } from '../random.js';
import { type Content, type Disk, DiskBackend } from './disk.js';
import { type Lengths, ModelCatalog, ModelJournal, type Tables } from './model-catalog.js';
import { settled, type Turns } from './turns.js';

const CONTENTS = 6;

/** The few contents that everybody writes, as chunks. */
export const CHUNKS = Array.from({ length: CONTENTS }, (_, index) => {
  const bytes = Buffer.from(`chunk ${index}`);
  const blob = Buffer.alloc(bytes.length + 12);
  const stored = encodeBlobSync(bytes, blob, 1);
  const digest: Digest = createHash('sha256').update(bytes).digest();
  return { digest, bytes, blob: blob.subarray(0, stored), name: chunkName(digest, 2) };
});

const BY_DIGEST = new Map(CHUNKS.map((chunk) => [digestHex(chunk.digest), chunk]));

export type ModelChunk = (typeof CHUNKS)[number];

export function chunkOf(key: string): ModelChunk {
  return BY_DIGEST.get(key) as ModelChunk;
}

/** Lengths of one of the chunks. */
export function lengthsOf(digest: Digest): Lengths {
  const { bytes, blob } = chunkOf(digestHex(digest));
  return { length: bytes.length, stored: blob.length };
}

export function isIntact(chunk: ModelChunk, content: Content | undefined): boolean {
  return content?.bytes.equals(chunk.blob) === true;
}

/**
 * One life of a daemon: the classes of src/ over a model disk, catalog and journal. Every part that a rule of the
 * protocol is about is made by a method of its own, so that a test can put a faulty one in its place.
 */
export class World {
  readonly random: Random;
  readonly turns: Turns;
  readonly disk: Disk;
  /** The chunks that everybody works on. */
  readonly pool: readonly ModelChunk[];
  /** Chunks (hex) that the disk itself lost, until they are whole and durable again. */
  readonly excused: ReadonlySet<string>;
  readonly catalog: ModelCatalog;
  readonly journal: ModelJournal;
  readonly log: ChangeLog;
  readonly holds = HoldScope.open();
  readonly backend: DiskBackend;
  readonly chunks: ChunkStore;
  readonly sink: ChunkSink;
  readonly durability: Durability;
  readonly states: CatalogChunkStates;
  readonly clock = { now: () => ({ seconds: 1000 + this.random.below(3), nanoseconds: 0 }) };
  /** Scopes of jobs that have not ended, locks and pictures: what a dead process does not have any more. */
  readonly scopes = new Set<HoldScope>();
  readonly #locked = new Map<string, Digest>();
  readonly #pictures = new Set<() => void>();
  #sweeping = false;

  constructor(
    random: Random,
    turns: Turns,
    disk: Disk,
    from: Tables,
    { pool, excused }: Pick<World, 'pool' | 'excused'>,
  ) {
    this.random = random;
    this.turns = turns;
    this.disk = disk;
    this.pool = pool;
    this.excused = excused;
    this.catalog = new ModelCatalog(turns, from);
    this.journal = new ModelJournal(turns, from.appliedSequence);
    this.log = new ChangeLog(this.journal as never, { apply: (change) => this.catalog.open.apply(change as never) });
    this.backend = this.makeBackend();
    this.chunks = this.makeStore(this.backend, this.holds);
    this.sink = new ChunkSink(this.chunks, this.knowledge());
    this.durability = new Durability({
      ...{ log: this.log, journal: this.journal as never, chunks: this.synced(), sink: this.sink, clock: this.clock },
      gate: { pause: () => undefined, resume: () => undefined },
      transactions: {
        commitAndBegin: (sequence) => this.catalog.commitAndBegin(sequence),
        syncCommit: () => this.catalog.syncCommit(),
        oldestSegmentInUse: () => undefined,
      },
    });
    this.states = this.makeStates();
  }

  makeBackend(): DiskBackend {
    return new DiskBackend(this.disk, this.turns);
  }

  /** The store of one thread. */
  makeStore(backend: DiskBackend, holds: HoldScope): ChunkStore {
    return new ChunkStore(backend, 2, { atOnce: 8, guards: this.guards(holds) });
  }

  /** What keeps writers apart from collectors. */
  guards(holds: HoldScope): ChunkGuards {
    const real = processGuards(holds);
    return { ...real, ...this.#locks(real) };
  }

  sweepGuards(): SweepGuards {
    const { isHeld, tryLock, unlock } = this.guards(this.holds);
    const begin = () => {
      if (this.#sweeping) return false;
      this.#sweeping = beginSweep();
      return this.#sweeping;
    };
    return {
      isHeld,
      tryLock,
      unlock,
      begin,
      end: () => this.#endSweep(),
      betweenPictures: (work) => betweenPictures(work),
    };
  }

  /** What the catalog's thread knows of chunks. */
  knowledge(): SinkCatalog {
    return writersKnowledge(rowsOf(this.catalog), this.chunks);
  }

  /** What a job knows of chunks. @param picture what its picture shows */
  jobKnowledge(_picture: Tables, written: Digest[]): SinkCatalog {
    return {
      findPresent: (digest) => presentChunk(this.catalog.committed, digest),
      rewritten: async (digest) => void written.push(digest),
    };
  }

  /** What a barrier syncs besides the journal. */
  synced(): SyncedStore {
    return this.chunks;
  }

  makeStates(): CatalogChunkStates {
    const { chunks, durability, log } = this;
    return new CatalogChunkStates(
      { catalog: { chunks: rowsOf(this.catalog) }, chunks, durability, log },
      stateTurns(this),
    );
  }

  /** Says that a job is about to open its picture; what it gets ends that. */
  async openPicture(): Promise<() => void> {
    const end = await openPicture();
    const close = () => {
      this.#pictures.delete(close);
      end();
    };
    this.#pictures.add(close);
    if (this.turns.dead) close();
    return close;
  }

  /** The mark of a collector: digests (hex) that must stay. */
  async mark(open: (work: () => Tables) => Promise<Tables>): Promise<Set<string>> {
    const picture = await open(() => this.catalog.committed);
    await this.turns.point();
    return picture.named();
  }

  /** As `openLiveStore`, before it commits what the journal brought back. */
  async recover(): Promise<void> {
    await this.chunks.syncAll();
  }

  /** The process dies: whatever it had in tables of the process goes. */
  async die(): Promise<void> {
    this.turns.end();
    while (this.#locked.size + this.#pictures.size > 0) {
      for (const digest of [...this.#locked.values()]) this.#unlock(digest, processGuards(this.holds));
      for (const close of [...this.#pictures]) close();
      await settled();
    }
    this.#endSweep();
    for (const scope of [this.holds, ...this.scopes]) scope.end();
  }

  #endSweep(): void {
    if (this.#sweeping) endSweep();
    this.#sweeping = false;
  }

  /** The real locks, with a note of which are held. */
  #locks(real: ChunkGuards): Pick<ChunkGuards, 'lock' | 'tryLock' | 'unlock'> {
    const noted = (digest: Digest) => {
      this.#locked.set(digestHex(digest), digest);
      if (this.turns.dead) this.#unlock(digest, real);
    };
    return {
      lock: (digest) => {
        const wait = real.lock(digest);
        if (wait === undefined) noted(digest);
        return wait?.then(() => noted(digest));
      },
      tryLock: (digest) => {
        const locked = real.tryLock(digest);
        if (locked) noted(digest);
        return locked;
      },
      unlock: (digest) => this.#unlock(digest, real),
    };
  }

  #unlock(digest: Digest, real: ChunkGuards): void {
    if (!this.#locked.delete(digestHex(digest))) return;
    real.unlock(digest);
  }
}

/** The rows of a batch are written one by one, with whatever else goes on in between. */
export function stateTurns({ turns }: Pick<World, 'turns'>): StateTurns {
  return { rowsPerTurn: 1, turn: () => turns.point() };
}

/** The writer's rows of chunks, in the transaction that is open at the time. */
export function rowsOf(catalog: ModelCatalog) {
  return {
    find: (digest: Digest) => catalog.open.find(digest),
    setState: (digest: Digest, state: ChunkState) => catalog.open.setState(digest, state),
    setPresent: (digest: Digest) => catalog.open.setPresent(digest),
  };
}
