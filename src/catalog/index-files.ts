import { type Digest, sameDigest } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import { ChunkSet, decodeSet, encodeSet, idsOf, setChecksum } from './chunk-set.js';
import { type ChunkTable, checkedChunk } from './chunks.js';
import type { Connection, Row } from './connection.js';
import type { ChunkState } from './counters.js';
import type { WriteFrame } from './transactions.js';

export type IndexKind = 'dynamic' | 'fixed';

const KINDS: readonly IndexKind[] = ['dynamic', 'fixed'];

/** How many first bytes of an index file are its identity. */
export const INDEX_IDENTITY_BYTES = 96;

/** What is recorded of an index file. It counts only while the file still has this header and size. */
export interface IndexFile {
  /** Relative to the datastore. */
  readonly path: string;
  readonly kind: IndexKind;
  /** The index checksum: SHA-256 over its digests. */
  readonly checksum: Digest;
  /** The file's first `INDEX_IDENTITY_BYTES` bytes. */
  readonly header: Uint8Array;
  readonly fileBytes: number;
  /** Entries it lists, repetitions included. */
  readonly chunkCount: number;
  /** Length of the stream it describes. */
  readonly contentBytes: number;
}

/** An entry of an index file: a chunk and its plain length in bytes. */
export interface IndexedChunk {
  readonly digest: Digest;
  readonly length: number;
}

const COLUMNS = 'path, kind, checksum, header, file_bytes, chunk_count, content_bytes';

function decodeIndexFile(row: Row): IndexFile {
  return {
    path: row[0] as string,
    kind: KINDS[row[1] as number]!,
    checksum: row[2] as Buffer,
    header: row[3] as Buffer,
    fileBytes: row[4] as number,
    chunkCount: row[5] as number,
    contentBytes: row[6] as number,
  };
}

/** Reads what is recorded of index files; their sets are read by `ChunkSets`. */
export class IndexFileRows {
  readonly #find;
  readonly #list;

  constructor(connection: Connection) {
    this.#find = connection.rows(`SELECT ${COLUMNS} FROM index_files WHERE path = ?`);
    this.#list = connection.rows(
      `SELECT ${COLUMNS} FROM index_files WHERE path > ? ORDER BY path LIMIT ? + 0`,
      'background',
    );
  }

  find(path: string): IndexFile | undefined {
    const row = this.#find.get(path);
    return row && decodeIndexFile(row);
  }

  /** Files behind a path (empty: from the start), in order of paths, at most `limit`. */
  list(afterPath: string, limit: number): IndexFile[] {
    return this.#list.all(afterPath, limit).map(decodeIndexFile);
  }
}

/** A set of chunks being gathered for an index file; several steps may make it, a rollback in between voids it. */
export interface GatheredSet {
  readonly set: ChunkSet;
  /** `Transactions.rollbacks` when it was begun: ids given out since may have been taken back. */
  readonly rollbacks: number;
}

/** The writer's index files. */
export class IndexFileTable {
  readonly #rows: IndexFileRows;
  readonly #chunks: ChunkTable;
  readonly #frame: WriteFrame;
  readonly #set;
  readonly #put;
  readonly #delete;

  constructor(connection: Connection, chunks: ChunkTable, frame: WriteFrame) {
    this.#rows = new IndexFileRows(connection);
    this.#chunks = chunks;
    this.#frame = frame;
    this.#set = connection.rows('SELECT header, chunk_set, set_checksum FROM index_files WHERE path = ?');
    this.#put = connection.write(
      `INSERT INTO index_files (${COLUMNS}, set_checksum, chunk_set) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (path) DO UPDATE SET kind = excluded.kind, checksum = excluded.checksum, header = excluded.header,
         file_bytes = excluded.file_bytes, chunk_count = excluded.chunk_count,
         content_bytes = excluded.content_bytes, set_checksum = excluded.set_checksum, chunk_set = excluded.chunk_set`,
    );
    this.#delete = connection.write('DELETE FROM index_files WHERE path = ?');
  }

  find(path: string): IndexFile | undefined {
    return this.#rows.find(path);
  }

  list(afterPath: string, limit: number): IndexFile[] {
    return this.#rows.list(afterPath, limit);
  }

  /** Begins to gather the chunks of an index file. */
  gather(): GatheredSet {
    return { set: new ChunkSet(), rollbacks: this.#frame.rollbacks };
  }

  /**
   * Adds chunks to a set, at most about 1,000 in one step (3 µs each). A chunk nobody named before gets a row.
   * @param state what is assumed of chunks that get a row
   * @throws {CairnError} `stale` where a rollback came in between: gather anew
   */
  addChunks(gathered: GatheredSet, chunks: Iterable<IndexedChunk>, state: ChunkState): void {
    this.#frame.write('track the chunks of an index file', () => {
      this.#requireFresh(gathered);
      const ids = idsOf(gathered.set);
      for (const { digest, length } of chunks) {
        checkedChunk(digest, length, 0);
        ids.add(this.#chunks.track(digest, length, state));
      }
    });
  }

  /**
   * Records an index file with all its chunks, in place of what was recorded under its path.
   * @throws {CairnError} `stale` where a rollback came in between: gather anew
   */
  put(file: IndexFile, gathered: GatheredSet): void {
    this.#frame.write(`record index file ${file.path}`, () => {
      this.#requireFresh(gathered);
      this.#record(file, gathered.set);
    });
  }

  /**
   * Records an index file that lists the very chunks another one does, without looking up any of them.
   * @param path of the other one
   * @returns false where it lists others, or its set is not recorded or damaged: gather the set then
   */
  putLike(file: IndexFile, path: string): boolean {
    return this.#frame.write(`record index file ${file.path}`, () => {
      const other = this.find(path);
      if (other === undefined || other.chunkCount !== file.chunkCount) return false;
      if (!sameDigest(other.checksum, file.checksum)) return false;
      const [header, bytes, checksum] = this.#set.get(path) as unknown as [Buffer, Buffer, Buffer];
      const set = decodeSet(header, bytes, checksum);
      if (set === undefined) return false;
      this.#record(file, set);
      set.dispose();
      return true;
    });
  }

  /** Drops what is recorded of a file; false where nothing is. */
  remove(path: string): boolean {
    return this.#frame.write(`drop index file ${path}`, () => this.#delete.run(path).changes === 1);
  }

  #record(file: IndexFile, set: ChunkSet): void {
    if (file.header.length !== INDEX_IDENTITY_BYTES) {
      throw new CairnError('invalid', `The identity of ${file.path} has ${file.header.length} bytes, not 96`);
    }
    const bytes = encodeSet(set);
    this.#put.run(
      ...[file.path, KINDS.indexOf(file.kind), file.checksum, file.header, file.fileBytes, file.chunkCount],
      ...[file.contentBytes, setChecksum(file.header, bytes), bytes],
    );
  }

  #requireFresh(gathered: GatheredSet): void {
    if (gathered.rollbacks !== this.#frame.rollbacks) {
      throw new CairnError('stale', 'The catalog was rolled back while a set of chunks was gathered: gather it anew');
    }
  }
}
