import { setImmediate } from 'node:timers/promises';
import type { Inode } from '../../catalog/inode.js';
import type { Catalog } from '../../catalog/open.js';
import { PACKED_LIMIT_BYTES } from '../../chunk/limits.js';
import type { Digest } from '../../core/digest.js';
import { isOutOfRoom } from '../../core/errors.js';
import type { Log } from '../../core/log.js';
import type { ContentParts } from '../content-parts.js';
import type { ContentTable } from '../content-table.js';
import { type FindPiece, packFiles } from './pack-files.js';
import { recutFile } from './recut.js';

/** Journal bytes above which small files are packed whatever else goes on. */
const PRESSURE_BYTES = 128 * 1024 * 1024;
/**
 * Journal bytes above which large files are cut whatever else goes on. Each cut stores whole chunks for the few bytes that
 * were written into them, so these rest in the journal for as long as there is room.
 */
const LARGE_PRESSURE_BYTES = 1024 * 1024 * 1024;
/** On a disk that is short of room, the part of what is available that the journal may take before large files are cut. */
const JOURNAL_SHARE = 1 / 8;
/** A large file that has not changed for so long is cut. */
const REST_SECONDS = 5;
/** Small files are packed in batches of this many bytes and files at most: both are in memory at once. */
const BATCH_BYTES = 8 * 1024 * 1024;
const BATCH_FILES = 1000;

/** What a run does with large files. */
interface LargeFiles {
  /** Whether this one is cut now. */
  isDue(inode: Readonly<Inode>): boolean;
  /** Where given, only what lies in this segment of the journal or an older one is cut. */
  readonly upToSegment?: number;
}

const ALL_LARGE: LargeFiles = { isDue: () => true };

/** What the packer asks the catalog for. */
export type PackingWork = Pick<Catalog, 'journalRefs' | 'names' | 'pieces'>;

/**
 * Moves file bytes from the journal into chunks: small files into packs, stretches of large ones by cutting them
 * anew. Runs beside everything else; files that are being written are left for the next run.
 */
export class Packer {
  readonly #parts: ContentParts;
  readonly #table: ContentTable;
  readonly #work: PackingWork;
  readonly #log: Log;
  #running: Promise<void> | undefined;
  #lastSequence = -1;
  #stopped = false;

  constructor(parts: ContentParts, table: ContentTable, work: PackingWork, log: Log) {
    this.#parts = parts;
    this.#table = table;
    this.#work = work;
    this.#log = log;
  }

  /**
   * To be called a few times a second: packs small files when the journal has grown, or when nothing was changed since the
   * last call, and cuts large ones that have come to rest. Failures are logged: the bytes stay in the journal and a later
   * run tries again.
   */
  tick(): void {
    const sequence = this.#parts.log.lastSequence;
    const quiet = sequence === this.#lastSequence;
    this.#lastSequence = sequence;
    if (this.#stopped || this.#running !== undefined || this.#parts.log.failure !== undefined) return;
    if (!quiet && this.#parts.journal.bytes < PRESSURE_BYTES) return;
    if (this.#work.journalRefs.files(0, 1).length === 0) return;
    this.#start(this.#underPressure() ? this.#oldHalf() : { isDue: (inode) => this.#rests(inode) })
      .catch((error: unknown) => this.#log.warn({ error }, 'Packing stopped; it is tried again'))
      .finally(() => {
        this.#lastSequence = this.#parts.log.lastSequence;
      });
  }

  /** Packs all that can be packed now. One run at a time; a call during one comes after it. */
  async run(): Promise<void> {
    await this.idle();
    await this.#start(ALL_LARGE);
  }

  #start(large: LargeFiles): Promise<void> {
    this.#running = this.#run(large).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  #underPressure(): boolean {
    const { bytes, availableBytes } = this.#parts.journal;
    const limit = Math.min(LARGE_PRESSURE_BYTES, availableBytes * JOURNAL_SHARE);
    return bytes >= Math.max(PRESSURE_BYTES, limit);
  }

  /** What has rested longest keeps every segment since: the rest may go on resting when that is gone. */
  #oldHalf(): LargeFiles {
    const segments = this.#parts.journal.segments();
    return { ...ALL_LARGE, upToSegment: segments[segments.length >> 1] ?? 0 };
  }

  /** Whether a large file has not changed for a while; a clock that was set back proves nothing and costs one cut. */
  #rests(inode: Readonly<Inode>): boolean {
    if (this.#table.get(inode.ino)?.dirty === true) return false;
    const age = this.#parts.clock.now().seconds - inode.ctimeSec;
    return age < 0 || age >= REST_SECONDS;
  }

  /**
   * Packs files anew that are in packs already, into fuller ones; those that are being written are left out.
   * @param inos at most about 1,000 small files
   * @param avoid says which packs their content is not to be taken from
   * @returns how many were packed
   * @throws what the first file that could not be packed failed with, after trying all
   */
  async repack(inos: readonly number[], avoid: (pack: Digest) => boolean): Promise<number> {
    const errors: unknown[] = [];
    const inodes = this.#idle(inos).filter((inode) => isSmall(inode) && inode.size > 0);
    await this.#packSmall(inodes, errors, (content) => {
      const piece = this.#work.pieces.find(content);
      return piece === undefined || avoid(piece.digest) ? undefined : piece;
    });
    if (errors.length > 0) throw errors[0];
    return inodes.length;
  }

