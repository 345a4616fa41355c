import type { Piece, PieceRows } from '../../catalog/pieces.js';
import { PACK_TARGET_BYTES, PACKED_LIMIT_BYTES } from '../../chunk/limits.js';
import { PAYLOAD_HEADER_BYTES, payloadHeader } from '../../chunk/payload-header.js';
import { type Digest, digestHex } from '../../core/digest.js';
import { type ReadFile, SourceFolder } from '../../native/source.js';
import type { FileContent } from '../create/tree-source.js';
import type { BackupRecord } from './backup-record.js';
import { errnoText } from './backup-record.js';
import { BufferPool } from './buffer-pool.js';
import type { KnownChunks } from './known-chunks.js';
import type { PackStore } from './pack-store.js';
import type { WantedSource } from './source-file.js';

/** Files read in one go at most. */
const BATCH_FILES = 256;
const BATCH_BYTES = PACK_TARGET_BYTES + PACKED_LIMIT_BYTES + PAYLOAD_HEADER_BYTES;
/** Batches being read, hashed and stored at the same time. */
const BATCHES = 12;
/** Contents of this run that are looked for when one comes again. */
const REMEMBERED = 200_000;
/** How often a file that changes while it is read is read. */
const ATTEMPTS = 3;

/** A file that waits to be read; who asked for it gets `content`. */
class WaitingFile implements WantedSource {
  readonly folder: WantedSource['folder'];
  readonly name: Uint8Array;
  readonly node: WantedSource['node'];
  readonly content: Promise<FileContent | undefined>;
  resolve: (content: FileContent | undefined | Promise<FileContent | undefined>) => void = () => undefined;
  reject: (error: unknown) => void = () => undefined;

