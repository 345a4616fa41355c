import pLimit from 'p-limit';
import type { PayloadExtent } from '../../archive/payload.js';
import { chunkerFor, cutterFor } from '../../chunk/chunker-choice.js';
import { CairnError } from '../../core/errors.js';
import { type Cutter, scanChunks } from '../../native/chunker.js';
import { isSameStatus, type SourceFile } from '../../native/source.js';
import type { JobChunks } from '../create/job-chunks.js';
import { holesOf } from '../create/tree-figures.js';
import type { FileContent } from '../create/tree-source.js';
import { type BackupRecord, tellUnreadable } from './backup-record.js';
import { BufferPool } from './buffer-pool.js';
import { dataSegments } from './data-segments.js';
import type { WantedSource } from './source-file.js';

const MIB = 1024 * 1024;
/** Bytes read and cut in one go. */
const WINDOW_BYTES = 8 * MIB;
/** Room before them for the beginning of a chunk the last window ended in: no chunk is longer. */
const REST_BYTES = 4 * MIB;
/** Windows in memory. */
const WINDOWS = 5;
const FILES_AT_ONCE = 4;

/** What was read of a file in one go: `bytes` bytes of it from `at` on, in `window` behind room for a rest. */
interface FileWindow {
  readonly window: Buffer;
  readonly at: number;
  readonly bytes: number;
  /** Whether the file, or what is wanted of it, ends there. */
  readonly isLast: boolean;
}

/** Reads and cuts large files, several at once, while their chunks are stored. */
export class LargeFiles {
  readonly #chunks: Pick<JobChunks, 'store'>;
  readonly #record: BackupRecord;
  readonly #signal: AbortSignal;
  readonly #windows = new BufferPool(REST_BYTES + WINDOW_BYTES, WINDOWS);
  readonly #atOnce = pLimit(FILES_AT_ONCE);

  constructor(chunks: Pick<JobChunks, 'store'>, record: BackupRecord, signal: AbortSignal) {
    this.#chunks = chunks;
    this.#record = record;
    this.#signal = signal;
  }

  /** Where the file's bytes are, once they are stored; undefined where they cannot be read. */
  read(wanted: WantedSource): Promise<FileContent | undefined> {
    wanted.folder.retain();
    return this.#atOnce(() => this.#read(wanted)).finally(() => wanted.folder.release());
  }

  async #read({ folder, name, node }: WantedSource): Promise<FileContent | undefined> {
    let file: SourceFile | undefined;
    try {
      file = await folder.folder.openFile(name);
      const cutter = cutterFor(chunkerFor(name));
      const { extents, end } = await this.#cutFile(file, cutter);
      const status = file.status();
      const isSame = isSameStatus(status, file.opened);
      if (!isSame) this.#record.problem('changed', folder.pathOf(name), 'changed while it was read');
      node.wasRead(status, end, isSame && !file.fresh);
      return { kind: 'large', extents, holes: holesOf(end, extents) };
    } catch (error) {
      tellUnreadable(this.#record, folder.pathOf(name), error);
      return undefined;
    } finally {
      file?.close();
    }
  }

  /** @returns its extents, and how many bytes it has: it may have become shorter */
  async #cutFile(file: SourceFile, cutter: Cutter): Promise<{ extents: PayloadExtent[]; end: number }> {
    const { size } = file.opened;
    const extents: PayloadExtent[] = [];
    const storing = new Set<Promise<unknown>>();
    try {
      for await (const segment of dataSegments(file, size, cutter)) {
        const end = await this.#cutSegment(file, segment.start, segment.end, cutter, extents, storing);
        if (end < segment.end) {
          await Promise.all(storing);
          return { extents, end };
        }
      }
      await Promise.all(storing);
      return { extents, end: size };
    } finally {
      await Promise.allSettled(storing);
    }
  }

  /** Cuts [start, end) of the file, the last chunk ending there. @returns where the file ends, if sooner */
  async #cutSegment(
    file: SourceFile,
    start: number,
    end: number,
    cutter: Cutter,
    extents: PayloadExtent[],
    storing: Set<Promise<unknown>>,
  ): Promise<number> {
    let rest: Buffer = Buffer.alloc(0);
    for await (const { window, at, bytes, isLast } of this.#windowsOf(file, start, end)) {
      const chunks: Promise<unknown>[] = [];
      try {
        const from = REST_BYTES - rest.length;
        rest.copy(window, from);
        let offset = at - rest.length;
        const data = window.subarray(from, REST_BYTES + bytes);
        let used = 0;
        for (const { length, digest } of await scanChunks(data, cutter, isLast)) {
          extents.push({ offset, length, digest, chunkLength: length, at: 0 });
          chunks.push(this.#chunks.store(digest, data.subarray(used, used + length)));
          offset += length;
          used += length;
        }
        rest = Buffer.from(data.subarray(used));
      } finally {
        track(storing, Promise.all(chunks));
        track(
          storing,
          Promise.allSettled(chunks).then(() => this.#windows.give(window)),
        );
      }
      this.#record.figures.readBytes += bytes;
      if (isLast) return at + bytes;
    }
    return end;
  }

  /** The bytes [start, end) of the file, each window read while the one before is cut. Who gets one gives it back. */
  async *#windowsOf(file: SourceFile, start: number, end: number): AsyncGenerator<FileWindow> {
    let next: Promise<FileWindow> | undefined = this.#window(file, start, end);
    try {
      while (next !== undefined) {
        const read: FileWindow = await next;
        next = read.isLast ? undefined : this.#window(file, read.at + read.bytes, end);
        // It may fail while nobody waits for it.
        next?.catch(() => undefined);
        yield read;
      }
    } finally {
      // The file is closed next, and others may be waiting for a window.
      const unused = await next?.catch(() => undefined);
      if (unused !== undefined) this.#windows.give(unused.window);
    }
  }

  async #window(file: SourceFile, at: number, end: number): Promise<FileWindow> {
    const window = await this.#windows.take();
    try {
      if (this.#signal.aborted) throw new CairnError('interrupted', 'The backup was given up');
      const wanted = Math.min(WINDOW_BYTES, end - at);
      const bytes = await file.readInto(at, window.subarray(REST_BYTES, REST_BYTES + wanted));
      return { window, at, bytes, isLast: at + wanted === end || bytes < wanted };
    } catch (error) {
      this.#windows.give(window);
      throw error;
    }
  }
}

/** Keeps the promise until it settles; a failure stays. */
function track(all: Set<Promise<unknown>>, promise: Promise<unknown>): void {
  all.add(promise);
  promise.then(
    () => all.delete(promise),
    () => undefined,
  );
}
