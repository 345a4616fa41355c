import { presentChunk } from '../../content/open-live-store.js';
import { CairnError, kindOf } from '../../core/errors.js';
import { groupPath } from '../../core/group.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import { openDatastoreReader, type ReadableDatastore } from '../../datastore/open.js';
import { loadManifest } from '../../index/publish.js';
import { findSnapshot, snapshotPath } from '../../index/snapshot-folder.js';
import { hashedBytes } from '../../native/hashed-bytes.js';
import type { PublishedSnapshot, WrittenChunk } from '../create/job-protocol.js';
import { Bandwidth } from './bandwidth.js';
import { chooseSnapshots } from './choose-snapshots.js';
import { ChunkCopier } from './chunk-copier.js';
import { ObjectsCopy } from './copy-objects.js';
import type { CopiedSnapshot, CopyJobOptions, CopyOutcome, FromCopyJob, GatheredCopy } from './copy-protocol.js';
import { CopySource, type SourceSnapshot, shownSnapshot } from './copy-source.js';
import { DigestSet } from './digest-set.js';
import { publishCopy } from './publish-copy.js';
import { parseSelection } from './selection.js';
import { chunksOf, listSameFiles, loadContents, type SnapshotContents } from './snapshot-contents.js';
import { chooseObjects } from './source-objects.js';

/** A snapshot whose chunks are in the target. */
interface Gathered {
  readonly snapshot: SourceSnapshot;
  readonly contents: SnapshotContents;
  readonly copier: ChunkCopier;
}

/** What a job works with. */
interface ChosenParts {
  readonly source: CopySource;
  readonly target: ReadableDatastore;
  readonly wanted: SourceSnapshot[];
  /** Of objects. */
  readonly records: readonly string[];
}

/** How far a copy is with what it is at; plain bytes. */
export interface CopyProgress {
  readonly what: string;
  readonly done: number;
  readonly total: number;
}

/** Copies snapshots one after the other, oldest of a group first, then objects. Runs on a thread of its own in the target's process. */
export class CopyJob {
  readonly #options: CopyJobOptions;
  readonly #source: CopySource;
  readonly #target: ReadableDatastore;
  readonly #bandwidth: Bandwidth;
  readonly #onStored: (chunks: readonly WrittenChunk[]) => void;
  readonly #wanted: SourceSnapshot[];
  readonly #count: number;
  readonly #outcomes: CopiedSnapshot[] = [];
  readonly #objects: ObjectsCopy;
  /** Chunks counted in a dry run. */
  readonly #counted = new DigestSet();
  #gathered: Gathered | undefined;
  #current: { readonly name: string; readonly copier: ChunkCopier; readonly total: number } | undefined;

  private constructor(
    options: CopyJobOptions,
    { source, target, wanted, records }: ChosenParts,
    onStored: (chunks: readonly WrittenChunk[]) => void,
  ) {
    this.#options = options;
    this.#source = source;
    this.#target = target;
    this.#wanted = wanted;
    this.#count = wanted.length;
    this.#bandwidth = new Bandwidth(options.bytesPerSecond ?? undefined);
    this.#onStored = onStored;
    const { dryRun } = options;
    this.#objects = new ObjectsCopy({ source, target, onStored, dryRun, bandwidth: this.#bandwidth }, records);
  }

  /**
   * Opens both datastores and chooses what to copy; give it back with `close`.
   * @param onStored told of chunks that are stored and durable
   * @throws {CairnError} where a datastore cannot be opened, `not-found` where nothing is called what is to be copied
   */
  static async open(options: CopyJobOptions, onStored: (chunks: readonly WrittenChunk[]) => void): Promise<CopyJob> {
    const source = await CopySource.open(options.source);
    let target: ReadableDatastore | undefined;
    try {
      target = await openDatastoreReader(options.store);
      const { snapshots, objects } = parseSelection(options.select);
      const wanted = chooseSnapshots(
        snapshots === 'all' || snapshots.length > 0 ? await source.snapshots() : [],
        snapshots,
      );
      const records = await chooseObjects(source.store, objects);
      return new CopyJob(options, { source, target, wanted, records }, onStored);
    } catch (error) {
      target?.close();
      source.close();
      throw error;
    }
  }

