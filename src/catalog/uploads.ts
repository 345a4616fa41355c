import type { Digest } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import type { Connection } from './connection.js';
import type { WriteFrame } from './transactions.js';

/** A chunk that is to be uploaded. */
export interface PendingUpload {
  readonly digest: Digest;
  /** Bytes of its encoded file as the catalog has it; 0: not known. */
  readonly stored: number;
  /** Names this entry: the chunk may come into the queue again meanwhile. */
  readonly ticket: number;
  /** Position to go on behind. */
  readonly chunk: number;
}

/** An entry of the queue that is done. */
export type EndedUpload = Pick<PendingUpload, 'chunk' | 'ticket'>;

/** A file in the object store. `identity` tells the local file's state when it was uploaded; it is the uploader's. */
export interface RemoteFile {
  readonly path: string;
  readonly identity: string;
}

/** How much is in the queue. */
export interface UploadTotals {
  readonly chunks: number;
  readonly bytes: number;
}

/** Most rows one call touches. */
const MAX_ROWS = 1000;

/** Reads what is to be uploaded, and what was. */
export class UploadRows {
  readonly #list;
  readonly #ticket;
  readonly #last;
  readonly #firstTicket;
  readonly #lastChunk;
  readonly #files;
  readonly #uploaded;
  readonly #file;

  constructor(connection: Connection) {
    this.#file = connection.rows('SELECT identity FROM remote_files WHERE path = ?', 'background');
    this.#uploaded = connection.rows(
      `SELECT digest, id FROM chunks WHERE state = 0 AND id > ? AND id NOT IN (SELECT chunk FROM uploads)
       ORDER BY id LIMIT ? + 0`,
      'background',
    );
    this.#list = connection.rows(
      `SELECT digest, stored, ticket, chunk FROM uploads JOIN chunks ON chunks.id = uploads.chunk
       WHERE uploads.chunk > ? ORDER BY uploads.chunk LIMIT ? + 0`,
      'background',
    );
    this.#ticket = connection.number(
      'SELECT ticket FROM uploads WHERE chunk = (SELECT id FROM chunks WHERE digest = ?)',
    );
    this.#last = connection.number('SELECT max(ticket) FROM uploads', 'background');
    this.#firstTicket = connection.number('SELECT min(ticket) FROM uploads', 'background');
    this.#lastChunk = connection.number('SELECT max(chunk) FROM uploads', 'background');
    this.#files = connection.rows(
      'SELECT path, identity FROM remote_files WHERE path > ? ORDER BY path LIMIT ? + 0',
      'background',
    );
  }

  /** Chunks to be uploaded, behind a position (0: from the start), at most `limit`. */
  list(after: number, limit: number): PendingUpload[] {
    return this.#list.all(after, limit).map((row) => ({
      digest: row[0] as Buffer,
      stored: row[1] as number,
      ticket: row[2] as number,
      chunk: row[3] as number,
    }));
  }

  /** Present chunks that are not to be uploaded, so believed to be in the object store, behind a position; at most `limit`. */
  listUploaded(after: number, limit: number): Pick<PendingUpload, 'digest' | 'chunk'>[] {
    return this.#uploaded.all(after, limit).map((row) => ({ digest: row[0] as Buffer, chunk: row[1] as number }));
  }

  /** The identity of a file known to be in the object store; undefined where it is not. */
  fileIdentity(path: string): string | undefined {
    return this.#file.get(path)?.[0] as string | undefined;
  }

  /** The ticket of a chunk's entry, or undefined where it is not to be uploaded. */
  ticketOf(digest: Digest): number | undefined {
    return this.#ticket.get(digest);
  }

  /** Tickets of the newest and the oldest entry; undefined where there is none. */
  tickets(): { readonly newest: number; readonly oldest: number } | undefined {
    const [newest, oldest] = [this.#last.get(), this.#firstTicket.get()];
    return typeof newest === 'number' && typeof oldest === 'number' ? { newest, oldest } : undefined;
  }

  /** Position of the last entry: what comes in later is behind it, but for chunks that were known before; 0 where there is none. */
  lastChunk(): number {
    return this.#lastChunk.get() ?? 0;
  }

  /** Files known to be in the object store, behind a path (empty: from the start), at most `limit`. */
  listFiles(after: string, limit: number): RemoteFile[] {
    return this.#files.all(after, limit).map((row) => ({ path: row[0] as string, identity: row[1] as string }));
  }
}

/**
 * The writer's side: chunks come in as they become present, in the transaction that says so, and go when they were
 * uploaded or are present no more.
 */
export class UploadQueue {
  readonly #frame: WriteFrame;
  readonly #insert;
  readonly #insertAll;
  readonly #removeAll;
  readonly #insertOne;
  readonly #bytesOf;
  readonly #storedOf;
  readonly #idOf;
  readonly #remove;
  readonly #end;
  readonly #count;
  readonly #putFile;
  readonly #dropFile;
  #nextTicket: number;
  #totals: { chunks: number; bytes: number } | undefined;
  #rollbacks = 0;

