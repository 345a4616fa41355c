import { setImmediate } from 'node:timers/promises';
import type { ContentChange } from '../catalog/change.js';
import type { ChunkExtent, Extent } from '../catalog/extent.js';
import { CHUNKER_FIXED, type Inode } from '../catalog/inode.js';
import { cutterFor } from '../chunk/chunker-choice.js';
import { PACKED_LIMIT_BYTES } from '../chunk/limits.js';
import { CairnError } from '../core/errors.js';
import type { Timestamp } from '../core/time.js';
import type { Cutter } from '../native/chunker.js';
import { Draft } from '../native/draft.js';
import type { ContentOverlay } from './content-overlay.js';
import type { ContentParts } from './content-parts.js';
import { type Interruptible, unlessInterrupted } from './interruption.js';
import { storageOf } from './storage.js';
import { StreamCutter } from './stream-cutter.js';
import type { WriteBody } from './transfer.js';
import type { WriteErrors } from './write-errors.js';
import { isModifiedAt, timesAfterWrite } from './write-times.js';

/** Dirty bytes outside a stream go to the journal when a file has this many of them. */
const SPILL_BYTES = 1024 * 1024;
/** Bytes of one spilled record: bounds how long one append keeps the loop. */
const RECORD_BYTES = 1024 * 1024;
/** A stream that has this many dirty bytes and nothing to scan waits for a gap to be filled: it is given up. */
const STUCK_BYTES = 16 * 1024 * 1024;
/** Growth below this is left to the journal instead of making a chunk of its own. */
const SMALL_GROWTH_BYTES = PACKED_LIMIT_BYTES;

/**
 * The content of one regular file while it is open for writing or has dirty bytes: a draft over what the catalog
 * has. Bytes written from the start on are cut into chunks as they come (StreamCutter); a small file, and bytes
 * written here and there, go to the journal. One exists per inode; the mount worker uses it.
 *
 * Every piece that is stored is recorded at once, so the draft only ever holds what is in no chunk and no journal.
 */
export class OpenContent {
  readonly ino: number;
  readonly #parts: ContentParts;
  readonly #errors: WriteErrors;
  readonly #lost: () => void;
  readonly #draft = new Draft();
  #stream: StreamCutter | undefined;
  #size: number;
  #mtime: Timestamp | undefined;
  /** Storing failed, and what is left of the bytes is given up when nothing is being stored any more. */
  #failing = false;
  #disposed = false;
  /** The list of extents is the file's own, or is copied for it, so that no change copies a long one in one step. */
  #ownsExtents = false;
  #exclusive: Promise<void> = Promise.resolve();

  /** @param lost called when acknowledged bytes were given up */
  constructor(parts: ContentParts, errors: WriteErrors, inode: Readonly<Inode>, lost: () => void) {
    this.#parts = parts;
    this.#errors = errors;
    this.#lost = lost;
    this.ino = inode.ino;
    this.#size = inode.size;
  }

  get draft(): Draft {
    return this.#draft;
  }

  /** Whether the catalog lacks bytes, size or times that were written. */
  get dirty(): boolean {
    return this.#mtime !== undefined || this.#draft.dirtyBytes > 0 || this.#storing();
  }

