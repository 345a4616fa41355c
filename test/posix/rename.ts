import assert from 'node:assert/strict';
import {
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { outputOf } from '../support/commands.js';
import { hasErrno } from '../support/errno.js';
import { python } from '../support/python.js';
import { asUser, type Family, letClockAdvance, NOBODY } from './family.js';

const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;
const RENAME_WHITEOUT = 4;

const renameat2 = (from: string, to: string, flags: number): string =>
  python("call('renameat2', -100, os.fsencode(args[0]), -100, os.fsencode(args[1]), int(args[2]))", from, to, flags);

function twoFiles(folder: string): [string, string] {
  const [a, b] = [join(folder, 'a'), join(folder, 'b')];
  writeFileSync(a, 'content of a');
  writeFileSync(b, 'content of b');
  return [a, b];
}

function twoFolders(folder: string): [string, string] {
  const [a, b] = [join(folder, 'a'), join(folder, 'b')];
  mkdirSync(a);
  mkdirSync(b);
  return [a, b];
}

export const rename: Family = {
  name: 'rename',
  cases: {
    'a renamed file keeps inode, content and attributes': (folder) => {
      const path = join(folder, 'a');
      writeFileSync(path, 'content', { mode: 0o640 });
      const before = statSync(path);
      renameSync(path, join(folder, 'b'));
      const after = statSync(join(folder, 'b'));
      assert.deepEqual([after.ino, after.mode, after.size], [before.ino, before.mode, before.size]);
      assert.deepEqual(readdirSync(folder), ['b']);
      assert.equal(readFileSync(join(folder, 'b'), 'utf8'), 'content');
    },

    'a file replaces a file at once, and the replaced one lives on where it is open': (folder) => {
      const [a, b] = twoFiles(folder);
      const inode = statSync(a).ino;
      const open = openSync(b, 'r+');
      renameSync(a, b);
      assert.equal(statSync(b).ino, inode);
      assert.equal(readFileSync(b, 'utf8'), 'content of a');
      const bytes = Buffer.alloc(20);
      assert.equal(bytes.toString('utf8', 0, readSync(open, bytes, 0, 20, 0)), 'content of b');
      writeSync(open, 'C', 0);
      closeSync(open);
      assert.deepEqual(readdirSync(folder), ['b']);
      assert.equal(readFileSync(b, 'utf8'), 'content of a');
    },

    'an open file follows its name': (folder) => {
      const [a] = twoFiles(folder);
      const open = openSync(a, 'r+');
      writeSync(open, 'X', 0);
      renameSync(a, join(folder, 'c'));
      writeSync(open, 'Y', 1);
      closeSync(open);
      assert.equal(readFileSync(join(folder, 'c'), 'utf8'), 'XYntent of a');
    },

    'two names of one file: renaming one onto the other does nothing': (folder) => {
      const [a] = twoFiles(folder);
      linkSync(a, join(folder, 'c'));
      renameSync(a, join(folder, 'c'));
      assert.deepEqual(readdirSync(folder).sort(), ['a', 'b', 'c']);
      assert.equal(statSync(a).nlink, 2);
    },

    'replacing one of two names takes one link away': (folder) => {
      const [a, b] = twoFiles(folder);
      linkSync(b, join(folder, 'c'));
      renameSync(a, b);
      assert.equal(statSync(join(folder, 'c')).nlink, 1);
    },

    'a folder replaces an empty folder only': (folder) => {
      const [a, b] = twoFolders(folder);
      writeFileSync(join(a, 'x'), '');
      renameSync(a, b);
      assert.deepEqual(readdirSync(b), ['x']);
      mkdirSync(a);
      hasErrno(['ENOTEMPTY', 'EEXIST'], () => renameSync(a, b));
    },

    'a file does not replace a folder, nor a folder a file': (folder) => {
      const file = join(folder, 'file');
      const sub = join(folder, 'sub');
      writeFileSync(file, '');
      mkdirSync(sub);
      hasErrno('EISDIR', () => renameSync(file, sub));
      hasErrno('ENOTDIR', () => renameSync(sub, file));
    },

    'a folder cannot move below itself': (folder) => {
      const [a] = twoFolders(folder);
      mkdirSync(join(a, 'inner'));
      hasErrno('EINVAL', () => renameSync(a, join(a, 'inner', 'a')));
      hasErrno(['ENOTEMPTY', 'EEXIST'], () => renameSync(join(a, 'inner'), a));
    },

    'moving a folder moves a link of its parents and its dot-dot': (folder) => {
      const [a, b] = twoFolders(folder);
      mkdirSync(join(a, 'inner'));
      assert.deepEqual([statSync(a).nlink, statSync(b).nlink], [3, 2]);
      renameSync(join(a, 'inner'), join(b, 'inner'));
      assert.deepEqual([statSync(a).nlink, statSync(b).nlink], [2, 3]);
      assert.equal(statSync(`${b}/inner/..`).ino, statSync(b).ino);
    },

    'a tree moves with all that is in it': (folder) => {
      const [a, b] = twoFolders(folder);
      mkdirSync(join(a, 'x/y'), { recursive: true });
      writeFileSync(join(a, 'x/y/file'), 'deep');
      renameSync(join(a, 'x'), join(b, 'moved'));
      assert.equal(readFileSync(join(b, 'moved/y/file'), 'utf8'), 'deep');
      hasErrno('ENOENT', () => statSync(join(a, 'x/y/file')));
    },

    'renaming touches the times of both folders and the ctime of what moved': (folder) => {
      const [a, b] = twoFolders(folder);
      const file = join(a, 'file');
      writeFileSync(file, '');
      const past = 1_000_000_000;
      python('[os.utime(p, (1000000000, 1000000000)) for p in args]', file, a, b);
      const changed = statSync(file, { bigint: true }).ctimeNs;
      letClockAdvance();
      renameSync(file, join(b, 'file'));
      assert.ok(statSync(a).mtimeMs / 1000 > past && statSync(b).mtimeMs / 1000 > past);
      const after = statSync(join(b, 'file'), { bigint: true });
      assert.ok(after.ctimeNs > changed);
      assert.equal(after.mtimeNs, BigInt(past) * 1_000_000_000n);
    },

    'a symbolic link is renamed itself': (folder) => {
      symlinkSync('nowhere', join(folder, 'link'));
      renameSync(join(folder, 'link'), join(folder, 'moved'));
      assert.equal(readlinkSync(join(folder, 'moved')), 'nowhere');
      const [a] = twoFiles(folder);
      renameSync(a, join(folder, 'moved'));
      assert.ok(lstatSync(join(folder, 'moved')).isFile());
    },

    'what does not exist cannot be renamed': (folder) => {
      hasErrno('ENOENT', () => renameSync(join(folder, 'a'), join(folder, 'b')));
      writeFileSync(join(folder, 'a'), '');
      hasErrno('ENOENT', () => renameSync(join(folder, 'a'), join(folder, 'nothing', 'b')));
    },

    'RENAME_NOREPLACE refuses an existing name': (folder) => {
      const [a, b] = twoFiles(folder);
      hasErrno('EEXIST', () => renameat2(a, b, RENAME_NOREPLACE));
      renameat2(a, join(folder, 'c'), RENAME_NOREPLACE);
      assert.deepEqual(readdirSync(folder).sort(), ['b', 'c']);
    },

    'RENAME_NOREPLACE refuses folders and links that exist, too': (folder) => {
      const [a] = twoFiles(folder);
      mkdirSync(join(folder, 'sub'));
      symlinkSync('nowhere', join(folder, 'link'));
      for (const name of ['sub', 'link', 'a'])
        hasErrno('EEXIST', () => renameat2(a, join(folder, name), RENAME_NOREPLACE));
      hasErrno('EINVAL', () => renameat2(a, join(folder, 'b'), RENAME_NOREPLACE | RENAME_EXCHANGE));
      hasErrno('EINVAL', () => renameat2(a, join(folder, 'b'), 8));
    },

    'RENAME_EXCHANGE keeps folders out of themselves, and touches both ctimes': (folder) => {
      const [a, b] = twoFolders(folder);
      mkdirSync(join(a, 'inner'));
      hasErrno('EINVAL', () => renameat2(a, join(a, 'inner'), RENAME_EXCHANGE));
      hasErrno('EINVAL', () => renameat2(join(a, 'inner'), a, RENAME_EXCHANGE));
      const ctimes = (): bigint[] => [a, b].map((path) => statSync(path, { bigint: true }).ctimeNs);
      const before = ctimes();
      letClockAdvance();
      renameat2(a, b, RENAME_EXCHANGE);
      assert.deepEqual(readdirSync(b), ['inner']);
      for (const [index, ctime] of ctimes().entries()) assert.ok(ctime > before[1 - index]!);
    },

    'RENAME_EXCHANGE swaps a file and a folder of files': (folder) => {
      const [a, b] = [join(folder, 'one/a'), join(folder, 'two/b')];
      mkdirSync(join(folder, 'one'));
      mkdirSync(b, { recursive: true });
      writeFileSync(a, 'file');
      writeFileSync(join(b, 'inner'), 'inner');
      renameat2(a, b, RENAME_EXCHANGE);
      assert.equal(readFileSync(b, 'utf8'), 'file');
      assert.equal(readFileSync(join(a, 'inner'), 'utf8'), 'inner');
      assert.deepEqual([statSync(join(folder, 'one')).nlink, statSync(join(folder, 'two')).nlink], [3, 2]);
      hasErrno('ENOENT', () => renameat2(a, join(folder, 'missing'), RENAME_EXCHANGE));
    },
  },
  rootCases: {
    'RENAME_WHITEOUT leaves a character device 0, 0 where the file was': (folder) => {
      const [a, b] = twoFiles(folder);
      renameat2(a, b, RENAME_WHITEOUT);
      assert.equal(readFileSync(b, 'utf8'), 'content of a');
      const left = lstatSync(a);
      assert.ok(left.isCharacterDevice());
      assert.deepEqual([left.mode & 0o7777, left.rdev, left.nlink, left.size], [0, 0, 1, 0]);
      hasErrno('EEXIST', () => renameat2(b, a, RENAME_WHITEOUT | RENAME_NOREPLACE));
      renameat2(b, join(folder, 'c'), RENAME_WHITEOUT | RENAME_NOREPLACE);
      assert.deepEqual(readdirSync(folder).sort(), ['a', 'b', 'c']);
      hasErrno('EINVAL', () => renameat2(a, b, RENAME_WHITEOUT | RENAME_EXCHANGE));
      unlinkSync(a);
      assert.deepEqual(readdirSync(folder).sort(), ['b', 'c']);
    },

    'RENAME_WHITEOUT of a folder into another folder': (folder) => {
      const [one, two] = twoFolders(folder);
      mkdirSync(join(one, 'sub'));
      renameat2(join(one, 'sub'), join(two, 'sub'), RENAME_WHITEOUT);
      assert.ok(lstatSync(join(one, 'sub')).isCharacterDevice());
      assert.ok(statSync(join(two, 'sub')).isDirectory());
      assert.deepEqual([statSync(one).nlink, statSync(two).nlink], [2, 3]);
    },

    'RENAME_WHITEOUT leaves a device with the ACL that new files of its folder have': (folder) => {
      outputOf('setfacl', ['--default', '--modify', 'u::rwx,u:5:rw-,g::r-x,m::rwx,o::r-x', folder]);
      const [a, b] = twoFiles(folder);
      renameat2(a, b, RENAME_WHITEOUT);
      const acl = outputOf('getfacl', ['--omit-header', '--numeric', '--absolute-names', '--no-effective', a]);
      assert.deepEqual(acl.trim().split('\n'), ['user::---', 'user:5:rw-', 'group::r-x', 'mask::---', 'other::---']);
      assert.equal(lstatSync(a).mode & 0o7777, 0);
    },

    'in a sticky folder only the owner may rename': (folder) => {
      python('os.chmod(args[0], 0o1777)', folder);
      const [a] = twoFiles(folder);
      hasErrno(['EPERM', 'EACCES'], () => asUser(NOBODY, NOBODY, () => renameSync(a, join(folder, 'mine'))));
    },
  },
};
