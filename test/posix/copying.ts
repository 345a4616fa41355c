import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { outputOf } from '../support/commands.js';
import { hasErrno } from '../support/errno.js';
import { python } from '../support/python.js';
import { asUser, type Family, letClockAdvance, NOBODY } from './family.js';

const MIB = 1024 * 1024;

/** Copies with copy_file_range until nothing is left; prints how many bytes. */
const COPY = `
i, o = os.open(args[0], os.O_RDONLY), os.open(args[1], os.O_RDWR | os.O_CREAT)
a, b, left, done = int(args[2]), int(args[3]), int(args[4]), 0
while left:
    n = os.copy_file_range(i, o, left, a, b)
    if n == 0: break
    a += n; b += n; left -= n; done += n
print(done)`;

const copy = (from: string, to: string, fromOffset: number, toOffset: number, length: number): number =>
  Number(python(COPY, from, to, fromOffset, toOffset, length));

function fileOf(folder: string, name: string, bytes: Buffer | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

export const copying: Family = {
  name: 'copy_file_range',
  cases: {
    'any range lands anywhere, and nothing around it changes': (folder) => {
      const source = randomBytes(5 * MIB + 321);
      const from = fileOf(folder, 'from', source);
      for (const [index, [fromOffset, toOffset, length]] of (
        [
          [0, 0, source.length],
          [1, 0, 100],
          [77, 3, 200_000],
          [MIB - 1, 2 * MIB + 1, MIB + 7],
          [4 * MIB, 10, 2 * MIB],
          [300_000, 7 * MIB, 300_000],
        ] as const
      ).entries()) {
        const before = randomBytes(3 * MIB + index);
        const to = fileOf(folder, `to-${index}`, before);
        const copied = Math.min(length, source.length - fromOffset);
        assert.equal(copy(from, to, fromOffset, toOffset, length), copied);
        const wanted = Buffer.alloc(Math.max(before.length, toOffset + copied));
        before.copy(wanted);
        source.copy(wanted, toOffset, fromOffset, fromOffset + copied);
        assert.ok(readFileSync(to).equals(wanted), `case ${index}`);
      }
      assert.ok(readFileSync(from).equals(source));
    },

    'copies are independent of what they were made of': (folder) => {
      const bytes = randomBytes(2 * MIB);
      const from = fileOf(folder, 'from', bytes);
      const [one, two] = [join(folder, 'one'), join(folder, 'two')];
      copy(from, one, 0, 0, bytes.length);
      copy(one, two, 0, 0, bytes.length);
      writeFileSync(one, 'changed', { flag: 'r+' });
      truncateSync(from, MIB);
      assert.ok(readFileSync(two).equals(bytes));
      assert.ok(readFileSync(one).subarray(7).equals(bytes.subarray(7)));
      truncateSync(two, 0);
      assert.equal(readFileSync(one, 'latin1').slice(0, 7), 'changed');
    },

    'a copy shows what a writer has just written, also through a mapping': (folder) => {
      const path = fileOf(folder, 'from', Buffer.alloc(MIB, 'x'));
      const program = `
fd = os.open(args[0], os.O_RDWR); m = mmap.mmap(fd, 0)
os.pwrite(fd, b'written', 500000); m[600000:600006] = b'mapped'
o = os.open(args[1], os.O_RDWR | os.O_CREAT); r = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
print(os.copy_file_range(fd, o, 1 << 20, 0, 0), os.pread(o, 7, 500000), os.pread(o, 6, 600000))`;
      assert.equal(python(program, path, join(folder, 'to')), "1048576 b'written' b'mapped'");
    },

    'a mapping of the target shows the copy': (folder) => {
      const [from, to] = [fileOf(folder, 'from', Buffer.alloc(MIB, 'n')), fileOf(folder, 'to', Buffer.alloc(MIB, 'o'))];
      const program = `
i, o = os.open(args[0], os.O_RDONLY), os.open(args[1], os.O_RDWR); m = mmap.mmap(o, 0)
a = m[300000:300003]; n = os.copy_file_range(i, o, 200000, 0, 200001); print(a, n, m[200000:200003], m[400000:400003])`;
      assert.equal(python(program, from, to), "b'ooo' 200000 b'onn' b'noo'");
    },

    'within one file, where the ranges do not overlap': (folder) => {
      const bytes = randomBytes(2 * MIB);
      const path = fileOf(folder, 'file', bytes);
      assert.equal(copy(path, path, 0, 2 * MIB, 2 * MIB), 2 * MIB);
      assert.ok(readFileSync(path).equals(Buffer.concat([bytes, bytes])));
      hasErrno('EINVAL', () => copy(path, path, 0, 100, 1000));
    },

    'handles must read and write, and be of files': (folder) => {
      const path = fileOf(folder, 'file', 'content');
      symlinkSync('file', join(folder, 'link'));
      const call = (source: string, target: string): string =>
        python(`os.copy_file_range(os.open(args[0], ${source}), os.open(args[0], ${target}), 3, 0, 100)`, path);
      hasErrno('EBADF', () => call('os.O_WRONLY', 'os.O_WRONLY'));
      hasErrno('EBADF', () => call('os.O_RDONLY', 'os.O_RDONLY'));
      hasErrno('EBADF', () => call('os.O_RDONLY', 'os.O_WRONLY | os.O_APPEND'));
      hasErrno('EISDIR', () => python('os.copy_file_range(os.open(args[0], 0), os.open(args[1], 2), 3)', folder, path));
    },

    'behind the end there is nothing to copy': (folder) => {
      const [from, to] = [fileOf(folder, 'from', 'short'), fileOf(folder, 'to', 'left as it is')];
      assert.equal(copy(from, to, 5, 0, 10), 0);
      assert.equal(copy(from, to, 500, 0, 10), 0);
      assert.equal(readFileSync(to, 'utf8'), 'left as it is');
    },

    'mtime and ctime are those of a write': (folder) => {
      const [from, to] = [fileOf(folder, 'from', Buffer.alloc(MIB)), fileOf(folder, 'to', '')];
      python('os.utime(args[0], (1000000000, 1000000000))', to);
      const before = statSync(to, { bigint: true });
      letClockAdvance();
      copy(from, to, 0, 0, MIB);
      const after = statSync(to, { bigint: true });
      assert.ok(after.mtimeNs > before.mtimeNs && after.ctimeNs > before.ctimeNs);
    },

    'cp in all its ways gives the same file': (folder) => {
      const path = fileOf(folder, 'file', randomBytes(MIB + 9));
      truncateSync(path, 40 * MIB);
      writeFileSync(path, 'end', { flag: 'a' });
      for (const option of ['--reflink=auto', '--reflink=never', '--sparse=always', '--sparse=never']) {
        outputOf('cp', [option, path, join(folder, 'copy')]);
        assert.ok(readFileSync(join(folder, 'copy')).equals(readFileSync(path)), option);
      }
      outputOf('cp', ['-a', path, join(folder, 'archive')]);
      assert.equal(statSync(join(folder, 'archive')).mtimeMs, statSync(path).mtimeMs);
      assert.ok(statSync(join(folder, 'archive')).blocks * 512 < 4 * MIB);
    },
  },
  rootCases: {
    'takes setuid and setgid from an ordinary user, not from root': (folder) => {
      const from = fileOf(folder, 'from', Buffer.alloc(MIB, 'f'));
      const to = fileOf(folder, 'to', '');
      python('os.chmod(args[0], 0o755); os.chmod(args[1], 0o6777)', folder, to);
      copy(from, to, 0, 0, MIB);
      assert.equal(statSync(to).mode & 0o7777, 0o6777);
      asUser(NOBODY, NOBODY, () => copy(from, to, 0, 0, MIB));
      assert.equal(statSync(to).mode & 0o7777, 0o777);
    },
  },
};
