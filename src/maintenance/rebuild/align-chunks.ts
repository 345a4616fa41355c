import type { ChunkSet } from '../../catalog/chunk-set.js';
import type { ListedChunk } from '../../catalog/chunks.js';
import { type CatalogReader, openCatalogReader } from '../../catalog/open-reader.js';
import { chunkName } from '../../chunkstore/layout.js';
import type { Quarantine, QuarantinedChunk } from '../../chunkstore/quarantine.js';
import { type Digest, digestHex } from '../../core/digest.js';
import { kindOf } from '../../core/errors.js';
import type { DatastoreConfig } from '../../datastore/config.js';
import type { WritableDatastore } from '../../datastore/open.js';
import { namedChunks } from '../check/named-chunks.js';
import { breathe, requireWanted } from '../job/care-context.js';
import type { RebuildContext } from './track-indexes.js';

const ROWS_AT_ONCE = 1000;

/** What aligning chunks works on besides. */
export interface AlignContext extends RebuildContext {
  readonly backend: WritableDatastore['backend'];
  readonly prefixDigits: DatastoreConfig['prefixDigits'];
  readonly quarantine: Quarantine;
  /** Path of the catalog. */
  readonly catalogPath: string;
}

export interface AlignedChunks {
  /** Chunks that something names and that are there. */
  readonly present: number;
  /** Those of them that were in quarantine. */
  readonly broughtBack: number;
  /** Chunks that something names and that are nowhere. */
  readonly missing: number;
}

/**
 * Makes the states of all chunks what the disk says, since a catalog that was rebuilt or is a copy knows an earlier time,
 * or none: what something names and is there is present, or is brought back from quarantine, or is bad. What nothing names
 * is not to be used again unless it is there. Lengths of files are looked at only where they are not known.
 * @throws {CairnError} where a folder cannot be listed, `interrupted`
 */
export async function alignChunks(context: AlignContext): Promise<AlignedChunks> {
  await context.commit();
  const reader = openCatalogReader(context.catalogPath);
  try {
    const named = await namedChunks({ catalog: reader, signal: context.signal });
    try {
      return await new Aligner(context, reader, named, await quarantined(context.quarantine)).run();
    } finally {
      named.dispose();
    }
  } finally {
    reader.close();
  }
}

/** The newest of each digest, by hex. */
async function quarantined(quarantine: Quarantine): Promise<Map<string, QuarantinedChunk>> {
  const newest = new Map<string, QuarantinedChunk>();
  for await (const chunk of quarantine.list()) {
    const hex = digestHex(chunk.digest);
    if ((newest.get(hex)?.since ?? -1) < chunk.since) newest.set(hex, chunk);
  }
  return newest;
}

class Aligner {
  readonly #context: AlignContext;
  readonly #reader: CatalogReader;
  readonly #named: ChunkSet;
  readonly #quarantined: ReadonlyMap<string, QuarantinedChunk>;
  #folder = '';
  #there = new Set<string>();
  #present = 0;
  #broughtBack = 0;
  #missing = 0;

  constructor(
    context: AlignContext,
    reader: CatalogReader,
    named: ChunkSet,
    inQuarantine: ReadonlyMap<string, QuarantinedChunk>,
  ) {
    this.#context = context;
    this.#reader = reader;
    this.#named = named;
    this.#quarantined = inQuarantine;
  }

  async run(): Promise<AlignedChunks> {
    const { signal, progress, commit } = this.#context;
    const states = Object.values(this.#reader.figures().chunks);
    const total = states.reduce((sum, { chunks }) => sum + chunks, 0);
    for (let after: Digest = Buffer.alloc(0), done = 0; ; ) {
      requireWanted(signal);
      progress({ step: 'looking for chunks', done, total, unit: 'items' });
      const rows = this.#reader.chunks.list(after, ROWS_AT_ONCE);
      for (const row of rows) await this.#align(row);
      await commit();
      await breathe();
      done += rows.length;
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last.digest;
    }
    return { present: this.#present, broughtBack: this.#broughtBack, missing: this.#missing };
  }

  async #align(row: ListedChunk): Promise<void> {
    const isNamed = this.#reader.sets.has(this.#named, row.digest);
    if (await this.#isThere(row.digest)) {
      // Bytes nothing names may be what a power cut left of a chunk: it stays as it was known.
      if (!isNamed) return;
      this.#present += 1;
      if (row.state !== 'present' || row.stored === 0) await this.#setPresent(row);
      return;
    }
    const aside = this.#quarantined.get(digestHex(row.digest));
    const { chunks } = this.#context.catalog;
    if (!isNamed) chunks.setState(row.digest, aside === undefined ? 'absent' : 'quarantined');
    else if (aside === undefined || !(await this.#bringBack(row, aside))) {
      this.#missing += 1;
      chunks.setState(row.digest, 'bad');
    }
  }

  async #isThere(digest: Digest): Promise<boolean> {
    const { backend, prefixDigits } = this.#context;
    const name = chunkName(digest, prefixDigits);
    const folder = name.slice(0, name.lastIndexOf('/'));
    if (folder !== this.#folder) {
      this.#there = new Set();
      for await (const listed of backend.list(folder)) this.#there.add(listed);
      this.#folder = folder;
    }
    return this.#there.has(name);
  }

  async #setPresent({ digest, length }: ListedChunk): Promise<void> {
    const { backend, catalog, prefixDigits } = this.#context;
    const stored = await backend.size(chunkName(digest, prefixDigits));
    if (stored !== undefined) catalog.chunks.setPresent(digest, length, stored);
  }

  async #bringBack(row: ListedChunk, aside: QuarantinedChunk): Promise<boolean> {
    try {
      await this.#context.quarantine.undelete(aside);
    } catch (error) {
      if (kindOf(error) !== 'corrupt' && kindOf(error) !== 'not-found') throw error;
      return false;
    }
    await this.#setPresent(row);
    this.#present += 1;
    this.#broughtBack += 1;
    return true;
  }
}
