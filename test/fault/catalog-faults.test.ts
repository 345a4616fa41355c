import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { callDaemon } from '../../src/control/client.js';
import { ownSocketPath } from '../../src/daemon/control-socket.js';
import { until } from '../support/commands.js';
import { writeSynced } from '../support/faults/files.js';
import { errorOf, withShim } from '../support/faults/shimmed-store.js';
import type { IoShim } from '../support/io-shim.js';
import type { TestStore } from '../support/mounted-store.js';

const BYTES = Buffer.from('acknowledged');

function commit(store: TestStore): Promise<unknown> {
  return callDaemon(ownSocketPath(store.store), 'catalog-commit', {});
}

/** All that was acknowledged is there, as readdir has it and as it is opened. */
function assertThere(current: string, names: readonly string[]): void {
  assert.deepEqual(readdirSync(current).sort(), [...names].sort());
  for (const name of names) assert.ok(readFileSync(join(current, name)).equals(BYTES), name);
}

interface Case {
  readonly store: TestStore;
  readonly shim: IoShim;
  readonly current: string;
}

test('a failed write or read of the catalog takes nothing out of sight', async (t) => {
  await withShim(async (store, shim, current) => {
    const parts = { store, shim, current };
    store.log.expect(/catalog|SQLITE|no more changes/i);
    await t.test('one write of its log that fails: the transaction is made anew, and all goes on', () =>
      oneFailedWrite(parts),
    );
    await t.test('every write of its log fails: nothing more is taken, and all that was is there', () =>
      everyWriteFails(parts),
    );
    await t.test('one page that cannot be read: it is read once more, and all goes on', () => oneUnreadPage(parts));
    await t.test('no page can be read: that is an I/O error and no absence, until they can be read again', () =>
      noPageReads(parts),
    );
    await t.test('one sync of its log that fails: a later one proves nothing, so nothing more is taken', () =>
      oneFailedSync(parts),
    );
    await t.test(
      'a snapshot whose row could not be made to last: nothing contradicts it, now or at the next mount',
      () => syncsOfSnapshots(parts),
    );
  });
});

async function oneFailedWrite({ store, shim, current }: Case): Promise<void> {
  writeSynced(join(current, 'a'), BYTES);
  shim.arm({ classes: ['wal'], operations: ['write'], action: 'fail', error: 'EIO' });
  await commit(store);
  assert.equal(shim.tally.hit, 1);
  assertThere(current, ['a']);
  writeSynced(join(current, 'b'), BYTES);
  await commit(store);
  assert.deepEqual(store.status().problems, []);
  assert.doesNotMatch(store.log.text(), /reserve/);
}

async function everyWriteFails({ store, shim, current }: Case): Promise<void> {
  writeSynced(join(current, 'c'), BYTES);
  shim.arm({ classes: ['wal'], operations: ['write'], action: 'fail', error: 'EIO', fromThen: true });
  await assert.rejects(commit(store));
  assertThere(current, ['a', 'b', 'c']);
  assert.equal(
    errorOf(() => writeFileSync(join(current, 'd'), BYTES)),
    'EROFS',
  );
  shim.disarm();
  assertThere(current, ['a', 'b', 'c']);
  assert.match(store.run(['status']).stdout, /^Problem .*takes no changes.*mount it again/m);
  assert.doesNotMatch(store.log.text(), /reserve/);
  await store.remount();
  assertThere(current, ['a', 'b', 'c']);
}

async function oneUnreadPage({ store, shim, current }: Case): Promise<void> {
  await store.remount();
  writeSynced(join(current, 'd'), BYTES);
  shim.arm({ classes: ['catalog', 'wal'], operations: ['read'], action: 'fail', error: 'EIO' });
  await readUntilHit(
    () => assertThere(current, ['a', 'b', 'c', 'd']),
    current,
    () => shim.tally.hit > 0,
  );
  shim.disarm();
  assertThere(current, ['a', 'b', 'c', 'd']);
  writeSynced(join(current, 'e'), BYTES);
  await commit(store);
  rmSync(join(current, 'e'));
  assert.deepEqual(store.status().problems, []);
  store.cairn('check', '--deep');
}