  /** Resolves when no run is under way. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => undefined);
  }

  /** Packs no more; resolves when the batch under way has ended. For the end of the store. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.idle();
  }

  async #run(large: LargeFiles): Promise<void> {
    const errors: unknown[] = [];
    for (let after = 0; ; ) {
      const listed = this.#work.journalRefs.files(after, BATCH_FILES);
      const last = listed.at(-1);
      if (last === undefined) break;
      after = last.ino;
      const inos = listed.map(({ ino }) => ino);
      await this.#packSmall(this.#idle(inos).filter(isSmall), errors, (content) => this.#work.pieces.find(content));
      for (const inode of this.#existing(inos)) {
        if (!isSmall(inode) && large.isDue(inode)) {
          await this.#attempt([inode], errors, () => this.#recut(inode, large.upToSegment));
        }
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  /** One unreadable file does not keep the others in the journal; what changed meanwhile may well have been unreadable. */
  async #attempt(inodes: readonly Readonly<Inode>[], errors: unknown[], work: () => Promise<void>): Promise<void> {
    try {
      await this.#parts.log.backgroundTurn();
      if (this.#stopped) return;
      await work();
    } catch (error) {
      const { inodes: now } = this.#parts.tree;
      if (inodes.some((inode) => now.find(inode.ino)?.version === inode.version)) errors.push(error);
      if (isOutOfRoom(error) || this.#parts.log.failure !== undefined) throw error;
    }
  }

  /** The files that are not being written, as they are now. */
  #idle(inos: readonly number[]): Readonly<Inode>[] {
    return this.#existing(inos.filter((ino) => this.#table.get(ino)?.dirty !== true));
  }

  #existing(inos: readonly number[]): Readonly<Inode>[] {
    return inos.map((ino) => this.#parts.tree.inodes.find(ino)).filter((inode) => inode !== undefined);
  }

  async #packSmall(inodes: readonly Readonly<Inode>[], errors: unknown[], findPiece: FindPiece): Promise<void> {
    const pack = (batch: readonly Readonly<Inode>[]) =>
      this.#attempt(batch, errors, () => packFiles(this.#parts, batch, findPiece));
    const sorted = inodes
      .map((inode) => ({ inode, path: Buffer.from(this.#work.names.pathOf(inode.ino) ?? '') }))
      .sort((a, b) => Buffer.compare(a.path, b.path));
    let batch: Readonly<Inode>[] = [];
    let bytes = 0;
    for (const { inode } of sorted) {
      batch.push(inode);
      bytes += inode.size;
      if (bytes < BATCH_BYTES) continue;
      await pack(batch);
      batch = [];
      bytes = 0;
    }
    if (batch.length > 0) await pack(batch);
  }

  /** Also while the file is written to: what that hits is cut once more, and then left for a later run. */
  async #recut({ ino }: Readonly<Inode>, upToSegment: number | undefined): Promise<void> {
    if (await this.#recutFrom(ino, upToSegment)) await this.#recutFrom(ino, upToSegment);
  }

  /** @returns whether anything was cut */
  async #recutFrom(ino: number, upToSegment: number | undefined): Promise<boolean> {
    for (let from = 0; ; ) {
      // What is streaming in is about to have chunks, and the catalog's size is behind the file's.
      if (this.#table.get(ino)?.isStreaming === true) return false;
      while (!this.#parts.tree.listCopies.prepare(ino)) await setImmediate();
      const inode = this.#parts.tree.inodes.find(ino);
      if (this.#stopped || inode === undefined || isSmall(inode)) return false;
      const next = await recutFile(this.#parts, inode, { from, upToSegment });
      await this.#parts.log.backgroundTurn();
      if (next === undefined) return from > 0;
      from = next;
    }
  }
}

function isSmall(inode: Readonly<Inode>): boolean {
  return inode.size < PACKED_LIMIT_BYTES;
}
