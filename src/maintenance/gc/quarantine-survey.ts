import type { CatalogReader } from '../../catalog/open-reader.js';
import { MAX_BATCH } from '../../chunkstore/batches.js';
import type { Quarantine, QuarantinedChunk, WeighedChunk } from '../../chunkstore/quarantine.js';
import { add, nothing, type QuarantineLeft } from './plan.js';
import type { Roots } from './roots.js';

/** What the survey works on. */
export interface QuarantineSources {
  readonly quarantine: Pick<Quarantine, 'list' | 'weigh'>;
  readonly reader: Pick<CatalogReader, 'chunks'>;
  readonly roots: Pick<Roots, 'names'>;
  /** What is not younger has been there for long enough, seconds since 1970. */
  readonly before: number;
  goOn(): void;
}

/** What becomes of the chunks in quarantine: most stay, some expire, and what something names again comes back. */
export class QuarantineSurvey {
  readonly expired = nothing();
  readonly stays = nothing();
  /** Named, and nowhere else. */
  readonly returned: WeighedChunk[] = [];
  /** None that stays is older, seconds since 1970. */
  #oldest = Number.POSITIVE_INFINITY;
  readonly #sources: QuarantineSources;

  constructor(sources: QuarantineSources) {
    this.#sources = sources;
  }

  /** Looks through the quarantine. @throws {CairnError} where it cannot be listed */
  async look(): Promise<void> {
    for await (const batch of this.#batches(() => true)) {
      for (const chunk of batch) {
        if (this.#isMissed(chunk)) this.returned.push(chunk);
        else if (this.#isDue(chunk)) add(this.expired, chunk.bytes);
        else this.#stay(chunk.since, 1, chunk.bytes);
      }
    }
  }

  /**
   * Takes over what is known of it instead of looking, where that says that nothing is due.
   * @returns whether it did
   */
  believe(left: QuarantineLeft | null): boolean {
    if (left === null || left.since <= this.#sources.before) return false;
    this.#stay(left.since, left.chunks, left.bytes);
    return true;
  }

  /** Those that expired, listed once more so that not all have to be remembered. */
  async *due(): AsyncGenerator<readonly WeighedChunk[]> {
    if (this.expired.chunks === 0) return;
    yield* this.#batches((chunk) => this.#isDue(chunk) && !this.#isMissed(chunk));
  }

  /**
   * What is there after the collection.
   * @param since of what was taken into it, `chunks` of `bytes`
   */
  leftWith(since: number, chunks: number, bytes: number): QuarantineLeft {
    const oldest = chunks > 0 ? Math.min(this.#oldest, since) : this.#oldest;
    // With nothing in it, what comes in later will be younger than now.
    const known = Number.isFinite(oldest) ? oldest : since;
    return { since: known, chunks: this.stays.chunks + chunks, bytes: this.stays.bytes + bytes };
  }

  #stay(since: number, chunks: number, bytes: number): void {
    this.#oldest = Math.min(this.#oldest, since);
    this.stays.chunks += chunks;
    this.stays.bytes += bytes;
  }

  #isDue({ since }: QuarantinedChunk): boolean {
    return since <= this.#sources.before;
  }

  /** Whether something needs the chunk and it was not stored anew. */
  #isMissed({ digest }: QuarantinedChunk): boolean {
    const { roots, reader } = this.#sources;
    return roots.names(digest) && reader.chunks.find(digest)?.state !== 'present';
  }

  async *#batches(wanted: (chunk: QuarantinedChunk) => boolean): AsyncGenerator<readonly WeighedChunk[]> {
    let batch: QuarantinedChunk[] = [];
    for await (const chunk of this.#sources.quarantine.list()) {
      if (!wanted(chunk)) continue;
      batch.push(chunk);
      if (batch.length < MAX_BATCH) continue;
      yield await this.#weighed(batch);
      batch = [];
    }
    if (batch.length > 0) yield await this.#weighed(batch);
  }

  /** While a chunk is nowhere else, the catalog knows how long its file is. */
  async #weighed(chunks: readonly QuarantinedChunk[]): Promise<WeighedChunk[]> {
    this.#sources.goOn();
    const weighed: WeighedChunk[] = [];
    const unknown: QuarantinedChunk[] = [];
    for (const chunk of chunks) {
      const known = this.#sources.reader.chunks.find(chunk.digest);
      if (known?.state === 'quarantined' && known.stored > 0) weighed.push({ ...chunk, bytes: known.stored });
      else unknown.push(chunk);
    }
    return unknown.length === 0 ? weighed : [...weighed, ...(await this.#sources.quarantine.weigh(unknown))];
  }
}
