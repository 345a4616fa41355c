import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { GcReport } from '../../src/control/gc-commands.js';
import { checkAllChunks } from '../support/check-chunks.js';
import { bytesBelow } from '../support/gc.js';
import { withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';
import { Random, seedOfRun } from '../support/random.js';
import { recordFigures } from '../support/torture-figures.js';

const GROUP = 'host/x';
const FILES = 20_000;
const FILES_PER_FOLDER = 200;
const KEPT_PERCENT = 10;
/** What `.chunks` may be in the end, as a share of the content that remains. */
const MOST_TIMES = 1.5;

const contentOf = (n: number): Buffer => noise(`${n}`, 200 + ((n * 7919) % 8000));

test('of 20,000 small files with 90 % deleted at random, little more remains than the rest', async (t) => {
  const seed = seedOfRun(t);
  const random = new Random(seed);
  await withStore(
    async (store) => {
      const current = join(store.mountpoint, GROUP, 'current');
      const pathOf = (n: number): string => join(current, `${Math.floor(n / FILES_PER_FOLDER)}`, `${n}`);
      for (let n = 0; n < FILES; n += 1) {
        if (n % FILES_PER_FOLDER === 0) mkdirSync(join(pathOf(n), '..'));
        writeFileSync(pathOf(n), contentOf(n));
      }
      store.cairn('sync');
      const chunks = join(store.store, '.chunks');
      const before = bytesBelow(chunks);
      const kept: number[] = [];
      for (let n = 0; n < FILES; n += 1) {
        if (random.below(100) < KEPT_PERCENT) kept.push(n);
        else unlinkSync(pathOf(n));
      }
      const { plan, freed } = JSON.parse(store.cairn('gc', '--json', '--grace', '0')) as GcReport;
      const left = bytesBelow(chunks);
      const remains = kept.reduce((sum, n) => sum + contentOf(n).length, 0);
      assert.ok(left <= MOST_TIMES * remains, `${left} bytes of chunks for ${remains} of files`);
      for (const n of kept) assert.deepEqual(readFileSync(pathOf(n)), contentOf(n));
      await store.umount();
      checkAllChunks(store.store);
      recordFigures('small-files-gc', seed, {
        ...{ files: FILES, kept: kept.length, repacked: plan.repack.files },
        ...{ bytesBefore: before, bytesFreed: freed.bytes, bytesLeft: left, bytesOfFiles: remains },
        percentOfFiles: Math.round((100 * left) / remains),
      });
    },
    { groups: [GROUP] },
  );
});
