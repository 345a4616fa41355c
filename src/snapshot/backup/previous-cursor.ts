import { ArchiveCursor } from '../../archive/archive-cursor.js';
import { FolderCursor } from '../../archive/folder-cursor.js';
import type { ItemCursor } from '../../archive/item-cursor.js';
import { RecordCursor, type StoredStretch } from '../../archive/record-cursor.js';
import { StoredLeaves } from '../../archive/stored-leaves.js';
import { CairnError, kindOf } from '../../core/errors.js';
import { type FlatListing, StatusNumber } from '../../native/source.js';
import type { SameLeaves } from '../create/tree-source.js';
import type { RecordedTree } from '../tree-view.js';
import { ExpectedEntry } from './expected-entry.js';
import type { KnownChunks } from './known-chunks.js';
import { PreviousPieces, PreviousProofs } from './previous-pieces.js';
import { bodyOf, NO_PAYLOAD } from './same-body.js';
import { numberAt } from './source-listing.js';

/** Instead of a payload's place: the leaf differs from the archive's. */
const DIFFERS = -2;

/** Entries taken that follow each other in the archive: positions in it, and their records. */
interface Stretch {
  readonly start: number;
  end: number;
  count: number;
  readonly records: StoredStretch;
}

/**
 * The group's newest snapshot, gone through in step with the source: both have their names in byte order. What is the same to
 * the last bit, and whose bytes are there (in a dry run: were), is handed on as it is stored, many entries at a time. A snapshot that cannot
 * be read any further proves nothing from there on.
 */
export class PreviousCursor {
  readonly #items: ItemCursor;
  readonly #folders: FolderCursor;
  readonly #archive: ArchiveCursor;
  readonly #records: RecordCursor;
  readonly #payloadBytes: number;
  readonly #pieces: PreviousPieces;
  readonly #proofs: PreviousProofs | undefined;
  readonly #emit: (same: SameLeaves) => void;
  readonly #pieceAt: SameLeaves['pieceAt'];
  readonly #entry = new ExpectedEntry();
  #stretch: Stretch | undefined;
  #isLost = false;

  /** @param known undefined in a dry run, in which chunks need not be there @param emit takes what is the same */
  constructor(view: RecordedTree, known: KnownChunks | undefined, emit: (same: SameLeaves) => void) {
    this.#items = view.archive.fromRoot();
    this.#folders = new FolderCursor(this.#items);
    this.#archive = new ArchiveCursor(this.#items);
    this.#records = new RecordCursor(view.streams.records);
    this.#payloadBytes = view.payload.contentLength;
    this.#pieces = new PreviousPieces(view.payload);
    this.#proofs = known && new PreviousProofs(view.payload, known);
    this.#emit = emit;
    const pieces = new PreviousPieces(view.payload);
    this.#pieceAt = (offset) => pieces.pieceAt(offset);
  }

  /** Goes into the folder that is next; its ENTRY's position, undefined where there is none: then it stays in front of it. */
  async enter(): Promise<number | undefined> {
    this.flush();
    return this.#unlessLost(() => this.#folders.enter());
  }

  /** Passes over what is left of the folder. */
  async leave(): Promise<void> {
    this.flush();
    await this.#unlessLost(() => this.#folders.leave());
  }

