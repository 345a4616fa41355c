import assert from 'node:assert/strict';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FileBatch } from '../../src/backend/file-batch.js';
import { FsBackend } from '../../src/backend/fs/fs-backend.js';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const isKind = (kind: ErrorKind) => (error: unknown) => error instanceof CairnError && error.kind === kind;

async function listed(backend: FsBackend, prefix: string): Promise<string[]> {
  const names: string[] = [];
  for await (const name of backend.list(prefix)) names.push(name);
  return names.sort();
}

test('an object is a file of its name, and nothing else is left', async (t) => {
  const folder = temporaryFolder(t);
  await new FsBackend(folder).put('.chunks/a9/a948', Buffer.from('bytes'));
  assert.equal(readFileSync(join(folder, '.chunks/a9/a948'), 'utf8'), 'bytes');
  assert.deepEqual(readdirSync(join(folder, '.chunks/a9')), ['a948']);
  assert.equal(statSync(join(folder, '.chunks/a9/a948')).mode & 0o777, 0o644);
});

test('a put that fails leaves the old bytes and no temporary file', async (t) => {
  const folder = temporaryFolder(t);
  const backend = new FsBackend(folder);
  await backend.put('folder/name', Buffer.from('old'));
  mkdirSync(join(folder, 'folder/taken/inside'), { recursive: true });
  await assert.rejects(backend.put('folder/taken', Buffer.from('new')), CairnError);
  await assert.rejects(backend.put('folder/name/below', Buffer.from('new')), isKind('not-a-directory'));
  assert.deepEqual(readdirSync(join(folder, 'folder')).sort(), ['name', 'taken']);
  assert.equal((await backend.get('folder/name')).toString(), 'old');
});

test('touching sets the time of use', async (t) => {
  const folder = temporaryFolder(t);
  const backend = new FsBackend(folder);
  await backend.put('name', Buffer.from('1'));
  utimesSync(join(folder, 'name'), 1000, 1000);
  const before = Date.now() / 1000 - 10;
  await backend.touch('name');
  assert.ok(statSync(join(folder, 'name')).atimeMs / 1000 > before);
});

test('a barrier does not mind what was to be removed or moved and was never there', async (t) => {
  const backend = new FsBackend(temporaryFolder(t));
  assert.deepEqual(await backend.removeAll(['no/such/name']), [false]);
  assert.deepEqual(await backend.moveAll([{ from: 'nor/this', to: 'new/place' }]), [false]);
  await backend.sync();
});

test('unfinished puts, links and what has no name of ours are not listed', async (t) => {
  const folder = temporaryFolder(t);
  const backend = new FsBackend(folder);
  await backend.put('a/1', Buffer.from('1'));
  writeFileSync(join(folder, 'a/2.tmp_a1B2c3'), 'torn');
  writeFileSync(join(folder, 'a/not one of ours'), '');
  symlinkSync('1', join(folder, 'a/link'));
  mkdirSync(join(folder, 'a/empty'));
  assert.deepEqual(await listed(backend, ''), ['a/1']);
});

test('a folder that cannot be listed is no empty one', async (t) => {
  const folder = temporaryFolder(t);
  const backend = new FsBackend(join(folder, 'store'));
  await assert.rejects(listed(backend, ''), isKind('not-found'));
  writeFileSync(join(folder, 'store'), '');
  await assert.rejects(listed(backend, 'sub'), isKind('not-a-directory'));
  await assert.rejects(backend.size('sub/name'), isKind('not-a-directory'));
  await assert.rejects(backend.touch('sub/name'), isKind('not-a-directory'));
});

test('a barrier that finds a file gone is the last: nothing after it can be believed', async (t) => {
  const folder = temporaryFolder(t);
  const backend = new FsBackend(folder);
  await backend.put('kept', Buffer.from('1'));
  await backend.put('lost', Buffer.from('1'));
  rmSync(join(folder, 'lost'));
  await assert.rejects(backend.sync(), isKind('io'));
  await assert.rejects(backend.sync(), isKind('io'));
  await assert.rejects(backend.put('more', Buffer.from('1')), isKind('io'));
  assert.equal((await backend.get('kept')).toString(), '1');
});

test('what was removed through the backend is not missed by a barrier', async (t) => {
  const backend = new FsBackend(temporaryFolder(t));
  await backend.put('folder/a', Buffer.from('1'));
  await backend.put('folder/b', Buffer.from('1'));
  const removed = backend.removeAll(['folder/a']);
  await Promise.all([removed, backend.sync()]);
  await backend.put('folder/a', Buffer.from('2'));
  await backend.sync();
  assert.equal((await backend.get('folder/a')).toString(), '2');
});

test('a standing folder that is gone is not made anew: its disk may come back', async (t) => {
  const folder = temporaryFolder(t);
  const backend = new FsBackend(folder, ['.chunks']);
  await assert.rejects(backend.put('.chunks/a9/a948', Buffer.from('bytes')), isKind('io'));
  await backend.put('other/a9/a948', Buffer.from('bytes'));
  mkdirSync(join(folder, '.chunks'));
  await backend.put('.chunks/a9/a948', Buffer.from('bytes'));
  assert.equal((await backend.get('.chunks/a9/a948')).toString(), 'bytes');
});

test('what is put together with others is put as it would be alone', async (t) => {
  const [first, second, gone] = ['first', 'second', 'gone'].map((name) => join(temporaryFolder(t), name));
  for (const folder of [first, second, gone] as string[]) mkdirSync(folder);
  const backends = [first, second, gone].map((folder) => new FsBackend(folder as string, ['.chunks']));
  for (const folder of [first, second]) mkdirSync(join(folder as string, '.chunks'));
  const parts = [Buffer.from('new '), Buffer.from('bytes')];
  await backends[1]?.put('.chunks/a9/a948', Buffer.from('old'));
  const batch = new FileBatch();
  assert.deepEqual(
    await Promise.all(backends.map((backend) => backend.localFiles.together(batch).lacks('.chunks/a9/a948'))),
    [true, false, true],
  );
  const puts = await Promise.allSettled(
    backends.map((backend) => backend.localFiles.together(batch).put('.chunks/a9/a948', parts)),
  );
  assert.deepEqual(
    puts.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected'],
  );
  assert.throws(() => {
    throw (puts[2] as PromiseRejectedResult).reason;
  }, /is a disk missing/);
  for (const folder of [first, second] as string[]) {
    assert.equal(readFileSync(join(folder, '.chunks/a9/a948'), 'utf8'), 'new bytes');
    assert.deepEqual(readdirSync(join(folder, '.chunks/a9')), ['a948']);
    rmSync(join(folder, '.chunks/a9/a948'));
  }
  // Both were noted: a barrier misses them.
  await assert.rejects(backends[0]?.sync() ?? Promise.resolve(), isKind('io'));
  await assert.rejects(backends[1]?.sync() ?? Promise.resolve(), isKind('io'));
});
