import pLimit from 'p-limit';
import { ChunkSet } from '../../catalog/chunk-set.js';
import type { CatalogReader } from '../../catalog/open-reader.js';
import type { Digest } from '../../core/digest.js';
import { heldChunks, isHeld } from '../../native/holds.js';
import type { ChunkFiles, Leftover } from './chunk-files.js';
import { type ChunkFile, chunkFilesAmong } from './chunk-listing.js';
import { type Amount, add, nothing } from './plan.js';
import type { Problems } from './problems.js';
import type { Roots } from './roots.js';
import type { SweptChunk } from './sweeper.js';

const FOLDERS_AT_ONCE = 2;
const FOREIGN_SHOWN = 20;

/** What the survey works on. */
export interface SurveySources {
  readonly reader: CatalogReader;
  readonly roots: Roots;
  readonly problems: Problems;
  /** Length in bytes of a chunk's file, or undefined where there is none. */
  chunkBytes(digest: Digest): Promise<number | undefined>;
  readonly files: ChunkFiles;
  /** What was being written before this moment (seconds since 1970) is not any more. */
  readonly abandonedBefore: number;
  goOn(): void;
}

/** What nobody needs. */
export class Survey {
  /** Known chunks nothing names. */
  readonly candidates: ChunkSet;
  /** Whether something names known chunks that are not present. */
  readonly missesSome: boolean;
  /** Chunk files that are not known to be there, and that nothing names. */
  readonly strays: SweptChunk[] = [];
  /** Files to delete. */
  readonly leftovers: Leftover[] = [];
  readonly unreferenced = nothing();
  readonly stray = nothing();
  readonly bad = nothing();
  readonly unfinished = nothing();
  readonly foreign: { files: number; names: string[] } = { files: 0, names: [] };
  readonly #sources: SurveySources;

  constructor(sources: SurveySources) {
    this.#sources = sources;
    const { reader, roots } = sources;
    this.candidates = reader.collection.present();
    const present = this.candidates.size;
    this.candidates.removeAll(roots.marked);
    this.missesSome = present - this.candidates.size < roots.marked.size;
    const held = new ChunkSet();
    reader.sets.addKnown(held, heldChunks());
    this.candidates.removeAll(held);
    held.dispose();
  }

  /** Adds up the candidates' files. */
  async weigh(): Promise<void> {
    let steps = 0;
    for (const { digest, stored } of this.#sources.reader.collection.members(this.candidates)) {
      if (steps++ % 10_000 === 0) this.#sources.goOn();
      const bytes = stored > 0 ? stored : await this.#sources.chunkBytes(digest);
      // Only an index file ever named it, and there is no file: the sweep notes that.
      if (bytes !== undefined) add(this.unreferenced, bytes);
    }
  }

  /**
   * Looks through folders of chunks for files the catalog knows nothing of.
   * @param done told after each folder
   */
  async list(folders: readonly string[], done: () => void): Promise<void> {
    const limit = pLimit(FOLDERS_AT_ONCE);
    const list = async (folder: string): Promise<void> => {
      this.#sources.goOn();
      try {
        const names = await this.#sources.files.list(folder);
        for (const file of chunkFilesAmong(names, folder)) await this.#sort(file);
      } catch (error) {
        this.#sources.problems.take(error);
      }
      done();
    };
    const results = await Promise.allSettled(folders.map((folder) => limit(() => list(folder))));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #sort(file: ChunkFile): Promise<void> {
    switch (file.kind) {
      case 'chunk':
        return this.#sortChunk(file.digest, file.path);
      case 'bad':
        if (!this.#isMissed(file.digest)) await this.#leftover(file, this.bad, Number.POSITIVE_INFINITY);
        return;
      case 'unfinished':
        return this.#leftover(file, this.unfinished, this.#sources.abandonedBefore);
      case 'foreign':
        this.foreign.files += 1;
        if (this.foreign.names.length < FOREIGN_SHOWN) this.foreign.names.push(file.path);
    }
  }

  async #sortChunk(digest: Digest, path: string): Promise<void> {
    const { reader, roots, files } = this.#sources;
    if (reader.chunks.find(digest)?.state === 'present' || roots.names(digest) || isHeld(digest)) return;
    const bytes = await files.bytes(path);
    if (bytes === undefined) return;
    this.strays.push({ digest, bytes });
    add(this.stray, bytes);
  }

  /** Whether something needs the chunk whose corrupt file was set aside, and it was not stored anew. */
  #isMissed(digest: Digest): boolean {
    const { reader, roots } = this.#sources;
    return roots.names(digest) && reader.chunks.find(digest)?.state !== 'present';
  }

  async #leftover(
    { kind, path }: Pick<Leftover, 'kind' | 'path'>,
    amount: Amount,
    modifiedBefore: number,
  ): Promise<void> {
    const file = await this.#sources.files.lookAt(path);
    if (file === undefined || file.modifiedSeconds >= modifiedBefore) return;
    this.leftovers.push({ kind, path, bytes: file.bytes });
    add(amount, file.bytes);
  }
}