  /** Passes over all that comes before this name of the folder. @returns whether it is next */
  find(listing: FlatListing, index: number): boolean | Promise<boolean> {
    if (this.#isLost) return false;
    if (!this.#items.isReady) return this.#search(listing, index);
    let order: number;
    try {
      order = this.#orderOf(listing, index);
    } catch (error) {
      this.#lose(error);
      return false;
    }
    if (order > 0) return false;
    return (order === 0 && this.#hasRecord()) || this.#search(listing, index);
  }

  /** Where the ENTRY of what was found is; undefined for a hard link, which has none. */
  get entryPosition(): number | undefined {
    return this.#isLost ? undefined : this.#folders.entryPosition;
  }

  /**
   * Takes what was found, if it is anything but a folder and just as listed. @returns whether it did. Rejects where what should
   * be there cannot be looked at.
   */
  take(listing: FlatListing, index: number): boolean | Promise<boolean> {
    const records = this.#records.rest;
    const start = this.#items.position;
    const payload = this.#sameUnlessLost(listing, index);
    const present = payload === DIFFERS ? false : this.#isPresent(payload, listing, index);
    if (present === true) this.#extend(start, records);
    if (present === false) this.#items.goBack(start);
    if (!(present instanceof Promise)) return present;
    return present.then((isThere) => {
      if (isThere) this.#extend(start, records);
      else this.#items.goBack(start);
      return isThere;
    });
  }

  /** Hands on what was taken and not yet handed on; to be called before anything else is put behind it. */
  flush(): void {
    const stretch = this.#stretch;
    if (stretch === undefined) return;
    this.#stretch = undefined;
    // A copy, as all that was read at once would stay in memory with it.
    const items = new Uint8Array(this.#items.between(stretch.start, stretch.end));
    this.#emit({ leaves: new StoredLeaves(items, stretch.count, stretch.records), pieceAt: this.#pieceAt });
  }

  async #search(listing: FlatListing, index: number): Promise<boolean> {
    // Each of these may leave behind what was taken.
    this.flush();
    const found = await this.#unlessLost(async () => {
      for (;;) {
        if (!this.#items.isReady) await this.#items.fill();
        const order = this.#orderOf(listing, index);
        if (order > 0) return false;
        if (order < 0) await this.#folders.skip();
        else if (this.#hasRecord()) return true;
        else await this.#records.fill();
      }
    });
    return found === true;
  }

  #orderOf({ names, ends }: FlatListing, index: number): number {
    return this.#folders.orderOfName(names, ends[index - 1] as number, ends[index] as number);
  }

  #hasRecord(): boolean {
    return this.#records.seek(this.#items.position);
  }

  #sameUnlessLost(listing: FlatListing, index: number): number {
    try {
      return this.#same(listing, index);
    } catch (error) {
      this.#lose(error);
      return DIFFERS;
    }
  }

  /** Passes over a leaf that is just as listed. @returns as `bodyOf`, or `DIFFERS` */
  #same(listing: FlatListing, index: number): number {
    const archive = this.#archive;
    const { names, ends, xattrs } = listing;
    if (numberAt(listing, index, StatusNumber.nlink) !== 1 || xattrs[index] !== undefined) return DIFFERS;
    if (!archive.isName(names, ends[index - 1] as number, ends[index] as number)) return DIFFERS;
    const { position } = this.#items;
    this.#entry.take(listing, index, { parent: -1, nameLength: 0, nlink: 1 });
    if (!archive.isEntry(this.#entry) || !this.#records.isRecord(position, this.#entry)) return DIFFERS;
    return bodyOf(archive, listing, index) ?? DIFFERS;
  }

  #isPresent(payload: number, listing: FlatListing, index: number): boolean | Promise<boolean> {
    const size = payload === NO_PAYLOAD ? 0 : numberAt(listing, index, StatusNumber.size);
    if (size === 0) return true;
    // Malformed offsets are no piece's.
    if (payload >= this.#payloadBytes) return false;
    const chunk = this.#pieces.chunkOf(payload, size);
    if (chunk === undefined) return false;
    return this.#proofs === undefined || this.#proofs.isPresent(chunk);
  }

  #extend(start: number, records: StoredStretch): void {
    const end = this.#items.position;
    const stretch = this.#stretch;
    const follows =
      stretch?.end === start &&
      stretch.records.records === records.records &&
      stretch.records.first + stretch.count === records.first;
    if (follows) {
      stretch.end = end;
      stretch.count += 1;
      return;
    }
    this.flush();
    this.#stretch = { start, end, count: 1, records };
  }

  async #unlessLost<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.#isLost) return undefined;
    try {
      return await work();
    } catch (error) {
      this.#lose(error);
      return undefined;
    }
  }

  #lose(error: unknown): void {
    if (!(error instanceof CairnError) || kindOf(error) === 'interrupted') throw error;
    this.flush();
    this.#isLost = true;
  }
}
