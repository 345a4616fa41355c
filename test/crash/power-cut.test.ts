import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { formatSnapshotTime } from '../../src/core/snapshot-time.js';
import { hasCommand } from '../support/commands.js';
import { withStore } from '../support/mounted-store.js';
import { CutDisk } from '../support/power-cut/cut-disk.js';
import { cutAndJudge } from '../support/power-cut/cut-run.js';
import { withStoreAfterCut } from '../support/power-cut/store-after-cut.js';
import { seedOfRun } from '../support/random.js';

/** `scripts/torture power-cut` makes more. */
const CUTS = 10;

function whyNot(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  return hasCommand('mkfs.xfs') ? false : 'needs xfsprogs';
}

test('a power cut takes nothing that was promised and leaves nothing broken', { skip: whyNot() }, async (t) => {
  const counts = await cutAndJudge(seedOfRun(t), CUTS);
  t.diagnostic(JSON.stringify(counts));
  assert.ok(counts.cuts > 0, 'a cut that lacks something');
});

test('a forgotten snapshot does not come back after a power cut, and a new one of its name stays', {
  skip: whyNot(),
}, async () => {
  const disk = new CutDisk(200);
  const name = `host/x/${formatSnapshotTime(Math.floor(Date.now() / 1000))}`;
  try {
    let place = '';
    await withStore(
      async ({ store, mountpoint }) => {
        place = relative(disk.root, store);
        const file = join(mountpoint, 'host/x/current/file');
        writeFileSync(file, 'the forgotten one');
        mkdirSync(join(mountpoint, name));
        rmdirSync(join(mountpoint, name));
        await disk.cut(0);
        writeFileSync(file, 'the new one');
        mkdirSync(join(mountpoint, name));
        await disk.cut(1);
      },
      { inside: disk.root, groups: ['host/x'] },
    );
    const isAsCut = (cut: number, judge: (path: string) => void) =>
      disk.withCut(cut, (root) =>
        withStoreAfterCut(join(root, place), async ({ mountpoint }) => judge(join(mountpoint, name))),
      );
    await isAsCut(0, (snapshot) => assert.equal(existsSync(snapshot), false));
    await isAsCut(1, (snapshot) => assert.equal(readFileSync(join(snapshot, 'file'), 'utf8'), 'the new one'));
  } finally {
    disk.remove();
  }
});
