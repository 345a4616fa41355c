import type { CatalogReader } from '../../catalog/open-reader.js';
import type { HalfDeadPacks } from '../../catalog/pack-use.js';

/** Rows looked at in one step, and files packed in one. */
const ROWS_PER_STEP = 20_000;
const FILES_PER_STEP = 1000;

/** The live files in packs that are mostly dead, in steps. */
export function* filesToRepack(reader: CatalogReader, packs: HalfDeadPacks): Generator<readonly number[]> {
  if (packs.free.size === 0) return;
  let waiting: number[] = [];
  for (let after: number | undefined = 0; after !== undefined; ) {
    const found = reader.packs.filesIn(packs.free, after, ROWS_PER_STEP);
    waiting.push(...found.inos);
    for (; waiting.length >= FILES_PER_STEP; waiting = waiting.slice(FILES_PER_STEP)) {
      yield waiting.slice(0, FILES_PER_STEP);
    }
    after = found.next;
  }
  if (waiting.length > 0) yield waiting;
}
