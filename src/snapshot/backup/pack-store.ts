import type { Digest } from '../../core/digest.js';
import { sha256 } from '../../native/hash.js';
import type { JobChunks } from '../create/job-chunks.js';
import type { PackedPieces } from './backup-protocol.js';

/** A content in a pack: `length` bytes from `at` on. */
export interface PackMember {
  readonly content: Digest;
  readonly at: number;
  readonly length: number;
}

/** Stores packs, and keeps where their contents lie. */
export class PackStore {
  readonly #chunks: Pick<JobChunks, 'store'>;
  readonly #contents: Uint8Array[] = [];
  readonly #packs: Digest[] = [];
  readonly #places: number[] = [];

  constructor(chunks: Pick<JobChunks, 'store'>) {
    this.#chunks = chunks;
  }

  /** Stores a pack; its bytes are left alone until it resolves. @returns its digest */
  async store(pack: Uint8Array, members: readonly PackMember[]): Promise<Digest> {
    const digest = await sha256(pack);
    const stored = await this.#chunks.store(digest, pack);
    for (const { content, at, length } of members) {
      this.#contents.push(content);
      this.#packs.push(digest);
      this.#places.push(at, length, pack.length, stored);
    }
    return digest;
  }

  pieces(): PackedPieces {
    return {
      contents: Buffer.concat(this.#contents),
      chunks: Buffer.concat(this.#packs),
      places: Float64Array.from(this.#places),
    };
  }
}
