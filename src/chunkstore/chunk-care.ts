import type { Backend } from '../backend/backend.js';
import type { Digest } from '../core/digest.js';
import { kindOf } from '../core/errors.js';
import { ChunkError } from './chunk-error.js';
import type { ChunkStore } from './chunk-store.js';
import { chunkName, type PrefixDigits } from './layout.js';
import { setAside } from './set-aside.js';
import { usingBlob, verifiedPlain } from './verified-blob.js';

/** What a chunk's file was found to be. Lengths in bytes. */
export type ChunkCondition =
  /** Its CRC32, encoding and SHA-256 are right. */
  | { readonly kind: 'whole'; readonly length: number; readonly storedLength: number }
  /** Only whoever has the key can tell more than that the file is there. */
  | { readonly kind: 'encrypted'; readonly storedLength: number }
  | { readonly kind: 'corrupt' }
  /** The file is there, the system cannot read it. */
  | { readonly kind: 'unreadable' }
  /** There is no such file: proven, not guessed. */
  | { readonly kind: 'absent' };

/** Looks after stored chunks: says what became of them, and puts bad ones out of the way. All methods may run at once. */
export class ChunkCare {
  readonly #backend: Backend;
  readonly #prefixDigits: PrefixDigits;
  readonly #chunks: Pick<ChunkStore, 'read'>;

  constructor(backend: Backend, prefixDigits: PrefixDigits, chunks: Pick<ChunkStore, 'read'>) {
    this.#backend = backend;
    this.#prefixDigits = prefixDigits;
    this.#chunks = chunks;
  }

  /**
   * Reads a chunk past every cache and checks all that its name promises; decoding and hashing are done on pool threads.
   * @throws {CairnError} where the store as a whole cannot be asked
   */
  async examine(digest: Digest): Promise<ChunkCondition> {
    try {
      return await usingBlob(this.#backend, chunkName(digest, this.#prefixDigits), (blob) => judged(digest, blob));
    } catch (error) {
      if (error instanceof ChunkError) return { kind: 'corrupt' };
      if (kindOf(error) === 'not-found') return { kind: 'absent' };
      if (kindOf(error) === 'io') return { kind: 'unreadable' };
      throw error;
    }
  }

  /**
   * Sets a chunk aside that seemed bad, if it still does (`setAside`); one whose file cannot be read stays where it is.
   * @param note makes durable that nobody may use the chunk as it is; false: it was collected, nothing misses it
   * @returns what it was found to be; `sound`: there is nothing to complain of
   */
  async condemn(digest: Digest, note: () => Promise<boolean>): Promise<'corrupt' | 'unreadable' | 'absent' | 'sound'> {
    let missed = true;
    const states = {
      forget: async () => {
        missed = await note();
      },
    };
    const parts = { backend: this.#backend, prefixDigits: this.#prefixDigits, chunks: this.#chunks, states };
    try {
      const { kind } = await setAside(parts, digest);
      if (!missed || kind === 'sound') return 'sound';
      return kind === 'aside' ? 'corrupt' : 'absent';
    } catch (error) {
      if (kindOf(error) !== 'io') throw error;
      return (await note()) ? 'unreadable' : 'sound';
    }
  }
}

/** @throws {ChunkError} where it is damaged */
async function judged(digest: Digest, blob: Buffer): Promise<ChunkCondition> {
  try {
    const plain = await verifiedPlain(digest, blob);
    return { kind: 'whole', length: plain.length, storedLength: blob.length };
  } catch (error) {
    if (kindOf(error) !== 'unsupported') throw error;
    return { kind: 'encrypted', storedLength: blob.length };
  }
}
