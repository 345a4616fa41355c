import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MARK_NAME } from '../../src/backend/spread/mark.js';
import type { BackendCommandArguments } from '../../src/control/backend-commands.js';
import { backendHandlers } from '../../src/daemon/backend-handlers.js';
import { readConfig } from '../../src/datastore/config.js';
import { runCare } from '../support/care.js';
import { isKind } from '../support/kinds.js';
import { noise } from '../support/noise.js';
import { GROUP, OpenStore } from '../support/open-store.js';
import { NEEDS_ROOT } from '../support/small-disk.js';

const CALLER = { progress: () => undefined, signal: new AbortController().signal };

/** A store over folders, as a mount serves its backends. @param mended runs when a mend is done, before that is told */
async function served(t: TestContext, count: number, redundancy: string, mended?: () => Promise<unknown>) {
  const { store, disks } = await OpenStore.spread(t, count, redundancy);
  const { datastore } = store;
  const handlers = backendHandlers(datastore, async (job, options) => {
    const report = await runCare(t, store, job, options);
    await mended?.();
    return report;
  });
  const change = (wanted: BackendCommandArguments<'backend-change'>) => handlers['backend-change'](wanted, CALLER);
  const add = (id: string) => change({ kind: 'add', backend: { id, type: 'fs', path: join(disks, id) } });
  const mend = () => handlers['backend-mend']({ apply: true }, CALLER);
  const configured = () => readConfig(datastore.paths).backends?.map(({ id }) => id);
  const members = () => datastore.spread?.spread.members.all.map(({ settings }) => settings.id);
  return { store, disks, change, add, mend, configured, members };
}

test('changes of backends that are asked for at once are all made', async (t) => {
  const { add, change, configured, members } = await served(t, 2, 'mirror:2');
  const [, , again] = await Promise.allSettled([
    add('d2'),
    add('d3'),
    add('d2'),
    change({ kind: 'drain', id: 'd0', draining: true }),
  ]);
  assert.equal(again?.status, 'rejected', 'the one after the other sees what that one made');
  assert.deepEqual(configured(), ['d0', 'd1', 'd2', 'd3']);
  assert.deepEqual(members(), configured());
});

test('a backend whose mark cannot be taken away is removed all the same, and that is said', {
  skip: NEEDS_ROOT,
}, async (t) => {
  const { change, mend, configured, members, disks } = await served(t, 3, 'mirror:2');
  await change({ kind: 'drain', id: 'd2', draining: true });
  await mend();
  const mark = join(disks, 'd2', MARK_NAME);
  // What is a mountpoint can be read, and not removed.
  execFileSync('mount', ['--bind', mark, mark]);
  try {
    const said = /^Backend d2 is removed, but keeps its mark .*: remove .*\/d2\/\.cairn-member\.json by hand$/;
    await assert.rejects(change({ kind: 'remove', id: 'd2', lost: false }), isKind('busy', said));
  } finally {
    execFileSync('umount', [mark]);
  }
  assert.deepEqual(configured(), ['d0', 'd1']);
  assert.deepEqual(members(), configured());
});

test('a mend that is done ends no conversion that began while it ran', async (t) => {
  const wanted = ['ec:2+1'];
  const { store, change, mend } = await served(t, 4, 'single', async () => {
    for (const redundancy of wanted.splice(0)) await change({ kind: 'redundancy', redundancy });
  });
  await store.write(`${GROUP}/current/file`, noise('mended', 1_000_000));
  await store.live.packer.run();
  await store.live.durability.commitDurably();
  await change({ kind: 'redundancy', redundancy: 'mirror:2' });
  const converting = () => readConfig(store.datastore.paths).converting;
  await mend();
  assert.equal(converting(), true, 'chunks are as mirror:2 has them');
  await mend();
  assert.equal(converting(), false);
});
