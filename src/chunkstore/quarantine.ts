import pLimit from 'p-limit';
import type { Backend } from '../backend/backend.js';
import type { Digest } from '../core/digest.js';
import { CairnError, kindOf } from '../core/errors.js';
import { FILES_PER_STEP, MAX_BATCH, slices } from './batches.js';
import type { ChunkStates } from './chunk-states.js';
import { type ChunkGuards, processGuards, withLock } from './guards.js';
import { chunkName, type PrefixDigits, parseQuarantineName, QUARANTINE_FOLDER, quarantineName } from './layout.js';
import { verifiedPlain } from './verified-blob.js';

/** A chunk that was removed and can still be brought back. A digest may be there several times. */
export interface QuarantinedChunk {
  readonly digest: Digest;
  /** When the sweep that took it began, seconds since 1970. */
  readonly since: number;
}

/** With the length of its blob. */
export interface WeighedChunk extends QuarantinedChunk {
  readonly bytes: number;
}

/** What `expire` did in one step. */
export interface Expiry {
  readonly chunks: number;
  readonly bytes: number;
}

/** Lengths asked for at a time. */
const LOOKS_AT_ONCE = 64;
/** Deletions under way at a time: the threads they take are missing to the mount's readers. */
const STEPS_AT_ONCE = 2;

/**
 * Chunks that sweeps have taken out of sight. For writers they do not exist: whoever needs one stores it anew. What
 * changes something works under the chunk's lock and may run beside everything else.
 */
export class Quarantine {
  readonly #backend: Backend;
  readonly #prefixDigits: PrefixDigits;
  readonly #states: ChunkStates;
  readonly #bytes: (name: string) => Promise<number | undefined>;
  readonly #guards: Pick<ChunkGuards, 'lock' | 'tryLock' | 'unlock'>;
  readonly #deletions = pLimit(STEPS_AT_ONCE);

  constructor(
    parts: {
      readonly backend: Backend;
      readonly prefixDigits: PrefixDigits;
      readonly states: ChunkStates;
      /** What is under a name, in bytes; default: as the backend tells the length of an object. */
      readonly bytes?: (name: string) => Promise<number | undefined>;
    },
    guards: Pick<ChunkGuards, 'lock' | 'tryLock' | 'unlock'> = processGuards(),
  ) {
    this.#backend = parts.backend;
    this.#prefixDigits = parts.prefixDigits;
    this.#states = parts.states;
    this.#bytes = parts.bytes ?? ((name) => parts.backend.size(name));
    this.#guards = guards;
  }

  /**
   * All quarantined chunks, in no order; what comes or goes meanwhile may be among them or not.
   * @throws {CairnError} where they cannot be listed: that is not taken for an empty quarantine
   */
  async *list(): AsyncGenerator<QuarantinedChunk> {
    for await (const name of this.#backend.list(QUARANTINE_FOLDER)) {
      const chunk = parseQuarantineName(name);
      if (chunk !== undefined) yield chunk;
    }
  }

  /** Looks at the files of chunks; those that have gone meanwhile are left out. @throws {CairnError} */
  async weigh(chunks: readonly QuarantinedChunk[]): Promise<WeighedChunk[]> {
    const limit = pLimit(LOOKS_AT_ONCE);
    const look = ({ digest, since }: QuarantinedChunk) => this.#bytes(quarantineName(digest, since));
    const sizes = await Promise.all(chunks.map((chunk) => limit(() => look(chunk))));
    return chunks.flatMap((chunk, index) => {
      const bytes = sizes[index];
      return bytes === undefined ? [] : [{ ...chunk, bytes }];
    });
  }

  /**
   * Brings a chunk back, verified, where nothing stands in its place.
   * @returns `restored`, or `present` where a sound chunk stood there already
   * @throws {ChunkError} where its bytes, or those that stand in its place, are not what the digest says; {CairnError}
   *   `not-found` where it is gone
   */
  undelete({ digest, since }: Pick<QuarantinedChunk, 'digest' | 'since'>): Promise<'restored' | 'present'> {
    const name = chunkName(digest, this.#prefixDigits);
    const aside = quarantineName(digest, since);
    return withLock(this.#guards, digest, async () => {
      const stands = (await this.#backend.size(name)) !== undefined;
      const blob = await this.#backend.get(stands ? name : aside);
      await requireSound(digest, blob);
      // Written anew, since nobody knows whether those bytes were ever synced: they may be what a dead job left.
      await this.#backend.put(name, blob);
      await this.#backend.sync();
      await this.#states.restore([digest]);
      if (!stands) await this.#backend.removeAll([aside]);
      return stands ? 'present' : 'restored';
    });
  }

  /**
   * Deletes the given chunks for good, at most `MAX_BATCH`; those somebody works on stay for the next time. Batches may overlap
   * unless they have a digest in common.
   * @throws {CairnError} some may be gone
   */
  async expire(chunks: readonly WeighedChunk[]): Promise<Expiry> {
    if (chunks.length > MAX_BATCH) throw new CairnError('invalid', `${chunks.length} chunks are too many at once`);
    const locked: Digest[] = [];
    try {
      const digests = new Map(chunks.map(({ digest }) => [Buffer.from(digest).toString('latin1'), digest]));
      for (const [key, digest] of digests) {
        if (this.#guards.tryLock(digest)) locked.push(digest);
        else digests.delete(key);
      }
      if (locked.length === 0) return { chunks: 0, bytes: 0 };
      const doomed = chunks.filter(({ digest }) => digests.has(Buffer.from(digest).toString('latin1')));
      await this.#states.expire(locked);
      const gone = await this.#delete(doomed.map(({ digest, since }) => quarantineName(digest, since)));
      const removed = doomed.filter((_, index) => gone[index]);
      return { chunks: removed.length, bytes: removed.reduce((sum, { bytes }) => sum + bytes, 0) };
    } finally {
      for (const digest of locked) this.#guards.unlock(digest);
    }
  }

  /** Nothing runs on when it settles: the chunks' locks end then. */
  async #delete(names: readonly string[]): Promise<boolean[]> {
    const steps = [...slices(names, FILES_PER_STEP)];
    const done = await Promise.allSettled(steps.map((step) => this.#deletions(() => this.#backend.removeAll(step))));
    return done.flatMap((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
  }
}

/** An encrypted chunk cannot be judged without its key; its frame was checked. @throws {ChunkError} */
async function requireSound(digest: Digest, blob: Buffer): Promise<void> {
  try {
    await verifiedPlain(digest, blob);
  } catch (error) {
    if (kindOf(error) !== 'unsupported') throw error;
  }
}