  #storing(): boolean {
    return this.#stream?.busy === true;
  }

  get dirtyBytes(): number {
    return this.#draft.dirtyBytes;
  }

  /** Whether chunks are cut as the bytes come in. */
  get isStreaming(): boolean {
    return this.#stream !== undefined;
  }

  get size(): number {
    return this.#size;
  }

  overlay(): ContentOverlay {
    return { size: this.#size, mtime: this.#mtime, dirtyBytes: this.#draft.dirtyBytes };
  }

  /**
   * Takes the body's bytes: at once where there is room and nothing they overlap is being stored, else when that is so.
   * @param writer while it waits, an interruption ends the wait
   * @throws what storing earlier bytes failed with, until a handle has been told; `read-only`, `interrupted`: nothing is taken
   */
  write(offset: number, body: WriteBody, writer: Interruptible = {}): void | Promise<void> {
    this.#parts.log.requireWorking();
    this.#errors.refuseUntold(this.ino);
    const end = offset + body.length;
    const { budget, room } = this.#parts;
    if (!room.scarce && !budget.full && this.#stream?.frozen(offset, end) !== true && this.#prepareExtents()) {
      this.#take(offset, body);
      return;
    }
    body.keep();
    return this.#takeLater(offset, body, writer.interrupted);
  }

  async #takeLater(offset: number, body: WriteBody, interrupted?: AbortSignal): Promise<void> {
    try {
      for (;;) {
        this.#errors.refuseUntold(this.ino);
        if (this.#parts.room.scarce) await this.#parts.room.requireSoon();
        else if (this.#parts.budget.full) await unlessInterrupted(this.#parts.budget.room(interrupted), interrupted);
        else if (this.#stream?.frozen(offset, offset + body.length)) {
          await unlessInterrupted(this.#stream.idle(), interrupted);
        } else if (!this.#prepareExtents()) await unlessInterrupted(setImmediate(), interrupted);
        else break;
      }
    } catch (error) {
      body.discard();
      throw error;
    }
    this.#take(offset, body);
  }

  /** One step towards a list of extents of the file's own. @returns whether it is there */
  #prepareExtents(): boolean {
    this.#ownsExtents ||= this.#parts.tree.listCopies.prepare(this.ino);
    return this.#ownsExtents;
  }

  /** Another file uses the same list of extents now. */
  extentsShared(): void {
    this.#ownsExtents = false;
  }

  #take(offset: number, body: WriteBody): void {
    const end = offset + body.length;
    if (this.#stream === undefined && this.#mayStream(offset)) this.#openStream(offset);
    body.copyInto(this.#draft, offset);
    this.#size = Math.max(this.#size, end);
    this.#mtime = this.#parts.clock.now();
    if (this.#stream !== undefined && offset < this.#stream.next) this.#leaveStream();
    this.#stream?.advance();
    const stuck = this.#stream?.busy === false && this.#draft.dirtyBytes >= STUCK_BYTES;
    if (stuck) this.#stream = undefined;
    if (this.#stream === undefined && this.#draft.dirtyBytes >= SPILL_BYTES) this.#trySpill();
  }

  /** A new file, or growth of a large one: a chunk may start there, and nothing else is dirty. */
  #mayStream(offset: number): boolean {
    if (offset !== this.#size || this.#draft.dirtyBytes > 0) return false;
    if (offset === 0) return true;
    const cutter = this.#cutter();
    return !this.#small() && (cutter.kind !== 'fixed' || offset % cutter.chunkBytes === 0);
  }

  #cutter(): Cutter {
    return cutterFor(this.#inode().chunker === CHUNKER_FIXED ? 'fixed' : 'dynamic');
  }

  #openStream(start: number): void {
    this.#stream = new StreamCutter(this.#draft, this.#parts.sink, this.#cutter(), start, {
      dirtyEnd: (start) => this.#dirtyEnd(start),
      stored: (extent) => this.#stored(extent),
      failed: (error) => this.#failed(error),
      settled: () => this.#settled(),
    });
  }

  /** A write behind the place the stream has reached: from now on bytes go to the journal and are cut anew later. */
  #leaveStream(): void {
    if (!this.#storing()) this.#stream = undefined;
  }

  #dirtyEnd(start: number): number {
    if (this.#disposed) return start;
    const range = this.#draft.covered(start, start + 1)[0];
    if (range === undefined) return start;
    return this.#draft.covered(start, this.#size)[0]?.end ?? start;
  }

  #stored(extent: ChunkExtent): void {
    try {
      const end = extent.offset + extent.length;
      this.#parts.log.make(this.#change(extent.offset, end, [extent], end));
      this.#parts.sink.named(extent.digest);
      this.#draft.drop(extent.offset, end);
    } catch (error) {
      this.#parts.sink.release(extent.digest);
      this.#failed(error);
    }
    this.#parts.budget.shrunk();
  }

  /** The error waits to be told; the bytes do not: writers wait for the memory, and no one else would give it back. */
  #failed(error: unknown): void {
    this.#errors.add(this.ino, error);
    this.#failing = true;
    if (!this.#storing()) this.#giveUp();
  }

  #settled(): void {
    if (this.#failing) this.#giveUp();
    else this.#parts.budget.shrunk();
  }

  /** Brings the dirty bytes into the journal where that is possible at once; frees memory when it is short. */
  relieve(): void {
    if (this.#storing()) return;
    this.#stream = undefined;
    this.#trySpill();
  }

  /**
   * Brings all dirty bytes into the journal, for a picture. What is being cut stays in the draft as well: its chunks take
   * the place of the journal's pieces when they are stored.
   */
  capture(): void {
    this.#spill(this.#stream !== undefined);
  }

  #trySpill(): void {
    try {
      this.#spill(false);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Appends all dirty bytes to the journal. */
  #spill(keep: boolean): void {
    for (const range of this.#draft.ranges()) {
      for (let start = range.start; start < range.end; start += RECORD_BYTES) {
        const end = Math.min(start + RECORD_BYTES, range.end);
        const extent: Extent = { kind: 'journal', offset: start, length: end - start, segment: 0, at: 0 };
        const body = { draft: this.#draft, start, end };
        this.#parts.log.makeWithBodies(this.#change(start, end, [extent], end), [body], end - start);
        if (!keep) this.#draft.drop(start, end);
      }
    }
    this.#parts.budget.shrunk();
  }

  /**
   * When it resolves, all that was written before is in chunks or the journal and recorded, or given up: the file's errors
   * say so. Never throws.
   */
  flush(): void | Promise<void> {
    if (!this.dirty) return;
    if (!this.#storing() && this.#small()) {
      this.#finishFlush();
      return;
    }
    return this.#inTurn(() => this.#flushLater());
  }

  async #flushLater(): Promise<void> {
    while (this.#storing()) await this.#stream?.idle();
    const end = this.#endToFinish();
    if (end !== undefined) await this.#stream?.finish(end);
    // What is being cut now was written after the call, but it must be left alone.
    while (this.#storing()) await this.#stream?.idle();
    this.#finishFlush();
  }

  /** Where the dirty bytes end if they are one run that goes on from the stream's last cut and are worth chunks. */
  #endToFinish(): number | undefined {
    const stream = this.#stream;
    if (stream === undefined || this.#small()) return undefined;
    const end = this.#dirtyEnd(stream.next);
    const length = end - stream.next;
    if (this.#draft.dirtyBytes !== length) return undefined;
    return stream.started || length >= SMALL_GROWTH_BYTES ? end : undefined;
  }

  #small(): boolean {
    return this.#size < PACKED_LIMIT_BYTES;
  }

  /** Only while nothing is being stored. */
  #finishFlush(): void {
    this.#stream = undefined;
    try {
      this.#spill(false);
      this.#recordRest();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Size and times that no stored piece has brought along. */
  #recordRest(): void {
    const inode = this.#inode();
    const mtime = this.#mtime;
    if (inode.size < this.#size) this.#parts.log.make(this.#change(this.#size, this.#size, [], this.#size));
    else if (mtime !== undefined && !isModifiedAt(inode, mtime)) {
      this.#parts.log.make({ kind: 'attributes', ino: this.ino, fields: timesAfterWrite(inode, mtime) });
    }
    this.#mtime = undefined;
  }

  /** What is stored counts, what is not is lost, as after a failed close(2). Only while nothing is being stored. */
  #giveUp(): void {
    this.#failing = false;
    if (this.#disposed) return;
    this.#mtime = undefined;
    this.#stream = undefined;
    this.#draft.truncate(0);
    this.#size = this.#parts.tree.inodes.find(this.ino)?.size ?? 0;
    this.#parts.budget.shrunk();
    this.#lost();
  }

  /** Sets the size; bytes behind it are gone, growth is a hole. `at` becomes mtime and ctime. */
  truncate(size: number, at: Timestamp): void | Promise<void> {
    if (this.#storing() || !this.#parts.tree.listCopies.prepare(this.ino, size)) {
      return this.#inTurn(() => this.#truncateLater(size, at));
    }
    this.#truncateNow(size, at);
  }

  async #truncateLater(size: number, at: Timestamp): Promise<void> {
    const { listCopies } = this.#parts.tree;
    while (this.#storing() || !listCopies.prepare(this.ino, size)) {
      await (this.#storing() ? this.#stream?.idle() : setImmediate());
    }
    this.#truncateNow(size, at);
  }

  #truncateNow(size: number, at: Timestamp): void {
    const inode = this.#inode();
    const change = this.#change(Math.min(size, inode.size), Math.max(size, inode.size), [], size);
    this.#parts.log.make({ ...change, ...timesAfterWrite(inode, at), size, storage: storageOf(size) });
    this.#draft.truncate(size);
    this.#size = size;
    this.#mtime = undefined;
    if (size === 0 || (this.#stream !== undefined && size < this.#stream.next)) this.#stream = undefined;
    this.#parts.budget.shrunk();
  }

  /**
   * Makes a change of the content that does not come through the draft, when all that was written before is recorded and
   * nothing is being stored (or, as the file's errors say, it was given up). `make` runs in one step.
   */
  changeBeside<T>(make: () => T): Promise<T> {
    return this.#inTurn(async () => {
      while (this.dirty || !this.#prepareExtents()) await (this.dirty ? this.#flushLater() : setImmediate());
      const made = make();
      this.#stream = undefined;
      this.#size = this.#inode().size;
      return made;
    });
  }

  /** Runs whole operations on the file one after the other. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#exclusive.then(work);
    this.#exclusive = run.then(
      () => undefined,
      () => undefined,
    );
    return run;
  }

  /** utimens(2) came: the time of the writes before it no longer matters. */
  timesSet(): void {
    this.#mtime = undefined;
  }

  dispose(): void {
    this.#disposed = true;
    this.#draft.dispose();
    this.#parts.budget.shrunk();
  }

  #change(start: number, end: number, extents: readonly Extent[], reached: number): ContentChange {
    const inode = this.#inode();
    const size = Math.max(inode.size, reached);
    return {
      kind: 'content',
      ino: this.ino,
      start,
      end,
      extents,
      size,
      storage: storageOf(size),
      chunker: inode.chunker,
      ...timesAfterWrite(inode, this.#mtime),
    };
  }

  #inode(): Readonly<Inode> {
    const inode = this.#parts.tree.inodes.find(this.ino);
    if (inode === undefined) throw new CairnError('stale', `Inode ${this.ino} is gone`);
    return inode;
  }
}
