import type { Change } from '../../catalog/change.js';
import { CairnError, fromSystemError } from '../../core/errors.js';
import { fileSystemFigures, listFolder, removeFile, syncFolder } from '../../native/files.js';
import { type JournalBody, JournalFile } from '../../native/journal-file.js';
import { ByteWriter } from './byte-writer.js';
import { placed, type RecordContent, writeRecord } from './record.js';
import { SEGMENT_BYTES, segmentName, segmentOfName } from './segment.js';

/** Segments for which there must be room before one is set aside as a whole. */
const AMPLE_SEGMENTS = 4;

/**
 * The numbered segments of `.cairn/journal/` and the record appended last (design §3). Appending is synchronous
 * and reaches the page cache: it survives the daemon's death. `sync` makes it survive a power cut.
 * One thread uses it.
 */
export class Journal {
  readonly #folder: string;
  readonly #open = new Map<number, JournalFile>();
  readonly #writer = new ByteWriter();
  readonly #unsynced = new Set<number>();
  #current: number;
  /** Whether the current segment is one this process made: one found at opening is never appended to. */
  #started = false;
  #last: number;
  #folderChanged = false;
  #closed = false;
  #availableBytes = 0;
  #appended = 0;

  private constructor(folder: string, existing: readonly number[], lastSequence: number) {
    this.#folder = folder;
    for (const segment of existing) this.#open.set(segment, this.#openSegment(segment, false));
    this.#current = existing.at(-1) ?? 0;
    this.#last = lastSequence;
  }

  /**
   * Opens the segments that are there for reading; the next record starts a new one.
   * @param lastSequence that of the last record that counts (replay says)
   */
  static async open(folder: string, lastSequence: number): Promise<Journal> {
    const journal = new Journal(folder, await listSegments(folder), lastSequence);
    const figures = await fileSystemFigures(folder).catch(() => undefined);
    journal.roomIs(figures?.availableBytes ?? 0);
    return journal;
  }

  /** Sequence of the record appended last. */
  get lastSequence(): number {
    return this.#last;
  }

  /** The segment records are appended to now; 0 before the first. */
  get currentSegment(): number {
    return this.#current;
  }

  /** Bytes appended since it was opened. */
  get appendedBytes(): number {
    return this.#appended;
  }

  /** Bytes in all segments. */
  get bytes(): number {
    let sum = 0;
    for (const file of this.#open.values()) sum += file.size;
    return sum;
  }

  /**
   * Appends one change with the bodies its unplaced journal extents speak of, and returns it with those placed.
   * @throws {CairnError} `no-space`, `io` …: then nothing was appended
   */
  append(change: Change, bodies: readonly JournalBody[], bodyBytes: number): Change {
    const { segment, bodiesAt } = this.#write({ type: 'change', change }, bodies, bodyBytes);
    return placed(change, segment, bodiesAt);
  }

  /** Notes that everything up to `upTo` is durable, so that replay need not verify it. */
  appendBarrier(upTo: number): void {
    this.#write({ type: 'barrier', upTo }, [], 0);
  }

  /**
   * To be told now and then how many bytes the disk can still take: on one that is nearly full a segment that is set aside
   * as a whole would take the room that SQLite needs for its commits. (Not asked for by `sync`: a writer waits there.)
   */
  roomIs(availableBytes: number): void {
    this.#availableBytes = availableBytes;
  }

  /** Bytes the disk can still take, as it was told last. */
  get availableBytes(): number {
    return this.#availableBytes;
  }

  /** Makes every record appended before the call durable. */
  async sync(): Promise<void> {
    const segments = [...this.#unsynced];
    const folderChanged = this.#folderChanged;
    this.#unsynced.clear();
    this.#folderChanged = false;
    try {
      await Promise.all(segments.map((segment) => this.#open.get(segment)?.sync()));
      if (folderChanged) await syncFolder(this.#folder);
    } catch (error) {
      throw fromSystemError(error, `sync the journal in ${this.#folder}`);
    }
  }

  /** An open descriptor of the segment, for reading bodies; it lasts until `remove` or `close`. */
  descriptor(segment: number): number {
    return this.#require(segment).descriptor;
  }

  /** At most `length` bytes from the start of a segment; blocks. @throws {CairnError} `io` … */
  readNow(segment: number, length = Number.POSITIVE_INFINITY): Buffer {
    try {
      return this.#require(segment).readNow(0, length);
    } catch (error) {
      throw fromSystemError(error, `read the journal in ${this.#folder}`);
    }
  }

  /** All segments, oldest first. */
  segments(): number[] {
    return [...this.#open.keys()].sort(byNumber);
  }

  /** Segments that no record is appended to any more, oldest first. */
  closedSegments(): number[] {
    return this.segments().filter((segment) => !this.#started || segment !== this.#current);
  }

  /** Removes a segment nothing points into. */
  async remove(segment: number): Promise<void> {
    const file = this.#open.get(segment);
    this.#open.delete(segment);
    this.#unsynced.delete(segment);
    file?.close();
    await removeFile(`${this.#folder}/${segmentName(segment)}`);
  }

  /** Nothing can be appended any more: what is still under way must not start a segment for a later process to find. */
  close(): void {
    this.#closed = true;
    for (const file of this.#open.values()) file.close();
    this.#open.clear();
  }

  #require(segment: number): JournalFile {
    const file = this.#open.get(segment);
    if (file === undefined) throw new CairnError('corrupt', `Journal segment ${segment} is gone from ${this.#folder}`);
    return file;
  }

  #write(
    content: RecordContent,
    bodies: readonly JournalBody[],
    bodyBytes: number,
  ): { segment: number; bodiesAt: number } {
    if (this.#closed) throw new CairnError('io', `The journal in ${this.#folder} is closed`);
    writeRecord(this.#writer, this.#last + 1, bodyBytes, content);
    const header = this.#writer.view();
    try {
      const file = this.#fileFor(header.length + bodyBytes);
      const recordAt = file.append(header, bodies);
      this.#last += 1;
      this.#appended += header.length + bodyBytes;
      this.#unsynced.add(this.#current);
      return { segment: this.#current, bodiesAt: recordAt + header.length };
    } catch (error) {
      throw fromSystemError(error, `append to the journal in ${this.#folder}`);
    }
  }

  #fileFor(bytes: number): JournalFile {
    const file = this.#started ? this.#open.get(this.#current) : undefined;
    if (file !== undefined && file.size + bytes <= SEGMENT_BYTES) return file;
    const segment = this.#current + 1;
    const next = this.#openSegment(segment, true);
    this.#open.set(segment, next);
    this.#current = segment;
    this.#started = true;
    this.#folderChanged = true;
    return next;
  }

  #openSegment(segment: number, create: boolean): JournalFile {
    const path = `${this.#folder}/${segmentName(segment)}`;
    const isAmple = this.#availableBytes >= AMPLE_SEGMENTS * SEGMENT_BYTES;
    return JournalFile.open(path, { create, preallocateBytes: create && isAmple ? SEGMENT_BYTES : 0 });
  }
}

/** Numbers of the segments in the folder, oldest first. */
export async function listSegments(folder: string): Promise<number[]> {
  const names = await listFolder(folder);
  return names
    .map((entry) => segmentOfName(entry.name.toString('latin1')))
    .filter((segment) => segment !== undefined)
    .sort(byNumber);
}

function byNumber(a: number, b: number): number {
  return a - b;
}
