import { randomBytes } from 'node:crypto';
import { presentChunk } from '../../content/open-live-store.js';
import { CairnError, type ErrorKind, kindOf } from '../../core/errors.js';
import type { StoredObject } from '../../core/stored-object.js';
import type { ReadableDatastore } from '../../datastore/open.js';
import { OBJECTS_FOLDER, objectIndexPath } from '../../index/object-files.js';
import { encodeObjectRecord } from '../../index/object-record.js';
import { publishObjectFiles } from '../../index/publish-objects.js';
import { publishedIndex } from '../create/published-index.js';
import { ChunkCopier, type CopierParts } from './chunk-copier.js';
import type { CopiedObjects, PublishedObject } from './copy-protocol.js';
import { DigestSet } from './digest-set.js';
import { chunksOf, type ListedChunk } from './snapshot-contents.js';
import { loadObject, type ObjectContents, readObjectRecord } from './source-objects.js';

/** Objects that are made durable together: small ones would each wait for the disk else. */
const OBJECTS_AT_ONCE = 200;
const BYTES_AT_ONCE = 64 * 1024 * 1024;
/** Failures are all counted, and so many named. */
const NAMED_FAILURES = 1000;
/** What is wrong with one object, and no reason to leave out the others. */
const OF_ONE: ReadonlySet<ErrorKind> = new Set(['corrupt', 'not-found', 'exists']);

/** An object whose chunks are being copied. */
interface Copying extends ObjectContents {
  readonly recordPath: string;
  /** Why it cannot be copied. */
  failure?: string;
}

type ChunkOfObject = ListedChunk & { readonly of: Copying };

/** What objects are copied with. */
export interface ObjectsCopyParts extends Omit<CopierParts, 'source' | 'target'> {
  readonly source: CopierParts['source'] & { readonly store: string };
  readonly target: ReadableDatastore;
  /** Nothing is written. */
  readonly dryRun: boolean;
}

/**
 * Copies objects, some at a time: their chunks, then their index files, then their records. One that the target has with the
 * same content is passed over, with another it fails; nothing is replaced but the record of one that was deleted.
 */
export class ObjectsCopy {
  readonly #parts: ObjectsCopyParts;
  readonly #records: readonly string[];
  #at = 0;
  #gathered: readonly Copying[] = [];
  /** Chunks counted in a dry run. */
  readonly #counted = new DigestSet();
  #current: { readonly copier: ChunkCopier; readonly total: number } | undefined;
  readonly #sums = { copied: 0, there: 0, wanted: 0, failed: 0, chunks: 0, bytes: 0 };
  readonly #failures: { name: string; reason: string }[] = [];

  /** @param records paths of their records (`chooseObjects`) */
  constructor(parts: ObjectsCopyParts, records: readonly string[]) {
    this.#parts = parts;
    this.#records = records;
  }

