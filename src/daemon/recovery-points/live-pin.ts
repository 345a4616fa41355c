import { mkdir, readdir, rm } from 'node:fs/promises';
import { ChunkSet } from '../../catalog/chunk-set.js';
import type { ExtentPosition } from '../../catalog/chunk-sets.js';
import type { CatalogReader } from '../../catalog/open-reader.js';
import { fromSystemError } from '../../core/errors.js';
import { DynamicIndexBuilder } from '../../index/dynamic-index.js';
import { newIndexStamp } from '../../index/index-header.js';
import { breathe } from '../../maintenance/job/care-context.js';
import { putFile, syncFolder } from '../../native/files.js';
import { type PointName, pinName, pinsOf } from './recovery-point.js';

const ROWS_PER_STEP = 50_000;
const DIGESTS_PER_STEP = 10_000;
const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;

/**
 * An index file that lists every chunk of the live trees once, so that collectors which do not know these trees leave the
 * chunks alone (design §3).
 * @param copy a catalog nobody writes to
 * @param goOn called between steps; throws to give up
 * @returns its bytes; undefined where there is no chunk
 */
export async function livePin(
  copy: Pick<CatalogReader, 'sets' | 'chunks'>,
  madeAt: number,
  goOn: () => void,
): Promise<Buffer | undefined> {
  const live = new ChunkSet();
  try {
    for (let from: ExtentPosition | undefined; from?.done !== true; ) {
      goOn();
      from = copy.sets.addLive(live, from, ROWS_PER_STEP);
      await breathe();
    }
    const index = new DynamicIndexBuilder();
    let left = DIGESTS_PER_STEP;
    for (const digest of copy.sets.digests(live)) {
      const known = copy.chunks.find(digest);
      if (known !== undefined) index.append(digest, known.length);
      left -= 1;
      if (left > 0) continue;
      goOn();
      await breathe();
      left = DIGESTS_PER_STEP;
    }
    return index.count === 0 ? undefined : index.finish(newIndexStamp(madeAt)).bytes;
  } finally {
    live.dispose();
  }
}

/**
 * Puts a pin into the datastore's folder, in place of all others of its machine; durable when it resolves.
 * @returns names of those that were removed
 */
export async function replacePin(store: string, point: PointName, bytes: Buffer | undefined): Promise<string[]> {
  const folder = `${store}/${pinsOf(point.machine)}`;
  const name = pinName(point);
  try {
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
    const before = (await readdir(folder)).map((file) => `${pinsOf(point.machine)}/${file}`);
    if (bytes !== undefined)
      await putFile(`${store}/${name}`, `${store}/${name}.tmp`, bytes, { mode: FILE_MODE, sync: true });
    await syncFolder(folder);
    await syncFolder(`${store}/pins`);
    await syncFolder(store);
    const removed = before.filter((other) => other !== name || bytes === undefined);
    for (const other of removed) await rm(`${store}/${other}`, { force: true });
    return removed;
  } catch (error) {
    throw fromSystemError(error, `write the pin ${name}`);
  }
}
