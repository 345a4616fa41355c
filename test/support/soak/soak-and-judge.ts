import assert from 'node:assert/strict';
import { checkAllChunks } from '../check-chunks.js';
import { withStore } from '../mounted-store.js';
import { judgeChunks } from './judge-chunks.js';
import { Soak, type SoakCounts } from './soak.js';

/**
 * Soaks a store of its own and judges it: nothing is lost, nothing is left over.
 * @param least so many snapshots, collections and kills there are at least, however slow the machine
 */
export async function soakAndJudge(
  seed: number,
  seconds: number,
  least = 0,
): Promise<SoakCounts & { files: number; chunks: number }> {
  let files = 0;
  let chunks = 0;
  let counts: SoakCounts | undefined;
  await withStore(async (store) => {
    const soak = new Soak(store, seed);
    await soak.run(seconds, least);
    files = await soak.judgeSnapshots();
    soak.judgeLiveTrees();
    store.cairn('verify');
    store.cairn('check', '--deep');
    soak.emptyLiveTrees();
    await store.remount();
    store.cairn('gc', '--grace', '0s', '--full');
    await soak.judgeSnapshots();
    assert.deepEqual(store.status().problems, []);
    await store.umount();
    chunks = judgeChunks(store.store);
    checkAllChunks(store.store);
    counts = soak.counts;
  });
  assert.ok(counts !== undefined);
  return { ...counts, files, chunks };
}
