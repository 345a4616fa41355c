import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../support/commands.js';
import { RsyncLoad } from '../support/kills/rsync-load.js';
import { type TestStore, withStore } from '../support/mounted-store.js';
import { Random, seedOfRun } from '../support/random.js';

const GROUP = 'host/x';
const DISKS = ['d0', 'd1', 'd2', 'd3'];
const KILLS = 2;

/** Kills the daemon in the middle of an rsync and mounts again; what was closed is there. */
async function killAndJudge(store: TestStore, load: RsyncLoad, random: Random, between: () => void): Promise<void> {
  const rsync = load.run().then(
    () => 'ended',
    () => 'failed',
  );
  const some = random.between(1, 20);
  await until('some files', () => load.finished().names.length >= some);
  // What rsync prints once the daemon is dead says nothing.
  const finished = load.finished();
  await store.kill9();
  assert.equal(await rsync, 'failed', 'rsync had ended before');
  between();
  await store.mount();
  load.judge(finished);
}

test('with chunks in pieces on several disks nothing that was closed is lost by kills, whichever disk is gone then', async (t) => {
  const seed = seedOfRun(t);
  const random = new Random(seed);
  const folder = mkdtempSync(join(tmpdir(), 'cairn-disks-'));
  const disk = (id: string): string => join(folder, id);
  const places = DISKS.map((id) => `${id}=${disk(id)}`);
  const init = ['--redundancy', 'ec:2+1', '--backend', ...places, '--'];
  const judgeAll = async (store: TestStore): Promise<void> => {
    const load = new RsyncLoad(folder, join(store.mountpoint, GROUP, 'current/tree'), seed);
    try {
      // Of the disk that is away.
      store.log.expect(/./);
      for (let n = 0; n < KILLS; n += 1) {
        const lost = disk(random.pick(DISKS));
        await killAndJudge(store, load, random, () => renameSync(lost, `${lost}-away`));
        // The three that are left are enough to write to.
        await killAndJudge(store, load, random, () => renameSync(`${lost}-away`, lost));
      }
      await load.run();
      store.cairn('snapshot', 'create', GROUP);
      store.cairn('repair');
      store.cairn('check', '--deep');
      assert.match(store.cairn('repair', '--dry-run'), /: (\d+) whole, 0 lack pieces, 0 lost, 0 missing/);
      const last = disk(random.pick(DISKS));
      await store.umount();
      renameSync(last, `${last}-away`);
      await store.mount();
      load.judge(load.finished());
    } finally {
      load.end();
    }
  };
  try {
    await withStore(judgeAll, { init, groups: [GROUP] });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
