import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeNewFiles, type NewFile } from '../../src/native/new-files.js';
import { NewFileBatches } from '../../src/snapshot/restore/new-file-batches.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const uid = process.getuid?.() ?? 0;
const gid = process.getgid?.() ?? 0;
const nothing = async (): Promise<void> => undefined;

function opened(t: TestContext): { folder: string; descriptor: number } {
  const folder = temporaryFolder(t);
  const descriptor = openSync(folder, 'r');
  t.after(() => closeSync(descriptor));
  return { folder, descriptor };
}

function fileOf(folder: number, name: string, content = name): NewFile {
  return {
    ...{ folder, temporary: Buffer.from(`.new-${name}`), name: Buffer.from(name), content: Buffer.from(content) },
    ...{ mode: 0o640, uid, gid, atime: { sec: 1, nsec: 5 }, mtime: { sec: -7, nsec: 123_456_789 } },
  };
}

test('new files have their content, mode, owner and times', async (t) => {
  const { folder, descriptor } = opened(t);
  const names = ['a', 'b', 'naïve'];
  const made = await makeNewFiles(
    [...names.map((name) => fileOf(descriptor, name)), fileOf(descriptor, 'c', '')],
    false,
  );
  assert.deepEqual(made, [true, true, true, true]);
  assert.deepEqual(readdirSync(folder).sort(), ['a', 'b', 'c', 'naïve']);
  const status = statSync(join(folder, 'a'), { bigint: true });
  assert.deepEqual([status.mode & 0o7777n, Number(status.uid), Number(status.gid)], [0o640n, uid, gid]);
  assert.deepEqual([status.mtimeNs, status.atimeNs], [-7n * 1_000_000_000n + 123_456_789n, 1_000_000_005n]);
  for (const name of names) assert.equal(readFileSync(join(folder, name), 'utf8'), name);
});

test('nothing is replaced or followed, and nothing is left of a file that cannot be made', async (t) => {
  const { folder, descriptor } = opened(t);
  writeFileSync(join(folder, 'there'), 'before');
  symlinkSync('elsewhere', join(folder, 'link'));
  symlinkSync('elsewhere', join(folder, '.new-taken'));
  const wanted = ['there', 'link', 'taken', 'fine'].map((name) => fileOf(descriptor, name));
  assert.deepEqual(await makeNewFiles(wanted, false), [false, false, false, true]);
  assert.deepEqual(readdirSync(folder).sort(), ['.new-taken', 'fine', 'link', 'there']);
  assert.equal(readFileSync(join(folder, 'there'), 'utf8'), 'before');
});

test('a name that leads out of its folder is refused', async (t) => {
  const { folder, descriptor } = opened(t);
  for (const name of ['../out', 'a/b', ''])
    await assert.rejects(makeNewFiles([{ ...fileOf(descriptor, 'x'), name: Buffer.from(name) }], false), RangeError);
  assert.deepEqual(readdirSync(folder), []);
});

test('what is behind new files is done when they are there, what was not made is tried otherwise', async (t) => {
  const { folder, descriptor } = opened(t);
  writeFileSync(join(folder, 'f7'), 'before');
  const batches = new NewFileBatches(false);
  const seen: string[] = [];
  for (let i = 0; i < 400; i += 1) {
    const made = (): void => void seen.push(`f${i}`);
    await batches.add(fileOf(descriptor, `f${i}`), made, async () => void seen.push(`otherwise f${i}`));
    if (i % 100 === 99) {
      const there = async (): Promise<void> => void seen.push(`${readdirSync(folder).length > i}`);
      await batches.behind(there, () => seen.push('end'));
    }
  }
  await batches.settled();
  const files = seen.filter((what) => what.includes('f'));
  assert.deepEqual(
    files,
    Array.from({ length: 400 }, (_, i) => (i === 7 ? 'otherwise f7' : `f${i}`)),
  );
  const ends = seen.flatMap((what, index) => (what === 'end' ? [index] : []));
  assert.equal(ends.length, 4);
  for (const [index, at] of ends.entries()) {
    assert.equal(seen[at - 1], 'true');
    assert.ok(seen.indexOf(`f${index * 100 + 99}`) < at);
  }
});

test('after a failure nothing more is done but what has to be', async (t) => {
  const { folder, descriptor } = opened(t);
  writeFileSync(join(folder, 'a'), 'before');
  const batches = new NewFileBatches(false);
  const seen: string[] = [];
  const fail = (): Promise<void> => Promise.reject(new Error('no room'));
  await batches.add(fileOf(descriptor, 'a'), () => seen.push('a'), fail);
  await batches.behind(
    async () => void seen.push('work'),
    () => seen.push('end'),
  );
  await assert.rejects(batches.settled(), /no room/);
  assert.deepEqual(seen, ['end']);
  await assert.rejects(
    batches.add(fileOf(descriptor, 'b'), () => undefined, nothing),
    /no room/,
  );
});
