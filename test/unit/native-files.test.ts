import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statfsSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  fileSize,
  fileSystemFigures,
  linkFile,
  listFolder,
  makeFolders,
  putFile,
  putNewFiles,
  readDescriptor,
  readFile,
  readRange,
  removeFile,
  renameFile,
  reserveFile,
  syncFile,
  syncFileSystem,
  syncFolder,
  touchFile,
  whichMayStand,
} from '../../src/native/files.js';
import { runNodeProgram } from '../support/node-program.js';
import { temporaryFolder } from '../support/temporary-folder.js';

test('putFile makes and replaces a file, leaving no temporary one', async (t) => {
  const folder = temporaryFolder(t);
  const [path, temporary] = [join(folder, 'file'), join(folder, '.tmp')];
  for (const sync of [false, true, 'where-it-replaces'] as const) {
    for (const length of [0, 10, 300_000]) {
      const bytes = randomBytes(length);
      writeFileSync(temporary, 'left over and longer than ten bytes');
      await putFile(path, temporary, bytes, { mode: 0o640, sync });
      assert.ok(readFileSync(path).equals(bytes));
      assert.deepEqual(readdirSync(folder), ['file']);
    }
  }
  await putFile(join(folder, 'fresh'), temporary, Buffer.alloc(1), { mode: 0o600 });
  assert.equal(statSync(join(folder, 'fresh')).mode & 0o777, 0o600);
});

test('putFile that fails leaves nothing', async (t) => {
  const folder = temporaryFolder(t);
  const taken = join(folder, 'taken');
  mkdirSync(taken);
  await assert.rejects(putFile(taken, join(folder, '.tmp'), Buffer.alloc(5), { mode: 0o600 }), { code: 'EISDIR' });
  const inNowhere = join(folder, 'no', 'tmp');
  await assert.rejects(putFile(taken, inNowhere, Buffer.alloc(5), { mode: 0o600 }), {
    code: 'ENOENT',
    path: inNowhere,
  });
  assert.deepEqual(readdirSync(folder), ['taken']);
});

test('putFile that does not fit leaves the old file', async (t) => {
  const folder = temporaryFolder(t);
  const [path, temporary] = [join(folder, 'file'), join(folder, '.tmp')];
  writeFileSync(path, 'old');
  const files = JSON.stringify(new URL('../../src/native/files.js', import.meta.url).href);
  const end = await runNodeProgram(
    `import { putFile } from ${files};
     process.on('SIGXFSZ', () => {});
     const put = putFile(${JSON.stringify(path)}, ${JSON.stringify(temporary)}, Buffer.alloc(20_000), { mode: 0o600 });
     await put.catch((error) => console.log(error.code, error.syscall));`,
    ['prlimit', '--fsize=10000'],
  );
  assert.deepEqual(end, { status: 0, signal: null, stdout: 'EFBIG write\n', stderr: '' });
  assert.deepEqual(readdirSync(folder), ['file']);
  assert.equal(readFileSync(path, 'utf8'), 'old');
});

test('putNewFiles puts each whatever becomes of the others, and replaces nothing', async (t) => {
  const folder = temporaryFolder(t);
  const to = (name: string, ...parts: string[]) => ({
    path: join(folder, name),
    temporaryPath: join(folder, `${name}.tmp`),
    parts: parts.map((part) => Buffer.from(part)),
  });
  writeFileSync(join(folder, 'taken'), 'old');
  const files = [to('first', 'a', '', 'bc'), to('taken', 'new'), to('missing/folder', 'x'), to('last')];
  const failures = await putNewFiles(files, 0o640);
  const codes = failures.map((failure) => (failure as NodeJS.ErrnoException | undefined)?.code);
  assert.deepEqual(codes, [undefined, 'EEXIST', 'ENOENT', undefined]);
  assert.deepEqual(readdirSync(folder).sort(), ['first', 'last', 'taken']);
  const contents = ['first', 'taken', 'last'].map((name) => readFileSync(join(folder, name), 'utf8'));
  assert.deepEqual(contents, ['abc', 'old', '']);
  assert.equal(statSync(join(folder, 'first')).mode & 0o777, 0o640);
  // Below a file there may be anything for all that is known.
  const paths = ['first', 'nothing', 'first/below', 'missing/folder'].map((name) => join(folder, name));
  assert.deepEqual(await whichMayStand(paths), [true, false, true, false]);
});

test('reads give what is there, shorter only at the end', async (t) => {
  const path = join(temporaryFolder(t), 'file');
  const bytes = randomBytes(150_000);
  writeFileSync(path, bytes);
  assert.ok((await readFile(path)).equals(bytes));
  assert.ok((await readRange(path, 1000, 50_000)).equals(bytes.subarray(1000, 51_000)));
  assert.ok((await readRange(path, 149_990, 100)).equals(bytes.subarray(149_990)));
  assert.equal((await readRange(path, 200_000, 100)).length, 0);
  assert.equal((await readRange(path, 5, 0)).length, 0);
  const descriptor = openSync(path, 'r');
  assert.ok((await readDescriptor(descriptor, 7, 100)).equals(bytes.subarray(7, 107)));
  closeSync(descriptor);
  await assert.rejects(readDescriptor(descriptor, 0, 1), { code: 'EBADF', syscall: 'fcntl' });
  writeFileSync(path, '');
  assert.equal((await readFile(path)).length, 0);
  assert.ok((await readFile('/proc/self/status')).includes('Name:'), 'files that state no size are read too');
});

