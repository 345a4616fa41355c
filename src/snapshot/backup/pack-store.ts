import type { PackPieces } from '../../catalog/pieces.js';
import type { Digest } from '../../core/digest.js';
import { sha256 } from '../../native/hash.js';
import type { JobChunks } from '../create/job-chunks.js';

/** A content in a pack: `length` bytes from `at` on. */
export interface PackMember {
  readonly content: Digest;
  readonly at: number;
  readonly length: number;
}

/** Stores packs, and keeps where their contents lie. */
export class PackStore {
  readonly #chunks: Pick<JobChunks, 'store'>;
  readonly #packs: PackPieces[] = [];

  constructor(chunks: Pick<JobChunks, 'store'>) {
    this.#chunks = chunks;
  }

  /** What the contents of the packs stored are found by. */
  get packs(): readonly PackPieces[] {
    return this.#packs;
  }

  /** Stores a pack; its bytes are left alone until it resolves. @returns its digest */
  async store(pack: Uint8Array, members: readonly PackMember[]): Promise<Digest> {
    const digest = await sha256(pack);
    const storedLength = await this.#chunks.store(digest, pack);
    this.#packs.push({
      ...{ digest, chunkLength: pack.length, storedLength },
      contents: Buffer.concat(members.map(({ content }) => content)),
      places: Float64Array.from(members.flatMap(({ at, length }) => [at, length])),
    });
    return digest;
  }
}
