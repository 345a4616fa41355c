import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import type { Change } from '../../src/catalog/change.js';
import { Transactions } from '../../src/catalog/transactions.js';
import { ByteWriter } from '../../src/content/journal/byte-writer.js';
import { RECORD_FIXED_BYTES, writeRecord } from '../../src/content/journal/record.js';
import { JournalFile } from '../../src/native/journal-file.js';
import { FILE, FOLDER, newInode, ofKind } from '../support/catalog.js';
import { brokenRelations } from '../support/catalog-check.js';
import { TestLiveStore } from '../support/live-store.js';

const TIME = { timeSec: 9, timeNsec: 0 };

function names(store: TestLiveStore): string[] {
  return store.datastore.catalog.names.entries(store.current, 0, 1000).map(({ name }) => Buffer.from(name).toString());
}

function makeFolder(store: TestLiveStore, name: string): number {
  const ino = store.datastore.catalog.inodes.allocate();
  const change = { parent: store.current, name: Buffer.from(name), inode: newInode(ino, FOLDER), xattrs: [] };
  store.live.parts.log.make({ kind: 'create', ...change });
  return ino;
}

/** Changes whose records are right and that no catalog with the file `a` and the folder `full` takes. */
const REFUSED: Record<string, (store: TestLiveStore, a: number, full: number) => Change> = {
  'removes a folder that is not empty': ({ current: parent }) => ({
    ...{ kind: 'unlink', parent, name: Buffer.from('full'), ...TIME },
  }),
  'names a number beyond all': ({ current: parent }) => ({
    ...{ kind: 'create', parent, name: Buffer.from('big'), inode: newInode(2 ** 45, FILE), xattrs: [] },
  }),
  'fails half-way': ({ current: parent }, a) => ({
    ...{ kind: 'create', parent, name: Buffer.from('twice'), inode: newInode(a, FILE), xattrs: [] },
  }),
  'has a time that is none': (_, a) => ({ kind: 'attributes', ino: a, fields: { mtimeSec: 1.5 } }),
};

for (const [what, refused] of Object.entries(REFUSED)) {
  test(`a journal whose record ${what} ends there, whole records behind it or not`, async (t) => {
    const store = await TestLiveStore.make(t);
    const a = store.makeFile('a');
    const full = makeFolder(store, 'full');
    const inode = newInode(store.datastore.catalog.inodes.allocate(), FILE);
    store.live.parts.log.make({ kind: 'create', parent: full, name: Buffer.from('in'), inode, xattrs: [] });
    const { journal } = store.live.parts;
    journal.append(refused(store, a, full), [], 0);
    const behind = { ...newInode(store.datastore.catalog.inodes.allocate(), FILE) };
    const change = { parent: store.current, name: Buffer.from('behind'), inode: behind, xattrs: [] };
    journal.append({ kind: 'create', ...change }, [], 0);
    await journal.sync();
    await store.crash();
    await assertGoesOn(store, ['a', 'full']);
    assert.ok(
      store.log.lines.some((line) => /^error .*catalog refuses/.test(line)),
      store.log.lines.join('\n'),
    );
  });
}

test('a journal with a record of an unknown kind ends there', async (t) => {
  const store = await TestLiveStore.make(t);
  store.makeFile('a');
  const { lastSequence } = store.live.parts.journal;
  const folder = store.datastore.paths.journal;
  store.close();
  const writer = new ByteWriter();
  writeRecord(writer, lastSequence + 1, 0, { type: 'change', change: { kind: 'drop-orphan', ino: 1 } });
  const record = Buffer.from(writer.view());
  record.writeUInt8(200, RECORD_FIXED_BYTES);
  const last = Math.max(...readdirSync(folder).map(Number));
  const file = JournalFile.open(join(folder, String(last + 1)), { create: true, preallocateBytes: 0 });
  file.append(record, []);
  file.close();
  await store.open();
  await assertGoesOn(store, ['a']);
});

test('a database that fails while the journal is replayed is no reason to drop any of it', async (t) => {
  const store = await TestLiveStore.make(t);
  store.makeFile('a');
  store.close();
  const fails = t.mock.method(Transactions.prototype, 'write', function (this: Transactions): never {
    fails.mock.restore();
    return this.write('apply a change', () => {
      throw new Database.SqliteError('disk I/O error', 'SQLITE_IOERR_WRITE');
    });
  });
  await assert.rejects(store.open(), ofKind('io'));
  assert.equal(fails.mock.callCount(), 1);
  store.close();
  await store.open();
  assert.deepEqual(names(store), ['a']);
});

/** What came before counts, the store takes changes, and the next mount finds all of it. */
async function assertGoesOn(store: TestLiveStore, before: readonly string[]): Promise<void> {
  assert.deepEqual(names(store), before);
  assert.equal(store.live.parts.log.failure, undefined);
  store.makeFile('later');
  await store.crash();
  assert.deepEqual(names(store), [...before, 'later']);
  await store.commitAll();
  assert.deepEqual(brokenRelations(store.datastore.paths.catalog), []);
}
