import { type Digest, digestHex } from '../../core/digest.js';
import type { JobChunks } from '../create/job-chunks.js';
import type { FileContent } from '../create/tree-source.js';

/** Proofs remembered: neighbours share their packs. */
const REMEMBERED = 8192;

/** Chunks of earlier snapshots that are to be used again: held, touched and proved present once. */
export class KnownChunks {
  readonly #chunks: Pick<JobChunks, 'usePresent'>;
  readonly #proofs = new Map<string, boolean | Promise<boolean>>();

  constructor(chunks: Pick<JobChunks, 'usePresent'>) {
    this.#chunks = chunks;
  }

  /** Whether the chunk is there, with this plain length; held from now on if so. */
  isPresent(digest: Digest, length: number): boolean | Promise<boolean> {
    const key = digestHex(digest);
    const known = this.#proofs.get(key);
    if (known !== undefined) return known;
    if (this.#proofs.size >= REMEMBERED) this.#proofs.clear();
    const proof = this.#chunks.usePresent(digest, length).then((stored) => {
      if (this.#proofs.has(key)) this.#proofs.set(key, stored !== undefined);
      return stored !== undefined;
    });
    this.#proofs.set(key, proof);
    return proof;
  }

  /** Whether all chunks of the content are there. */
  hasAll(content: FileContent): boolean | Promise<boolean> {
    if (content.kind === 'packed') return this.isPresent(content.digest, content.chunkLength);
    const proofs = content.extents.map(({ digest, chunkLength }) => this.isPresent(digest, chunkLength));
    if (!proofs.some((proof) => proof instanceof Promise)) return !proofs.includes(false);
    return Promise.all(proofs).then((all) => !all.includes(false));
  }
}
