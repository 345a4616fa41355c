import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import type { CairnError } from '../../src/core/errors.js';
import { ofKind } from '../support/catalog.js';
import { brokenRelations, dumpCatalog } from '../support/catalog-check.js';
import { bodyOf, TestLiveStore } from '../support/live-store.js';
import { Random } from '../support/random.js';
import { fillDisk, memoryDisk, NEEDS_ROOT } from '../support/small-disk.js';

const MIB = 1024 * 1024;
const RESERVE_BYTES = 4 * MIB;
const random = new Random(12);

interface SmallStore {
  readonly store: TestLiveStore;
  readonly disk: string;
}

async function smallStore(t: TestContext): Promise<SmallStore> {
  const disk = memoryDisk(t, 64);
  return { store: await TestLiveStore.make(t, { inside: disk, reserveBytes: RESERVE_BYTES }), disk };
}

function unlink(store: TestLiveStore, name: string): void {
  store.live.parts.log.make({
    kind: 'unlink',
    parent: store.current,
    name: Buffer.from(name),
    timeSec: 9,
    timeNsec: 0,
  });
}

function names(store: TestLiveStore): string[] {
  return store.datastore.catalog.names.entries(store.current, 0, 1000).map(({ name }) => Buffer.from(name).toString());
}

function reserved(store: TestLiveStore): number {
  return statSync(store.datastore.paths.reserve).blocks * 512;
}

/** The next call of `catalog.transactions.commit` finds the disk full. @returns what gives the room back */
function fullAtCommit(t: TestContext, { store, disk }: SmallStore): () => void {
  const { transactions } = store.datastore.catalog;
  let empty: (() => void) | undefined;
  const real = transactions.commit.bind(transactions);
  t.mock.method(transactions, 'commit', (sequence: number) => {
    empty ??= fillDisk(disk);
    real(sequence);
  });
  return () => empty?.();
}

async function stores(store: TestLiveStore, name: string, bytes: Buffer): Promise<number> {
  const ino = store.makeFile(name);
  const content = store.openFile(ino);
  await content.write(0, bodyOf(bytes));
  await content.flush();
  await store.live.contents.close(ino);
  return ino;
}

test('on a full disk what frees room gets the reserve, and nothing new is taken until it is back', {
  skip: NEEDS_ROOT,
}, async (t) => {
  const { store, disk } = await smallStore(t);
  const { room } = store.live.parts;
  const bytes = random.bytes(300_000);
  for (const name of ['a', 'b', 'c']) store.makeFile(name);
  const kept = await stores(store, 'kept', bytes);
  assert.ok(reserved(store) >= RESERVE_BYTES);
  assert.equal(room.isUsedUp(), false);
  const empty = fillDisk(disk);
  assert.equal(room.isUsedUp(), true);
  const makeUntilFull = (): void => {
    for (let n = 0; n < 1000; n++) store.makeFile(`more ${n}`);
  };
  assert.throws(makeUntilFull, ofKind('no-space'));
  assert.equal(room.scarce, false, 'the reserve was given up for something new');
  unlink(store, 'b');
  await store.live.durability.commitDurably();
  assert.equal(room.scarce, true);
  assert.equal(statSync(store.datastore.paths.reserve).size, RESERVE_BYTES);
  assert.equal(reserved(store), 0);
  assert.throws(() => store.makeFile('more'), ofKind('no-space'));
  const content = store.openFile(kept);
  await assert.rejects(async () => content.write(0, bodyOf(bytes)), ofKind('no-space'));
  await store.live.contents.close(kept);
  await room.look();
  assert.equal(room.scarce, true, 'there is no room for the reserve yet');
  empty();
  await room.look();
  assert.equal(room.scarce, false);
  assert.ok(reserved(store) >= RESERVE_BYTES);
  await stores(store, 'more', bytes);
  assert.ok((await store.read(kept)).equals(bytes));
});

test('a commit that SQLite rolls back on a full disk is rebuilt from the journal', { skip: NEEDS_ROOT }, async (t) => {
  const small = await smallStore(t);
  const { store } = small;
  const { catalog } = store.datastore;
  const bytes = random.bytes(50_000);
  const ino = await stores(store, 'small', bytes);
  for (let n = 0; n < 500; n++) store.makeFile(`file ${n}`);
  unlink(store, 'file 7');
  const before = names(store);
  const dump = dumpCatalog(catalog);
  const unused = catalog.inodes.allocate();
  const empty = fullAtCommit(t, small);
  await store.live.durability.commitDurably();
  assert.equal(catalog.transactions.rollbacks, 1, 'SQLite did not roll back');
  assert.equal(store.live.parts.log.failure, undefined);
  assert.equal(store.live.parts.room.scarce, true);
  assert.deepEqual(dumpCatalog(catalog), dump);
  assert.ok(catalog.inodes.allocate() > unused, 'an inode number was given out twice');
  assert.deepEqual(brokenRelations(store.datastore.paths.catalog), []);
  unlink(store, 'file 8');
  empty();
  await store.crash();
  assert.deepEqual(
    names(store),
    before.filter((name) => name !== 'file 8'),
  );
  assert.ok((await store.read(ino)).equals(bytes));
});

test('a rolled back transaction that held more than changes turns the store read-only', {
  skip: NEEDS_ROOT,
}, async (t) => {
  const small = await smallStore(t);
  const { store } = small;
  store.makeFile('a');
  store.datastore.catalog.chunks.setState(random.bytes(32), 'quarantined');
  const empty = fullAtCommit(t, small);
  await assert.rejects(store.live.durability.commitDurably(), ofKind('no-space'));
  assert.ok(store.live.parts.log.failure !== undefined);
  assert.throws(() => store.makeFile('b'), ofKind('read-only'));
  empty();
  await store.crash();
  assert.deepEqual(names(store), ['a']);
});

test('a change that SQLite cannot take is made again with all before it', async (t) => {
  const store = await TestLiveStore.make(t);
  const { catalog } = store.datastore;
  for (let n = 0; n < 100; n++) store.makeFile(`file ${n}`);
  const fail = () => {
    throw new Database.SqliteError('made to fail', 'SQLITE_FULL');
  };
  const once = t.mock.method(catalog, 'apply', () => catalog.transactions.write('fail', fail, 'journal'));
  // The rebuild asks the catalog, too.
  const real = store.live.parts.room.giveUp.bind(store.live.parts.room);
  t.mock.method(store.live.parts.room, 'giveUp', (why: string) => {
    once.mock.restore();
    return real(why);
  });
  store.makeFile('last');
  assert.equal(store.live.parts.log.failure, undefined);
  assert.equal(catalog.transactions.state, 'open');
  assert.equal(names(store).length, 101);
  await store.live.durability.commitDurably();
  await store.crash();
  assert.equal(names(store).length, 101);
});

test('a change that contradicts the catalog is not made again', async (t) => {
  const store = await TestLiveStore.make(t);
  assert.throws(
    () => unlink(store, 'nothing of this name'),
    (error: CairnError) => error.kind === 'io',
  );
  assert.ok(store.live.parts.log.failure !== undefined);
  assert.equal(store.live.parts.room.scarce, false, 'the reserve was given up for it');
});