  /** What became of everything so far. */
  get outcome(): CopyOutcome {
    return { snapshots: this.#outcomes, objects: this.#objects.outcome };
  }

  get progress(): CopyProgress | undefined {
    if (this.#current === undefined) return this.#objects.progress;
    const { name, copier, total } = this.#current;
    return { what: name, done: copier.counts.passedBytes, total };
  }

  /**
   * Goes on to the next snapshot, or objects, that are to be copied and copies their chunks. What is damaged, or goes
   * meanwhile, is noted as failed and passed over.
   * @param holds scope for their chunks
   * @returns what waits for `publish`; undefined when all are done
   * @throws {CairnError} what keeps all others from being copied too
   */
  async gather(holds: number): Promise<GatheredCopy | undefined> {
    for (let next = this.#wanted.shift(); next !== undefined; next = this.#wanted.shift()) {
      try {
        if (await this.#gather(next, holds)) return { type: 'snapshot', group: next.group, time: next.time };
      } catch (error) {
        if (kindOf(error) !== 'corrupt' && kindOf(error) !== 'not-found') throw error;
        this.#note(next, { state: 'failed', reason: (error as Error).message, chunks: 0, bytes: 0 });
      }
    }
    this.#current = undefined;
    return (await this.#objects.gather(holds)) ? { type: 'objects' } : undefined;
  }

  /** Puts what was gathered into the target's folder. @returns what the job says of it */
  async publish(): Promise<Extract<FromCopyJob, { type: 'published' | 'published-objects' }>> {
    if (this.#gathered === undefined) return { type: 'published-objects', objects: await this.#objects.publish() };
    return { type: 'published', snapshot: await this.#publishSnapshot(this.#gathered) };
  }

  async #publishSnapshot({ snapshot, contents, copier }: Gathered): Promise<PublishedSnapshot> {
    this.#gathered = undefined;
    const published = await publishCopy(this.#options.store, snapshot, contents);
    const { chunks, bytes } = copier.counts;
    this.#note(snapshot, { state: 'copied', reason: null, chunks, bytes });
    return { ...published, work: { chunks: copier.work, hashedBytes: hashedBytes(), recutFiles: 0 } };
  }

  close(): void {
    this.#target.close();
    this.#source.close();
  }

  /** @returns whether it is to be published */
  async #gather(snapshot: SourceSnapshot, holds: number): Promise<boolean> {
    const contents = await loadContents(this.#source.store, snapshot);
    if (await this.#isThere(snapshot, contents)) {
      this.#note(snapshot, { state: 'there', reason: null, chunks: 0, bytes: 0 });
      return false;
    }
    if (this.#options.dryRun) {
      this.#note(snapshot, { state: 'wanted', reason: null, ...this.#missing(contents) });
      return false;
    }
    const parts = { source: this.#source, target: this.#target, bandwidth: this.#bandwidth, onStored: this.#onStored };
    const copier = new ChunkCopier(parts, holds);
    this.#current = { name: this.#shown(snapshot), copier, total: uniqueBytes(contents) };
    await copier.copy(chunksOf(contents, new DigestSet()));
    this.#gathered = { snapshot, contents, copier };
    return true;
  }

  /** @throws {CairnError} `corrupt` where the target has something else under its name */
  async #isThere({ group, time }: SourceSnapshot, { manifest }: SnapshotContents): Promise<boolean> {
    const { store } = this.#options;
    const found = await findSnapshot(store, group, time);
    if (found === undefined) return false;
    if (!found.finished) throw new CairnError('corrupt', 'The target has an unfinished snapshot of this name');
    if (listSameFiles(await loadManifest(snapshotPath(store, group, time)), manifest)) return true;
    throw new CairnError('corrupt', 'The target has another snapshot of this name');
  }

  #missing(contents: SnapshotContents): { chunks: number; bytes: number } {
    const sum = { chunks: 0, bytes: 0 };
    for (const { digest, length } of chunksOf(contents, this.#counted)) {
      if (presentChunk(this.#target.catalog.chunks, digest)?.length === length) continue;
      sum.chunks += 1;
      sum.bytes += length;
    }
    return sum;
  }

  #note({ group, time }: SourceSnapshot, outcome: Omit<CopiedSnapshot, 'group' | 'time'>): void {
    this.#outcomes.push({ group: groupPath(group), time: formatSnapshotTime(time), ...outcome });
  }

  #shown(snapshot: SourceSnapshot): string {
    return `${shownSnapshot(snapshot)} (${this.#count - this.#wanted.length} of ${this.#count})`;
  }
}

function uniqueBytes(contents: SnapshotContents): number {
  let sum = 0;
  for (const { length } of chunksOf(contents, new DigestSet())) sum += length;
  return sum;
}