test('errors carry code, errno, syscall and path', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'absent');
  await assert.rejects(readFile(path), { code: 'ENOENT', errno: -2, syscall: 'open', path });
  await assert.rejects(readFile(folder), { code: 'EISDIR' });
  await assert.rejects(fileSize(path), { code: 'ENOENT', syscall: 'stat', path });
  await assert.rejects(listFolder(path), { code: 'ENOENT', syscall: 'opendir', path });
  await assert.rejects(syncFolder(path), { code: 'ENOENT' });
  await assert.rejects(
    removeFile(join(path, 'x', '\u{1F600}')).then(() => readFile(folder)),
    { code: 'EISDIR' },
  );
  await assert.rejects(removeFile(folder), { code: 'EISDIR' });
  await assert.rejects(fileSystemFigures(path), { code: 'ENOENT', syscall: 'statvfs' });
});

test('touchFile sets both times and tells the size', async (t) => {
  const path = join(temporaryFolder(t), 'file');
  assert.equal(await touchFile(path), undefined);
  writeFileSync(path, 'hello');
  utimesSync(path, 1, 1);
  assert.equal(await touchFile(path), 5);
  assert.ok(statSync(path).atimeMs > 1000 && statSync(path).mtimeMs > 1000);
  assert.equal(await fileSize(path), 5);
  await assert.rejects(touchFile(join(path, 'below')), { code: 'ENOTDIR' });
});

test('remove, rename, link', async (t) => {
  const folder = temporaryFolder(t);
  const [a, b] = [join(folder, 'a'), join(folder, 'b')];
  assert.equal(await removeFile(a), false);
  writeFileSync(a, 'x');
  await linkFile(a, b);
  assert.equal(statSync(b).nlink, 2);
  await assert.rejects(linkFile(a, b), { code: 'EEXIST' });
  assert.equal(await removeFile(a), true);
  await renameFile(b, a);
  assert.deepEqual(readdirSync(folder), ['a']);
  await assert.rejects(renameFile(b, a), { code: 'ENOENT', syscall: 'rename', path: b, dest: a });
});

test('listFolder gives every name as bytes, with its type', async (t) => {
  const folder = temporaryFolder(t);
  const odd = Buffer.concat([Buffer.from(join(folder, 'odd-')), Buffer.of(0xff, 0xfe)]);
  mkdirSync(join(folder, 'folder'));
  symlinkSync('nowhere', join(folder, 'symlink'));
  writeFileSync(odd, 'x');
  for (let at = 0; at < 500; at++) writeFileSync(join(folder, `file-${at}`), '');
  const names = new Map((await listFolder(folder)).map(({ name, type }) => [name.toString('latin1'), type]));
  assert.equal(names.size, 503);
  assert.equal(names.get('folder'), 'folder');
  assert.equal(names.get('symlink'), 'symlink');
  assert.equal(names.get('odd-\xff\xfe'), 'file');
  for (let at = 0; at < 500; at++) assert.equal(names.get(`file-${at}`), 'file');
  assert.equal((await readFile(odd)).toString(), 'x', 'paths may be bytes');
  assert.deepEqual(await listFolder(join(folder, 'folder')), []);
  assert.equal((await listFolder('/dev')).find(({ name }) => name.toString() === 'null')?.type, 'other');
});

test('makeFolders makes what is missing', async (t) => {
  const folder = temporaryFolder(t);
  const paths = ['a', 'a/b', 'c'].map((name) => join(folder, name));
  await makeFolders(paths, 0o700);
  await makeFolders(paths, 0o755);
  assert.equal(statSync(join(folder, 'a/b')).mode & 0o777, 0o700);
  writeFileSync(join(folder, 'file'), '');
  await assert.rejects(makeFolders([join(folder, 'file')], 0o700), { code: 'ENOTDIR' });
  await assert.rejects(makeFolders([join(folder, 'x/y')], 0o700), { code: 'ENOENT', syscall: 'mkdir' });
});

test('reserveFile sets real room aside', async (t) => {
  const path = join(temporaryFolder(t), 'reserve');
  await reserveFile(path, 1 << 20);
  assert.equal(statSync(path).size, 1 << 20);
  assert.ok(statSync(path).blocks * 512 >= 1 << 20);
  await reserveFile(path, 0);
  await reserveFile(path, 4096);
  assert.equal(statSync(path).size, 1 << 20);
  await assert.rejects(reserveFile(path, 2 ** 52), (error: NodeJS.ErrnoException) =>
    ['ENOSPC', 'EFBIG'].includes(error.code ?? ''),
  );
});

test('syncs and figures', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'file');
  writeFileSync(path, 'x');
  await syncFile(path);
  await syncFolder(folder);
  await syncFileSystem(folder);
  await assert.rejects(syncFolder(path), { code: 'ENOTDIR' });
  const figures = await fileSystemFigures(folder);
  const node = statfsSync(folder);
  assert.equal(figures.totalBytes, node.blocks * node.bsize);
  assert.equal(figures.totalFiles, node.files);
  assert.ok(figures.availableBytes <= figures.freeBytes && figures.freeBytes <= figures.totalBytes);
  assert.ok(figures.freeFiles <= figures.totalFiles);
});

test('wrong arguments are refused', async (t) => {
  const path = join(temporaryFolder(t), 'file');
  await assert.rejects(readFile(''), RangeError);
  await assert.rejects(readFile('a\0b'), RangeError);
  await assert.rejects(readFile(7 as unknown as string), TypeError);
  await assert.rejects(readRange(path, -1, 1), RangeError);
  await assert.rejects(putFile(path, `${path}~`, Buffer.alloc(1), { mode: 0o10000 }), RangeError);
  await assert.rejects(readDescriptor(-1, 0, 1), RangeError);
  assert.equal(existsSync(path), false);
});
