import { availableParallelism } from 'node:os';
import { type CatalogReader, openCatalogReader } from '../../catalog/open-reader.js';
import type { ChunkStore } from '../../chunkstore/chunk-store.js';
import { processGuards } from '../../chunkstore/guards.js';
import { ChunkSink } from '../../content/chunk-sink.js';
import { presentChunk } from '../../content/open-live-store.js';
import type { PackingParts } from '../../content/packing/packing-parts.js';
import type { Digest } from '../../core/digest.js';
import { openDatastoreReader, type ReadableDatastore } from '../../datastore/open.js';
import { writingChunks } from '../../datastore/writing-chunks.js';
import { hashedBytes } from '../../native/hashed-bytes.js';
import { HoldScope } from '../../native/holds.js';
import { JournalFile } from '../../native/journal-file.js';
import { FileFitter } from './file-fitter.js';
import { JobChunks } from './job-chunks.js';
import type { PublishedSnapshot, SnapshotJobOptions } from './job-protocol.js';
import { LiveTreeSource } from './live-tree-source.js';
import { PictureFiles } from './picture-files.js';
import { type BuiltStreams, publishSnapshot } from './publish-snapshot.js';
import { TreeEncoder } from './tree-encoder.js';
import { finishTreeStreams, newTreeStreams } from './tree-streams.js';

/** What a job tells whoever started it. */
export interface JobEvents {
  /** The picture is open: it shows the commit before. */
  picture(): void;
  /** New pieces of files, to be swapped into the live tree; their chunks are durable. */
  swaps(files: PictureFiles): void;
}

/**
 * Makes one snapshot from a picture of the catalog: packs what is left, encodes the tree, stores what is new and
 * publishes it. Runs on a thread of its own.
 */
export class SnapshotJob {
  readonly #options: SnapshotJobOptions;
  readonly #events: JobEvents;
  readonly #datastore: ReadableDatastore;
  /** Shows the picture. */
  readonly #reader: CatalogReader;
  /**
   * Shows the last commit: what may be used again is asked of it. A chunk of the picture may have been taken away since,
   * and stored anew by a thread whose barrier this one knows nothing of.
   */
  readonly #now: CatalogReader;
  readonly #chunks: ChunkStore;
  readonly #sink: ChunkSink;
  readonly #jobChunks: JobChunks;
  readonly #segments = new Map<number, JournalFile>();

  private constructor(options: SnapshotJobOptions, datastore: ReadableDatastore, events: JobEvents) {
    this.#options = options;
    this.#events = events;
    this.#datastore = datastore;
    this.#reader = datastore.catalog;
    this.#now = openCatalogReader(datastore.paths.catalog);
    // Whoever started the job ends its holds, whatever becomes of it.
    const guards = processGuards(HoldScope.of(options.holds));
    this.#chunks = writingChunks(datastore, { atOnce: availableParallelism(), guards });
    this.#jobChunks = new JobChunks(this.#chunks, this.#now);
    this.#sink = new ChunkSink(this.#chunks, {
      findPresent: (digest) => presentChunk(this.#now.chunks, digest),
      rewritten: async (digest, length, stored) => this.#jobChunks.noteWritten(digest, length, stored),
    });
  }

  /** Opens what a job works on; give it back with `close`. @throws {CairnError} as `openDatastoreReader` */
  static async open(options: SnapshotJobOptions, events: JobEvents): Promise<SnapshotJob> {
    return new SnapshotJob(options, await openDatastoreReader(options.store), events);
  }

  /** Does all of it. @throws {CairnError} nothing is published then */
  async run(): Promise<PublishedSnapshot> {
    const hashedBefore = hashedBytes();
    const files = new PictureFiles(this.#reader);
    this.#reader.picture.begin();
    this.#events.picture();
    const findPiece = (content: Digest) => this.#now.pieces.find(content);
    const fitter = new FileFitter(this.#reader, files, this.#packingParts(files), findPiece);
    const built = await this.#encode(files, fitter);
    this.#reader.picture.end();
    await this.#swap(files);
    const published = await publishSnapshot(this.#options, built, this.#jobChunks.written);
    const { recutFiles } = fitter;
    const work = { chunks: { ...this.#chunks.counters }, hashedBytes: hashedBytes() - hashedBefore, recutFiles };
    return { ...published, work };
  }

  close(): void {
    for (const file of this.#segments.values()) file.close();
    this.#now.close();
    this.#datastore.close();
  }

  /** A change that names a chunk may become durable at once, so the chunk has to be before. */
  async #swap(files: PictureFiles): Promise<void> {
    await this.#chunks.sync();
    this.#events.swaps(files);
  }

  async #encode(files: PictureFiles, fitter: FileFitter): Promise<BuiltStreams> {
    const { groupId, currentIno, time } = this.#options;
    await fitter.fitGroup(groupId);
    await this.#swap(files);
    const streams = newTreeStreams((digest, bytes) => this.#jobChunks.store(digest, bytes));
    const source = new LiveTreeSource(this.#reader, fitter, currentIno);
    const entries = await new TreeEncoder(source, streams).encode();
    return { entries, ...(await finishTreeStreams(streams, time)) };
  }

  #packingParts(files: PictureFiles): PackingParts {
    return {
      tree: { extents: files },
      journal: { descriptor: (segment) => this.#segment(segment).descriptor },
      chunks: this.#chunks,
      sink: this.#sink,
      log: files,
    };
  }

  #segment(segment: number): JournalFile {
    let file = this.#segments.get(segment);
    if (file === undefined) {
      file = JournalFile.open(`${this.#datastore.paths.journal}/${segment}`, { create: false, preallocateBytes: 0 });
      this.#segments.set(segment, file);
    }
    return file;
  }
}