async function noPageReads({ store, shim, current }: Case): Promise<void> {
  await store.remount();
  writeSynced(join(current, 'e'), BYTES);
  shim.arm({ classes: ['catalog', 'wal'], operations: ['read'], action: 'fail', error: 'EIO', fromThen: true });
  const isHit = (): boolean => shim.tally.hit > 0;
  for (let n = 0; n < 10_000 && !isHit(); n++) errorOf(() => readFileSync(join(current, `none ${n}`)));
  assert.ok(isHit(), 'no page had to be read');
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    assert.match(errorOf(() => readFileSync(join(current, name))) ?? 'EIO', /^EIO$/, name);
  }
  const { status, stdout, stderr } = store.run(['status']);
  assert.equal(status, 6, stderr);
  assert.match(stdout, /^Problem .*takes no changes.*mount it again/m);
  shim.disarm();
  const isReadable = (): boolean => errorOf(() => readFileSync(join(current, 'e'))) === undefined;
  await until('the tree', isReadable);
  assertThere(current, ['a', 'b', 'c', 'd', 'e']);
  assert.match(store.log.text(), /Cannot read the catalog: /);
  await store.remount();
  assertThere(current, ['a', 'b', 'c', 'd', 'e']);
  store.cairn('check', '--deep');
}

async function oneFailedSync({ store, shim, current }: Case): Promise<void> {
  writeSynced(join(current, 'f'), BYTES);
  shim.arm({ classes: ['wal'], operations: ['sync'], action: 'fail', error: 'EIO' });
  const { status, stderr } = store.run(['snapshot', 'create', groupOf(current)]);
  assert.equal(shim.tally.hit, 1);
  assert.notEqual(status, 0, stderr);
  assert.equal(
    errorOf(() => writeFileSync(join(current, 'g'), BYTES)),
    'EROFS',
  );
  // Where the log is begun anew SQLite syncs it within the commit.
  const problem = /^Problem .*(log cannot be synced|catalog cannot be committed).*mount it again/m;
  assert.match(store.run(['status']).stdout, problem);
  assertThere(current, ['a', 'b', 'c', 'd', 'e', 'f']);
  await store.remount();
  assertThere(current, ['a', 'b', 'c', 'd', 'e', 'f']);
  store.cairn('check', '--deep');
}

/** Each look at the log's file that a snapshot takes, up to the last, which comes when the snapshot is there. */
async function syncsOfSnapshots({ store, shim, current }: Case): Promise<void> {
  const told: string[] = [];
  for (let nth = 1; ; nth++) {
    await store.remount();
    writeSynced(join(current, 'f'), Buffer.from(BYTES));
    shim.arm({ classes: ['wal'], operations: ['open'], action: 'fail', error: 'EIO', nth });
    store.run(['snapshot', 'create', groupOf(current)]);
    const { hit } = shim.tally;
    shim.disarm();
    told.push(store.run(['status']).stdout);
    store.cairn('check', '--deep');
    await store.remount();
    store.cairn('check', '--deep');
    if (hit === 0) break;
  }
  assert.ok(told.some((status) => /^Problem .*log cannot be synced.*mount it again/m.test(status)));
}

function groupOf(current: string): string {
  return current.split('/').slice(-3, -1).join('/');
}

/** Looks at the tree, then at names that are not there, until a page was to be read. */
async function readUntilHit(look: () => void, current: string, isHit: () => boolean): Promise<void> {
  look();
  for (let n = 0; n < 10_000 && !isHit(); n++)
    assert.equal(
      errorOf(() => readFileSync(join(current, `none ${n}`))),
      'ENOENT',
    );
  assert.ok(isHit(), 'no page had to be read');
}
