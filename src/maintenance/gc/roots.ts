import { ChunkSet } from '../../catalog/chunk-set.js';
import type { ExtentPosition } from '../../catalog/chunk-sets.js';
import type { CatalogReader } from '../../catalog/open-reader.js';
import { type HalfDeadPacks, PackUse } from '../../catalog/pack-use.js';
import { standingDigests } from '../../chunk/standing-chunks.js';
import { type Digest, digestHex } from '../../core/digest.js';
import { type IndexMark, type MarkSources, markIndexes } from './index-mark.js';

/** Extents looked at between two looks at whether to go on. */
const EXTENTS_PER_STEP = 50_000;

/** Everything a collection must keep. */
export class Roots {
  readonly indexes: IndexMark;
  /** All that anything names, index files among them. */
  readonly marked: ChunkSet;
  readonly packs: HalfDeadPacks;
  readonly #reader: CatalogReader;

  constructor(reader: CatalogReader, indexes: IndexMark, marked: ChunkSet, packs: HalfDeadPacks) {
    this.#reader = reader;
    this.indexes = indexes;
    this.marked = marked;
    this.packs = packs;
  }

  names(digest: Digest): boolean {
    const { unknown } = this.indexes;
    if (unknown.size > 0 && unknown.has(digestHex(digest))) return true;
    return this.#reader.sets.has(this.marked, digest);
  }

  dispose(): void {
    this.indexes.set.dispose();
    this.marked.dispose();
    this.packs.free.dispose();
  }
}

/**
 * Gathers the roots: index files, the live trees with all that is on its way out of them (orphans, freed lists), and the
 * standing chunks. The reader's picture is open, so that all of it is of one moment; what the journal names behind that
 * moment is held.
 */
export async function gatherRoots(sources: MarkSources): Promise<Roots> {
  const { reader } = sources;
  const marked = new ChunkSet();
  const use = new PackUse();
  addLive(sources, marked, use);
  reader.sets.addKnown(marked, standingDigests());
  const indexes = await markIndexes(sources);
  const packs = reader.packs.halfDead(use, indexes.set);
  use.dispose();
  marked.addAll(indexes.set);
  return new Roots(reader, indexes, marked, packs);
}

function addLive({ reader, goOn }: MarkSources, marked: ChunkSet, use: PackUse): void {
  let at: ExtentPosition | undefined;
  do {
    goOn();
    at = reader.sets.addLive(marked, at, EXTENTS_PER_STEP, use);
  } while (!at.done);
}
