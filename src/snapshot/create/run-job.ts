import { availableParallelism } from 'node:os';
import { realignBits } from '../../archive/payload.js';
import { FsBackend } from '../../backend/fs/fs-backend.js';
import { type CatalogReader, openCatalogReader } from '../../catalog/open-reader.js';
import { ChunkStore } from '../../chunkstore/chunk-store.js';
import { ChunkSink } from '../../content/chunk-sink.js';
import { presentChunk } from '../../content/open-live-store.js';
import type { PackingParts } from '../../content/packing/packing-parts.js';
import type { Digest } from '../../core/digest.js';
import { newIndexStamp } from '../../index/index-header.js';
import { JournalFile } from '../../native/journal-file.js';
import { FileFitter } from './file-fitter.js';
import type { PublishedSnapshot, SnapshotJobOptions, WrittenChunk } from './job-protocol.js';
import { PayloadIndex } from './payload-index.js';
import { PictureFiles } from './picture-files.js';
import { type BuiltStreams, publishSnapshot } from './publish-snapshot.js';
import { StreamChunks } from './stream-chunks.js';
import { TreeEncoder } from './tree-encoder.js';

/** Guess of how many inodes come with a folder: only its power of two matters, and that it stays the same. */
const INODES_PER_FOLDER = 16;

/** What a job tells whoever started it. */
export interface JobEvents {
  /** The picture is open: it shows the commit before. */
  picture(): void;
  /** New pieces of files, to be swapped into the live tree. */
  swaps(files: PictureFiles): void;
}

/**
 * Makes one snapshot from a picture of the catalog: packs what is left, encodes the tree, stores what is new and
 * publishes it. Runs on a thread of its own. Call `release` once the catalog names the snapshot durably.
 */
export class SnapshotJob {
  readonly #options: SnapshotJobOptions;
  readonly #reader: CatalogReader;
  readonly #backend: FsBackend;
  readonly #chunks: ChunkStore;
  readonly #sink: ChunkSink;
  readonly #held: Digest[] = [];
  readonly #written: WrittenChunk[] = [];
  readonly #segments = new Map<number, JournalFile>();

  constructor(options: SnapshotJobOptions) {
    this.#options = options;
    this.#reader = openCatalogReader(options.catalog);
    this.#backend = new FsBackend(options.store);
    this.#chunks = new ChunkStore(this.#backend, options.prefixDigits, availableParallelism());
    this.#sink = new ChunkSink(this.#chunks, {
      findPresent: (digest) => presentChunk(this.#reader.chunks, digest),
      rewritten: (digest, length, stored) => this.#written.push({ digest, length, stored }),
    });
  }

  /** Does all of it. @throws {CairnError} nothing is published then */
  async run(events: JobEvents): Promise<PublishedSnapshot> {
    this.#reader.picture.begin();
    events.picture();
    const built = await this.#encode(events);
    this.#reader.picture.end();
    await this.#chunks.sync();
    return publishSnapshot(this.#options, built, this.#written);
  }

  /** Lets go of the chunks: the catalog names them now, or nothing does. */
  release(): void {
    for (const digest of [...this.#held.splice(0), ...this.#sink.takeNamed()]) this.#chunks.release(digest);
  }

  close(): void {
    for (const file of this.#segments.values()) file.close();
    this.#reader.close();
  }

  async #encode(events: JobEvents): Promise<BuiltStreams> {
    const { groupId, currentIno, time } = this.#options;
    const files = new PictureFiles(this.#reader);
    const fitter = new FileFitter(this.#reader, files, this.#packingParts(files));
    await fitter.fitGroup(groupId);
    events.swaps(files);
    const store = (digest: Digest, bytes: Uint8Array) => this.#store(digest, bytes);
    const streams = {
      metadata: new StreamChunks(store),
      attributes: new StreamChunks(store),
      payload: new PayloadIndex(store),
    };
    const { inodes, allocatedBytes } = this.#reader.figures();
    const bits = realignBits(Math.ceil(inodes / INODES_PER_FOLDER), allocatedBytes);
    const entries = await new TreeEncoder(this.#reader, fitter, streams, bits).encode(currentIno);
    events.swaps(files);
    return {
      entries,
      metadata: await streams.metadata.finish(newIndexStamp(time)),
      attributes: await streams.attributes.finish(newIndexStamp(time)),
      payload: await streams.payload.finish(newIndexStamp(time)),
    };
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
      file = JournalFile.open(`${this.#options.journal}/${segment}`, { create: false, preallocateBytes: 0 });
      this.#segments.set(segment, file);
    }
    return file;
  }

  async #store(digest: Digest, bytes: Uint8Array): Promise<void> {
    this.#chunks.hold(digest);
    this.#held.push(digest);
    const known = presentChunk(this.#reader.chunks, digest);
    if (known?.length === bytes.length && (await this.#chunks.reuse(digest, known.stored))) return;
    const stored = await this.#chunks.insertBytes(digest, bytes);
    this.#written.push({ digest, length: bytes.length, stored });
  }
}