  constructor({ folder, name, node }: WantedSource) {
    this.folder = folder;
    this.name = name;
    this.node = node;
    this.content = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/** A file that was read: its header and content are `bytes` [start, start + 16 + size). */
interface Fresh {
  readonly file: WaitingFile;
  readonly digest: Digest;
  readonly bytes: Buffer;
  readonly start: number;
  readonly size: number;
}

/** What small files are read into. */
export interface SmallFileParts {
  readonly packs: Pick<PackStore, 'store'>;
  readonly known: Pick<KnownChunks, 'isPresent'>;
  readonly record: BackupRecord;
  /** Where content lies that was seen before. */
  readonly pieces: Pick<PieceRows, 'findAll'>;
  /** Reads a file that turns out not to be small. */
  readLarge(file: WantedSource): Promise<FileContent | undefined>;
}

/**
 * Reads small files in batches, in the order they come; content seen before takes its old piece, all other goes into packs.
 * What is left of a batch waits for the next one until `flush`.
 */
export class SmallFiles {
  readonly #parts: SmallFileParts;
  readonly #buffers = new BufferPool(BATCH_BYTES, BATCHES);
  readonly #seen = new Map<string, Promise<FileContent | undefined>>();
  #batch: WaitingFile[] = [];
  #batchBytes = 0;
  #pack: Fresh[] = [];
  #packBytes = 0;
  /** Batches are taken into packs one after the other. */
  #last: Promise<void> = Promise.resolve();

  constructor(parts: SmallFileParts) {
    this.#parts = parts;
  }

  /** Reads the file some time; where its bytes are then, undefined where they cannot be had. */
  read(file: WantedSource): Promise<FileContent | undefined> {
    file.folder.retain();
    const waiting = new WaitingFile(file);
    this.#batch.push(waiting);
    this.#batchBytes += PAYLOAD_HEADER_BYTES + file.node.size;
    if (this.#batchBytes >= PACK_TARGET_BYTES || this.#batch.length >= BATCH_FILES) this.#startBatch();
    return waiting.content;
  }

  /** Begins with all that waits; nothing waits for what comes later. */
  flush(): void {
    if (this.#batch.length > 0) this.#startBatch();
    this.#last = this.#last.then(() => this.#closePack());
  }

  #startBatch(): void {
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    const reading = this.#readBatch(batch);
    reading.catch(() => undefined);
    const before = this.#last;
    this.#last = (async () => {
      await before;
      try {
        const { buffer, read } = await reading;
        await this.#takeIn(batch, buffer, read);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    })();
  }

  async #readBatch(batch: readonly WaitingFile[]): Promise<{ buffer: Buffer; read: readonly ReadFile[] }> {
    const buffer = await this.#buffers.take();
    let at = 0;
    const wanted = batch.map(({ folder, name, node }) => {
      const offset = at + PAYLOAD_HEADER_BYTES;
      at = offset + node.size;
      return { folder: folder.folder, name, size: node.size, offset };
    });
    const read = await SourceFolder.readSmallFiles(wanted, buffer);
    return { buffer, read };
  }

  async #takeIn(batch: readonly WaitingFile[], buffer: Buffer, read: readonly ReadFile[]): Promise<void> {
    let start = 0;
    const pieces = this.#parts.pieces.findAll(read.map(({ digest }) => digest));
    for (const [index, file] of batch.entries()) {
      const size = file.node.size;
      const result = read[index] as ReadFile;
      if (result.error !== 0 || result.changed) this.#again(file, result.error);
      else {
        file.node.wasRead(result.status, size, !result.fresh);
        this.#parts.record.figures.readBytes += size;
        file.folder.release();
        const placing = this.#place({ file, digest: result.digest, bytes: buffer, start, size }, pieces[index]);
        if (placing !== undefined) await placing;
      }
      start += PAYLOAD_HEADER_BYTES + size;
    }
    // What fills no pack is kept aside, so that the buffer can be used again.
    const storing = this.#packBytes >= PACK_TARGET_BYTES / 2 ? this.#closePack() : this.#setAside(buffer);
    void storing.finally(() => this.#buffers.give(buffer));
  }

  /** Finds the content a piece, or makes it part of the pack. */
  #place(fresh: Fresh, piece: Piece | undefined): Promise<void> | undefined {
    const { file, digest } = fresh;
    const key = digestHex(digest);
    const seen = this.#seen.get(key);
    if (seen !== undefined) file.resolve(seen);
    else if (piece?.length === fresh.size) return this.#placeAgain(fresh, key, piece);
    else this.#placeNew(fresh, key);
    return undefined;
  }

  /** Where it lies already, if its chunk is there. */
  async #placeAgain(fresh: Fresh, key: string, { digest, chunkLength, at }: Piece): Promise<void> {
    if (!(await this.#parts.known.isPresent(digest, chunkLength))) this.#placeNew(fresh, key);
    else fresh.file.resolve({ kind: 'packed', digest, chunkLength, at });
  }

  #placeNew(fresh: Fresh, key: string): void {
    this.#remember(key, fresh.file.content);
    this.#pack.push(fresh);
    this.#packBytes += PAYLOAD_HEADER_BYTES + fresh.size;
  }

  #remember(key: string, content: Promise<FileContent | undefined>): void {
    this.#seen.set(key, content);
    if (this.#seen.size <= REMEMBERED) return;
    for (const oldest of this.#seen.keys()) {
      this.#seen.delete(oldest);
      return;
    }
  }

  /** Stores the pack as it is; its files know where they are then. */
  async #closePack(): Promise<void> {
    const pack = this.#pack;
    if (pack.length === 0) return;
    this.#pack = [];
    this.#packBytes = 0;
    try {
      const bytes = joined(pack);
      let at = PAYLOAD_HEADER_BYTES;
      const members = pack.map(({ digest, size }) => {
        const member = { content: digest, at, length: size };
        at += size + PAYLOAD_HEADER_BYTES;
        return member;
      });
      const chunk = await this.#parts.packs.store(bytes, members);
      for (const [index, { file }] of pack.entries()) {
        const { at: contentAt } = members[index] as { at: number };
        file.resolve({ kind: 'packed', digest: chunk, chunkLength: bytes.length, at: contentAt });
      }
    } catch (error) {
      for (const { file } of pack) file.reject(error);
    }
  }

  async #setAside(buffer: Buffer): Promise<void> {
    this.#pack = this.#pack.map((fresh) => {
      if (fresh.bytes !== buffer) return fresh;
      const end = fresh.start + PAYLOAD_HEADER_BYTES + fresh.size;
      return { ...fresh, bytes: Buffer.from(buffer.subarray(fresh.start, end)), start: 0 };
    });
  }

  /** Reads a file by itself that changed since it was listed, or while it was read. */
  #again(file: WaitingFile, errno: number): void {
    this.#attempt(file, errno)
      .then(file.resolve, file.reject)
      .finally(() => file.folder.release());
  }

  async #attempt(file: WaitingFile, errno: number): Promise<FileContent | undefined> {
    const { folder, name, node } = file;
    const { record } = this.#parts;
    if (errno !== 0) {
      record.problem('unreadable', folder.pathOf(name), errnoText(errno));
      return undefined;
    }
    for (let attempt = 1; ; attempt += 1) {
      const { status } = await folder.folder.entry(name);
      if (status === undefined || status.size >= PACKED_LIMIT_BYTES || status.size === 0)
        return this.#parts.readLarge(file);
      const bytes = Buffer.allocUnsafe(PAYLOAD_HEADER_BYTES + status.size);
      const wanted = { folder: folder.folder, name, size: status.size, offset: PAYLOAD_HEADER_BYTES };
      const [read] = (await SourceFolder.readSmallFiles([wanted], bytes)) as [ReadFile];
      if (read.error !== 0) return this.#attempt(file, read.error);
      if (read.changed && attempt < ATTEMPTS) continue;
      if (read.changed) record.problem('changed', folder.pathOf(name), 'changed while it was read');
      if (read.bytes === 0) return this.#parts.readLarge(file);
      node.wasRead(read.status, read.bytes, !read.changed && !read.fresh);
      record.figures.readBytes += read.bytes;
      const at = PAYLOAD_HEADER_BYTES;
      const whole = joined([{ bytes, start: 0, size: read.bytes }]);
      const chunk = await this.#parts.packs.store(whole, [{ content: read.digest, at, length: read.bytes }]);
      return { kind: 'packed', digest: chunk, chunkLength: whole.length, at };
    }
  }
}

/** The files one after the other, each with its header; in place where they lie so already. */
function joined(files: readonly Pick<Fresh, 'bytes' | 'start' | 'size'>[]): Buffer {
  const [first] = files as [Fresh];
  let end = first.start;
  let isOne = true;
  for (const { bytes, start, size } of files) {
    payloadHeader(size).copy(bytes, start);
    isOne &&= bytes === first.bytes && start === end;
    end = start + PAYLOAD_HEADER_BYTES + size;
  }
  if (isOne) return first.bytes.subarray(first.start, end);
  return Buffer.concat(
    files.map(({ bytes, start, size }) => bytes.subarray(start, start + PAYLOAD_HEADER_BYTES + size)),
  );
}
