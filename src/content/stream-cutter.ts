import type { ChunkExtent } from '../catalog/extent.js';
import type { Cut, Cutter } from '../native/chunker.js';
import type { Draft } from '../native/draft.js';
import type { ChunkSink } from './chunk-sink.js';

/** Bytes that must be waiting before a scan is worth its hop to another thread. */
const SCAN_BYTES = 4 * 1024 * 1024;

/** What the cutter tells its file. */
export interface StreamOwner {
  /** Where the dirty bytes that start at `start` end for now. */
  dirtyEnd(start: number): number;
  /** The bytes of the extent are in a chunk now: record that and drop them from the draft. */
  stored(extent: ChunkExtent): void;
  /** Storing failed; the bytes stay in the draft. */
  failed(error: unknown): void;
  /** Nothing is being scanned or stored any more. */
  settled(): void;
}

/**
 * Cuts a file that is written from its start (or from a chunk's border) onwards into chunks while it streams in.
 * Bytes before `next` are cut; those from `next` on wait in the draft. What is being scanned or stored must not
 * change: `frozen` says so.
 */
export class StreamCutter {
  readonly #draft: Draft;
  readonly #sink: Pick<ChunkSink, 'store'>;
  readonly #cutter: Cutter;
  readonly #owner: StreamOwner;
  #next: number;
  #started = false;
  #scanEnd: number | undefined;
  #storing = new Set<{ start: number; end: number }>();
  /** Resolves when the chunk before the next one is recorded, or failed. Never rejects. */
  #told: Promise<void> = Promise.resolve();
  #work: Promise<void> = Promise.resolve();

  constructor(draft: Draft, sink: Pick<ChunkSink, 'store'>, cutter: Cutter, start: number, owner: StreamOwner) {
    this.#draft = draft;
    this.#sink = sink;
    this.#cutter = cutter;
    this.#owner = owner;
    this.#next = start;
  }

  /** Where the next chunk starts. */
  get next(): number {
    return this.#next;
  }

  /** Whether any chunk has been cut. */
  get started(): boolean {
    return this.#started;
  }

  get busy(): boolean {
    return this.#scanEnd !== undefined || this.#storing.size > 0;
  }

  /** Whether any byte of [start, end) is being scanned or stored now. */
  frozen(start: number, end: number): boolean {
    if (this.#scanEnd !== undefined && start < this.#scanEnd && this.#next < end) return true;
    for (const range of this.#storing) if (start < range.end && range.start < end) return true;
    return false;
  }

  /** Resolves when nothing is being scanned or stored. Failures went to the owner. */
  async idle(): Promise<void> {
    while (this.busy) await this.#work;
  }

  /** Starts a scan if enough has come in. */
  advance(): void {
    if (this.#scanEnd !== undefined) return;
    const end = this.#owner.dirtyEnd(this.#next);
    if (end - this.#next >= SCAN_BYTES) this.#begin(this.#scan(end, false));
  }

  /** Cuts all that is left, [next, end), the last chunk ending at `end`, and resolves when all is stored. */
  async finish(end: number): Promise<void> {
    while (this.busy) await this.#work;
    if (this.#next < end) this.#begin(this.#scan(end, true));
    await this.idle();
  }

  #begin(work: Promise<void>): void {
    this.#work = Promise.all([this.#work, work]).then(() => undefined);
  }

  async #scan(end: number, final: boolean): Promise<void> {
    this.#scanEnd = end;
    let cuts: Cut[] = [];
    try {
      cuts = await this.#draft.cut(this.#next, end, this.#cutter, final);
    } catch (error) {
      this.#owner.failed(error);
    } finally {
      this.#scanEnd = undefined;
    }
    this.#started ||= cuts.length > 0;
    for (const cut of cuts) {
      const start = this.#next;
      this.#next += cut.length;
      this.#begin(this.#store(start, this.#next, cut));
    }
    if (!final && cuts.length > 0) this.advance();
    if (!this.busy) this.#owner.settled();
  }

  /**
   * Chunks are stored side by side but recorded in the file's order: a daemon that is killed in between must not leave a
   * file that has grown past bytes that are nowhere.
   */
  async #store(start: number, end: number, cut: Cut): Promise<void> {
    const range = { start, end };
    this.#storing.add(range);
    const before = this.#told;
    let told = (): void => undefined;
    this.#told = new Promise((resolve) => {
      told = resolve;
    });
    try {
      const extent = await this.#sink.store(this.#draft, start, end, cut.digest);
      await before;
      this.#storing.delete(range);
      this.#owner.stored(extent);
    } catch (error) {
      this.#storing.delete(range);
      this.#owner.failed(error);
    }
    told();
    if (!this.busy) this.#owner.settled();
  }
}
