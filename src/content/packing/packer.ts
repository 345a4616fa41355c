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

/** Journal bytes above which packing starts whatever else goes on. */
const PRESSURE_BYTES = 128 * 1024 * 1024;
/** Small files are packed in batches of this many bytes and files at most: both are in memory at once. */
const BATCH_BYTES = 8 * 1024 * 1024;
const BATCH_FILES = 1000;

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
   * To be called every second or so: packs when the journal has grown large, or when nothing was changed since the
   * last call. Failures are logged: the bytes stay in the journal and the next run tries again.
   */
  tick(): void {
    const sequence = this.#parts.log.lastSequence;
    const quiet = sequence === this.#lastSequence;
    this.#lastSequence = sequence;
    if (this.#stopped || this.#running !== undefined || this.#parts.log.failure !== undefined) return;
    if (!quiet && this.#parts.journal.bytes < PRESSURE_BYTES) return;
    if (this.#work.journalRefs.files(0, 1).length === 0) return;
    this.run()
      .catch((error: unknown) => this.#log.warn({ error }, 'Packing stopped; it is tried again'))
      .finally(() => {
        this.#lastSequence = this.#parts.log.lastSequence;
      });
  }

  /** Packs all that can be packed now. One run at a time; a call during one waits for it. */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
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

  /** Packs no more; resolves when the batch under way has ended. For the end of the store. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running?.catch(() => undefined);
  }

  async #run(): Promise<void> {
    const errors: unknown[] = [];
    for (let after = 0; ; ) {
      const listed = this.#work.journalRefs.files(after, BATCH_FILES);
      const last = listed.at(-1);
      if (last === undefined) break;
      after = last.ino;
      const inodes = this.#idle(listed.map(({ ino }) => ino));
      await this.#packSmall(inodes.filter(isSmall), errors, (content) => this.#work.pieces.find(content));
      for (const inode of inodes) {
        if (!isSmall(inode)) await this.#attempt([inode], errors, () => this.#recut(inode));
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
    const idle = inos.filter((ino) => this.#table.get(ino)?.dirty !== true);
    return idle.map((ino) => this.#parts.tree.inodes.find(ino)).filter((inode) => inode !== undefined);
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

  async #recut(inode: Readonly<Inode>): Promise<void> {
    for (
      let current: Readonly<Inode> | undefined = inode;
      current !== undefined;
      current = this.#parts.tree.inodes.find(inode.ino)
    ) {
      if (this.#table.get(inode.ino)?.dirty === true) return;
      while (!this.#parts.tree.listCopies.prepare(inode.ino)) await setImmediate();
      if (this.#stopped || !(await recutFile(this.#parts, current))) return;
      await this.#parts.log.backgroundTurn();
    }
  }
}

function isSmall(inode: Readonly<Inode>): boolean {
  return inode.size < PACKED_LIMIT_BYTES;
}