  constructor(connection: Connection, frame: WriteFrame) {
    this.#frame = frame;
    this.#insert = connection.write(
      `INSERT INTO uploads (chunk, ticket, bytes) VALUES (?, ?, ?)
       ON CONFLICT (chunk) DO UPDATE SET ticket = excluded.ticket, bytes = excluded.bytes`,
    );
    this.#insertAll = connection.write(
      `INSERT INTO uploads (chunk, ticket, bytes) SELECT id, ?, stored FROM chunks WHERE state = 0
       ON CONFLICT (chunk) DO UPDATE SET ticket = excluded.ticket, bytes = excluded.bytes`,
      'background',
    );
    this.#removeAll = connection.write('DELETE FROM uploads', 'background');
    this.#insertOne = connection.write(
      'INSERT INTO uploads (chunk, ticket, bytes) SELECT id, ?, stored FROM chunks WHERE digest = ? AND state = 0',
      'background',
    );
    this.#storedOf = connection.number('SELECT stored FROM chunks WHERE id = ? AND state = 0');
    this.#idOf = connection.number('SELECT id FROM chunks WHERE digest = ?');
    this.#bytesOf = connection.number('SELECT bytes FROM uploads WHERE chunk = ?');
    this.#remove = connection.write('DELETE FROM uploads WHERE chunk = ?');
    this.#end = connection.write('DELETE FROM uploads WHERE chunk = ? AND ticket = ?');
    this.#count = connection.rows('SELECT count(*), coalesce(sum(bytes), 0) FROM uploads', 'background');
    this.#putFile = connection.write(
      `INSERT INTO remote_files (path, identity) VALUES (?, ?)
       ON CONFLICT (path) DO UPDATE SET identity = excluded.identity`,
    );
    this.#dropFile = connection.write('DELETE FROM remote_files WHERE path = ?');
    const newest = connection.number('SELECT max(ticket) FROM uploads', 'background').get();
    this.#nextTicket = (newest ?? 0) + 1;
  }

  /** A chunk is present with other bytes than are known to be uploaded; inside a write of its table. */
  add(chunk: number, bytes: number): void {
    const totals = this.#current();
    const before = this.#bytesOf.get(chunk);
    this.#insert.run(chunk, this.#nextTicket, bytes);
    this.#nextTicket += 1;
    totals.chunks += before === undefined ? 1 : 0;
    totals.bytes += bytes - (before ?? 0);
  }

  /** Nothing is known any more of what was uploaded: all present chunks come in. Takes a while where there are many. */
  addAll(): void {
    this.#frame.write('queue all chunks', () => {
      this.#insertAll.run(this.#nextTicket);
      this.#nextTicket += 1;
      this.#totals = undefined;
    });
  }

  /** It is known what was uploaded: all chunks but these, of which there are few. Takes a while where the queue is long. */
  replaceAll(digests: readonly Digest[]): void {
    requireFew(digests.length);
    this.#frame.write('queue few chunks', () => {
      this.#removeAll.run();
      for (const digest of digests) this.#insertOne.run(this.#nextTicket, digest);
      this.#nextTicket += 1;
      this.#totals = undefined;
    });
  }

  /** What was believed to be uploaded is not in the object store: it comes in, where it is present; at most 1,000. */
  addAgain(chunks: readonly number[]): void {
    requireFew(chunks.length);
    this.#frame.write('queue chunks again', () => {
      for (const chunk of chunks) {
        const stored = this.#storedOf.get(chunk);
        if (stored !== undefined) this.add(chunk, stored);
      }
    });
  }

  /** These chunks are in the object store, as others put them there: they need not be uploaded; at most 1,000. */
  noteThere(digests: readonly Digest[]): void {
    requireFew(digests.length);
    this.#frame.write('note chunks that are there', () => {
      for (const digest of digests) {
        const chunk = this.#idOf.get(digest);
        if (chunk !== undefined) this.remove(chunk);
      }
    });
  }

  /** A chunk is present no more; inside a write of its table. */
  remove(chunk: number): void {
    const totals = this.#current();
    const before = this.#bytesOf.get(chunk);
    if (before === undefined) return;
    this.#remove.run(chunk);
    totals.chunks -= 1;
    totals.bytes -= before;
  }

  /** Takes entries out whose chunks were uploaded, unless they came in again; at most 1,000. @returns how many it took */
  end(uploads: readonly EndedUpload[]): number {
    requireFew(uploads.length);
    const work = (): number => {
      const totals = this.#current();
      let ended = 0;
      for (const { chunk, ticket } of uploads) {
        const bytes = this.#bytesOf.get(chunk) ?? 0;
        if (this.#end.run(chunk, ticket).changes === 0) continue;
        ended += 1;
        totals.bytes -= bytes;
      }
      totals.chunks -= ended;
      return ended;
    };
    // Whatever of it is lost is uploaded once more.
    return this.#frame.write('note uploaded chunks', work, 'queued');
  }

  /** Notes files of groups and snapshots that are in the object store now, and those that are there no more; few of them. */
  noteFiles(put: readonly RemoteFile[], removed: readonly string[]): void {
    requireFew(put.length + removed.length);
    const work = (): void => {
      for (const { path, identity } of put) this.#putFile.run(path, identity);
      for (const path of removed) this.#dropFile.run(path);
    };
    this.#frame.write('note uploaded files', work, 'queued');
  }

  /** How much is to be uploaded: at hand, unless a transaction was rolled back since it was asked for. */
  totals(): UploadTotals {
    return { ...this.#current() };
  }

  #current(): { chunks: number; bytes: number } {
    if (this.#totals !== undefined && this.#rollbacks === this.#frame.rollbacks) return this.#totals;
    const [chunks, bytes] = this.#count.get() as readonly number[];
    this.#rollbacks = this.#frame.rollbacks;
    this.#totals = { chunks: chunks as number, bytes: bytes as number };
    return this.#totals;
  }
}

function requireFew(rows: number): void {
  if (rows > MAX_ROWS) throw new CairnError('invalid', `${rows} rows are too many at once`);
}