  /** What became of the objects so far. */
  get outcome(): CopiedObjects {
    return { ...this.#sums, failures: [...this.#failures] };
  }

  get progress(): { readonly what: string; readonly done: number; readonly total: number } | undefined {
    if (this.#current === undefined) return undefined;
    const { copier, total } = this.#current;
    return { what: `objects (${this.#at} of ${this.#records.length})`, done: copier.counts.passedBytes, total };
  }

  /**
   * Goes on to the next objects that are to be copied and copies their chunks.
   * @param holds scope for their chunks
   * @returns whether any waits for `publish`; false when all are done
   * @throws {CairnError} what keeps all others from being copied too
   */
  async gather(holds: number): Promise<boolean> {
    for (let batch = await this.#next(); batch.length > 0; batch = await this.#next()) {
      await this.#copyChunks(batch, holds);
      this.#gathered = batch.filter(({ failure }) => failure === undefined);
      if (this.#gathered.length > 0) return true;
    }
    this.#current = undefined;
    return false;
  }

  /** Puts what was gathered into the target's folder; nobody else may put objects there meanwhile. Durable when it resolves. */
  async publish(): Promise<PublishedObject[]> {
    const objects: (ObjectContents & { readonly recordPath: string })[] = [];
    for (const { recordPath, object: own, index } of this.#gathered) {
      // Somebody else may have copied it meanwhile.
      if (await this.#unlessFailing(shownObject(own), async () => !(await this.#isThere(recordPath, own)))) {
        const indexPath = index && objectIndexPath(own.id, randomBytes(8).toString('hex'));
        objects.push({ recordPath, index, object: { ...own, indexPath } });
      }
    }
    this.#gathered = [];
    const { root } = this.#parts.target.paths;
    const indexes = objects.flatMap(({ object: { indexPath: path }, index }) =>
      index && path !== undefined ? [{ path, bytes: index.bytes }] : [],
    );
    await publishObjectFiles(root, indexes);
    const records = objects.map(({ recordPath: path, object }) => ({ path, bytes: encodeObjectRecord(object) }));
    await publishObjectFiles(root, records);
    this.#sums.copied += objects.length;
    return objects.map(({ object, index }) => ({
      object,
      index: index && object.indexPath ? publishedIndex(object.indexPath, index.index, index.bytes) : null,
    }));
  }

  /** Those that are to be copied next; in a dry run they are only counted. */
  async #next(): Promise<Copying[]> {
    const batch: Copying[] = [];
    for (let bytes = 0; batch.length < OBJECTS_AT_ONCE && bytes < BYTES_AT_ONCE; ) {
      const recordPath = this.#records[this.#at];
      if (recordPath === undefined) break;
      this.#at += 1;
      const contents = await this.#unlessFailing(recordPath, () => this.#look(recordPath));
      if (contents === undefined) continue;
      bytes += contents.object.bytes;
      batch.push({ ...contents, recordPath });
    }
    return batch;
  }

  async #look(recordPath: string): Promise<ObjectContents | undefined> {
    const { source, dryRun } = this.#parts;
    const object = await readObjectRecord(source.store, recordPath);
    if (object === undefined) return undefined;
    return this.#unlessFailing(shownObject(object), async () => {
      if (await this.#isThere(recordPath, object)) return undefined;
      const contents = await loadObject(source.store, recordPath);
      if (contents === undefined || !dryRun) return contents;
      this.#sums.wanted += 1;
      this.#countMissing(contents);
      return undefined;
    });
  }

  /** @throws {CairnError} `exists` where the target has another object of its id */
  async #isThere(recordPath: string, { bytes, sha256 }: StoredObject): Promise<boolean> {
    const there = await readObjectRecord(this.#parts.target.paths.root, recordPath);
    if (there === undefined) return false;
    if (there.bytes !== bytes || Buffer.compare(there.sha256, sha256) !== 0) {
      throw new CairnError('exists', 'The target has another object of this id');
    }
    this.#sums.there += 1;
    return true;
  }

  async #copyChunks(batch: readonly Copying[], holds: number): Promise<void> {
    const copier = new ChunkCopier(this.#parts, holds);
    this.#current = { copier, total: batch.reduce((sum, { object }) => sum + object.bytes, 0) };
    await copier.copy(chunksOfAll(batch), ({ of }, error) => {
      if (of.failure !== undefined) return;
      of.failure = error.message;
      this.#fail(shownObject(of.object), error.message);
    });
    this.#sums.chunks += copier.counts.chunks;
    this.#sums.bytes += copier.counts.bytes;
  }

  #countMissing({ index }: ObjectContents): void {
    for (const { digest, length } of chunksOf({ indexes: index ? [index] : [] }, this.#counted)) {
      if (presentChunk(this.#parts.target.catalog.chunks, digest)?.length === length) continue;
      this.#sums.chunks += 1;
      this.#sums.bytes += length;
    }
  }

  /** @param name the object's as the command has it, or the path of its record, which may be unreadable */
  async #unlessFailing<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!OF_ONE.has(kindOf(error))) throw error;
      this.#fail(name, (error as Error).message);
      return undefined;
    }
  }

  #fail(name: string, reason: string): void {
    this.#sums.failed += 1;
    if (this.#failures.length < NAMED_FAILURES) this.#failures.push({ name, reason });
  }
}

/** Those of one that failed are not looked at any more. */
function* chunksOfAll(batch: readonly Copying[]): Generator<ChunkOfObject> {
  for (const of of batch) {
    for (const chunk of chunksOf({ indexes: of.index ? [of.index] : [] }, new DigestSet())) {
      if (of.failure !== undefined) break;
      yield { ...chunk, of };
    }
  }
}

/** As the command names it. */
function shownObject({ id }: StoredObject): string {
  return `${OBJECTS_FOLDER}/${id}`;
}
