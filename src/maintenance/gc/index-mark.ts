import pLimit from 'p-limit';
import { ChunkSet } from '../../catalog/chunk-set.js';
import type { IndexFile } from '../../catalog/index-files.js';
import type { CatalogReader } from '../../catalog/open-reader.js';
import { type Digest, digestHex } from '../../core/digest.js';
import { CairnError, kindOf } from '../../core/errors.js';
import { type ChunkIndex, checksumFits } from '../../index/chunk-index.js';
import { type IndexIdentity, loadIndex, loadIndexIdentity, sameIndexIdentity } from '../../index/index-file.js';
import { indexFilesOnDisk } from './index-walk.js';
import type { Problems } from './problems.js';

/** Index files looked at, or read, at the same time. */
const LOOKS_AT_ONCE = 16;
const READS_AT_ONCE = 2;
const ROWS_AT_ONCE = 500;

/** A tracked set that is not what its file says, in chunks. */
export interface SetDifference {
  readonly path: string;
  readonly missing: number;
  readonly surplus: number;
}

/** Every chunk that an index file names. */
export interface IndexMark {
  readonly set: ChunkSet;
  /** Digests, in hex, that index files name and the catalog never heard of: in no set, and to be kept all the same. */
  readonly unknown: ReadonlySet<string>;
  /** Index files on disk. */
  readonly files: number;
  /** Those that were read, because nothing (or something else) is recorded of them: worth recording. */
  readonly readAnew: readonly string[];
  /** Recorded ones that are on disk no more; what they name is kept this time. */
  readonly gone: readonly string[];
  /** Found by a full collection only. */
  readonly differences: readonly SetDifference[];
}

/** What marking works on. */
export interface MarkSources {
  /** Its picture is open, or what it sees may be older than what is on disk. */
  readonly reader: CatalogReader;
  /** The datastore's folder. */
  readonly store: string;
  readonly problems: Problems;
  /** Reads every index file, instead of those that changed since they were recorded. */
  readonly full: boolean;
  /** Called between steps; throws where the work is given up. */
  goOn(): void;
}

/**
 * Marks what index files name: the recorded sets and, for files without one that counts, the files themselves. Sets are
 * only ever added; whatever cannot be read or listed is a problem, never an empty set.
 */
export async function markIndexes(sources: MarkSources): Promise<IndexMark> {
  return new IndexMarker(sources).mark();
}

class IndexMarker {
  readonly #sources: MarkSources;
  readonly #set: ChunkSet;
  readonly #unknown = new Set<string>();
  readonly #rows = new Map<string, IndexIdentity>();
  readonly #readAnew: string[] = [];
  readonly #gone: string[] = [];
  readonly #differences: SetDifference[] = [];

  constructor(sources: MarkSources) {
    this.#sources = sources;
    this.#set = new ChunkSet();
  }

  async mark(): Promise<IndexMark> {
    this.#addRecorded();
    const listed = await this.#pathsOnDisk();
    const paths = listed ?? [];
    const toRead = await this.#changed(paths);
    await eachOf(toRead, READS_AT_ONCE, (path) => this.#attempt(() => this.#readNamed(path)));
    if (listed !== undefined) await this.#lookForMissed(listed);
    return {
      set: this.#set,
      unknown: this.#unknown,
      files: paths.length,
      readAnew: this.#readAnew,
      gone: this.#gone,
      differences: this.#differences,
    };
  }

  /** A set that is damaged is left out here, and its file read instead. */
  #addRecorded(): void {
    const { indexFiles, sets } = this.#sources.reader;
    for (let after = ''; ; ) {
      const rows: IndexFile[] = indexFiles.list(after, ROWS_AT_ONCE);
      for (const { path, header, fileBytes } of rows) {
        const found = sets.find(path);
        if (found?.kind !== 'whole') continue;
        this.#set.addAll(found.value);
        found.value.dispose();
        this.#rows.set(path, { header, fileBytes });
      }
      this.#sources.goOn();
      const last = rows.at(-1);
      if (last === undefined || rows.length < ROWS_AT_ONCE) return;
      after = last.path;
    }
  }

  /** Undefined where they cannot be listed. */
  async #pathsOnDisk(): Promise<string[] | undefined> {
    try {
      return await indexFilesOnDisk(this.#sources.store);
    } catch (error) {
      this.#sources.problems.take(error);
      return undefined;
    }
  }

  /** Files whose recorded set does not count. */
  async #changed(paths: readonly string[]): Promise<string[]> {
    if (this.#sources.full) return [...paths];
    const changed: string[] = [];
    await eachOf(paths, LOOKS_AT_ONCE, (path) =>
      this.#attempt(async () => {
        const recorded = this.#rows.get(path);
        const counts = recorded !== undefined && sameIndexIdentity(recorded, await loadIndexIdentity(this.#path(path)));
        if (!counts) changed.push(path);
      }),
    );
    return changed;
  }

  async #readNamed(path: string): Promise<void> {
    try {
      await this.#read(path);
    } catch (error) {
      if (kindOf(error) !== 'corrupt') throw error;
      const message = `${(error as Error).message}: restore the file, or forget its snapshot`;
      throw new CairnError('corrupt', message, { cause: error });
    }
  }

  async #read(path: string): Promise<void> {
    this.#sources.goOn();
    const { index, identity } = await loadIndex(this.#path(path));
    if (!checksumFits(index)) throw new CairnError('corrupt', `${this.#path(path)}: its checksum does not fit`);
    const { sets } = this.#sources.reader;
    const own = new ChunkSet();
    for (const digest of sets.addKnown(own, digestsOf(index))) this.#unknown.add(digestHex(digest));
    const recorded = this.#rows.get(path);
    if (recorded === undefined || !sameIndexIdentity(recorded, identity)) this.#readAnew.push(path);
    else this.#compare(path, own);
    this.#set.addAll(own);
    own.dispose();
  }

  #compare(path: string, own: ChunkSet): void {
    const tracked = this.#sources.reader.sets.find(path);
    if (tracked?.kind !== 'whole' || tracked.value.equals(own)) return;
    const common = own.common(tracked.value);
    this.#differences.push({ path, missing: own.size - common.size, surplus: tracked.value.size - common.size });
    this.#readAnew.push(path);
    common.dispose();
    tracked.value.dispose();
  }

  /** Every recorded file that no listing showed is looked for by name: a listing that left it out cannot be believed. */
  async #lookForMissed(paths: readonly string[]): Promise<void> {
    const seen = new Set(paths);
    const missed = [...this.#rows.keys()].filter((path) => !seen.has(path));
    await eachOf(missed, LOOKS_AT_ONCE, async (path) => {
      try {
        await loadIndexIdentity(this.#path(path));
        this.#sources.problems.add(`A listing left out ${this.#path(path)}, which is there: check the file system`);
      } catch (error) {
        if (kindOf(error) === 'not-found') this.#gone.push(path);
        else this.#sources.problems.take(error);
      }
    });
  }

  /** What vanishes while it is looked at was forgotten; if it was recorded, its set counts anyway. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (kindOf(error) !== 'not-found') this.#sources.problems.take(error);
    }
  }

  #path(relative: string): string {
    return `${this.#sources.store}/${relative}`;
  }
}

function* digestsOf(index: ChunkIndex): Generator<Digest> {
  for (let position = 0; position < index.count; position += 1) yield index.digest(position);
}

async function eachOf<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const limit = pLimit(atOnce);
  const results = await Promise.allSettled(items.map((item) => limit(() => work(item))));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
