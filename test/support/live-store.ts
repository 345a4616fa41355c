import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Backend } from '../../src/backend/backend.js';
import { CHUNKER_DYNAMIC, type ChunkerKind } from '../../src/catalog/inode.js';
import { ChunkStore } from '../../src/chunkstore/chunk-store.js';
import type { OpenContent } from '../../src/content/open-content.js';
import { type LiveStore, openLiveStore } from '../../src/content/open-live-store.js';
import type { ReadPiece, WriteBody } from '../../src/content/transfer.js';
import type { Log } from '../../src/core/log.js';
import type { Clock, Timestamp } from '../../src/core/time.js';
import { createDatastore } from '../../src/datastore/create.js';
import { openDatastore, type WritableDatastore } from '../../src/datastore/open.js';
import { copyCached } from '../../src/native/chunk-cache.js';
import type { Draft } from '../../src/native/draft.js';
import { readDescriptor } from '../../src/native/files.js';
import { FILE, makeGroup, newInode } from './catalog.js';
import { temporaryFolder } from './temporary-folder.js';

/** A clock that moves one second at each look. */
export class SteppingClock implements Clock {
  seconds = 10_000;

  now(): Timestamp {
    this.seconds += 1;
    return { seconds: this.seconds, nanoseconds: 7 };
  }
}

/** A log that keeps what it was told: lines `level message`, and the facts that came with them. */
export function keptLog(lines: string[] = []): Log & { lines: string[]; facts: object[] } {
  const facts: object[] = [];
  const keep = (level: string) => (fields: object, message: string) => {
    lines.push(`${level} ${message}`);
    facts.push(fields);
  };
  return { lines, facts, debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') };
}

/** Bytes of a write request, as a transport has them. */
export function bodyOf(bytes: Uint8Array): WriteBody & { readonly state: { kept: boolean; ended: boolean } } {
  const state = { kept: false, ended: false };
  return {
    state,
    length: bytes.length,
    copyInto(draft: Draft, offset: number) {
      if (state.ended) throw new Error('A body was used after its end');
      draft.write(offset, bytes);
      state.ended = true;
    },
    keep() {
      state.kept = true;
    },
    discard() {
      state.ended = true;
    },
  };
}

/** What a live store is made with for a test. */
export interface LiveStoreOptions {
  readonly backend?: (real: Backend) => Backend;
  readonly clock?: Clock;
  /** Folder to make it in; default: a temporary one. */
  readonly inside?: string;
  /** Default: a few bytes. */
  readonly reserveBytes?: number;
}

/** A datastore in a temporary folder with its live side open, and one group, host/web1. */
export class TestLiveStore {
  readonly path: string;
  readonly log = keptLog();
  readonly clock: Clock;
  readonly #options: LiveStoreOptions;
  #datastore: WritableDatastore | undefined;
  #live: LiveStore | undefined;
  /** Inode of the group's `current/`. */
  current = 0;

  private constructor(path: string, options: LiveStoreOptions) {
    this.path = path;
    this.#options = options;
    this.clock = options.clock ?? new SteppingClock();
  }

  /** Made anew; closed and removed when the test ends. */
  static async make(t: TestContext, options: LiveStoreOptions = {}): Promise<TestLiveStore> {
    const store = new TestLiveStore(join(options.inside ?? temporaryFolder(t), 'store'), options);
    t.after(() => store.close());
    await createDatastore(store.path, { reserveBytes: options.reserveBytes ?? 4096 });
    await store.open();
    store.current = makeGroup(store.datastore.catalog, 'web1');
    await store.commitAll();
    return store;
  }

  get datastore(): WritableDatastore {
    if (this.#datastore === undefined) throw new Error('The store is closed');
    return this.#datastore;
  }

  get live(): LiveStore {
    if (this.#live === undefined) throw new Error('The store is closed');
    return this.#live;
  }

  async open(): Promise<void> {
    const datastore = await openDatastore(this.path);
    this.#datastore = datastore;
    const backend = this.#options.backend?.(datastore.backend) ?? datastore.backend;
    this.#live = await openLiveStore({
      catalog: datastore.catalog,
      catalogPath: datastore.paths.catalog,
      chunks: new ChunkStore(backend, datastore.config.prefixDigits),
      journalFolder: datastore.paths.journal,
      reserve: datastore.reserve,
      gate: { pause: () => undefined, resume: () => undefined },
      checkpoints: {
        betweenTransactions: () => undefined,
        committed: () => undefined,
        onFailedSync: () => undefined,
      },
      clock: this.clock,
      log: this.log,
    });
  }

  /** Drops all that is in memory and not committed, as the daemon's death does. */
  close(): void {
    this.#live?.close();
    this.#datastore?.close();
    this.#live = undefined;
    this.#datastore = undefined;
  }

  /** As after `kill -9`: what is not in the journal or committed is gone. */
  async crash(): Promise<void> {
    this.live.parts.log.fail('the process was killed', undefined);
    this.close();
    await this.open();
  }

  /** Commits also what was written past the journal. */
  async commitAll(): Promise<void> {
    await this.live.durability.commitDurably();
  }

  /** Makes an empty file in `current/`. */
  makeFile(name: string, chunker: ChunkerKind = CHUNKER_DYNAMIC): number {
    const ino = this.datastore.catalog.inodes.allocate();
    const inode = { ...newInode(ino, FILE), chunker };
    this.live.parts.log.make({ kind: 'create', parent: this.current, name: Buffer.from(name), inode, xattrs: [] });
    return ino;
  }

  openFile(ino: number): OpenContent {
    return this.live.contents.open(ino);
  }

  /** The bytes a reader gets. */
  async read(ino: number, offset = 0, length = Number.MAX_SAFE_INTEGER): Promise<Buffer> {
    const size = this.live.contents.get(ino)?.size ?? this.datastore.catalog.inodes.find(ino)?.size ?? 0;
    const wanted = Math.max(0, Math.min(length, size - offset));
    const pieces = await this.live.reader.read(ino, offset, wanted);
    return Buffer.concat(await Promise.all(pieces.map(bytesOfPiece)));
  }
}

/** The bytes of one piece, as a transport sends them. */
export async function bytesOfPiece(piece: ReadPiece): Promise<Buffer> {
  switch (piece.kind) {
    case 'zeros':
      return Buffer.alloc(piece.length);
    case 'bytes':
      return Buffer.from(piece.bytes);
    case 'draft':
      return piece.draft.read(piece.at, piece.length);
    case 'file':
      return readDescriptor(piece.descriptor, piece.at, piece.length);
    case 'chunk': {
      const bytes = copyCached(piece.digest, piece.at, piece.length);
      if (bytes === undefined) throw new Error('A chunk left the cache before it was copied');
      return bytes;
    }
  }
}
