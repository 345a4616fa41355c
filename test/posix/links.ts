import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  linkSync,
  lstatSync,
  mkdirSync,
  opendirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../support/errno.js';
import { python } from '../support/python.js';
import { type Family, letClockAdvance } from './family.js';

export const links: Family = {
  name: 'links',
  cases: {
    'names of one file share inode, content and attributes': (folder) => {
      const [a, b] = [join(folder, 'a'), join(folder, 'sub/b')];
      mkdirSync(join(folder, 'sub'));
      writeFileSync(a, 'content');
      linkSync(a, b);
      assert.equal(statSync(a).ino, statSync(b).ino);
      assert.deepEqual([statSync(a).nlink, statSync(b).nlink], [2, 2]);
      writeFileSync(b, 'changed', { flag: 'r+' });
      assert.equal(readFileSync(a, 'utf8'), 'changed');
      python('os.chmod(args[0], 0o604)', a);
      assert.equal(statSync(b).mode & 0o7777, 0o604);
    },

    'a file stays until its last name is gone': (folder) => {
      const [a, b] = [join(folder, 'a'), join(folder, 'b')];
      writeFileSync(a, 'content');
      linkSync(a, b);
      unlinkSync(a);
      assert.equal(statSync(b).nlink, 1);
      assert.equal(readFileSync(b, 'utf8'), 'content');
      unlinkSync(b);
      assert.deepEqual(readdirSync(folder), []);
    },

    'linking changes ctime and not mtime, and the folder': (folder) => {
      const a = join(folder, 'a');
      writeFileSync(a, '');
      python('[os.utime(p, (1000000000, 1000000000)) for p in args]', a, folder);
      const before = statSync(a, { bigint: true });
      letClockAdvance();
      linkSync(a, join(folder, 'b'));
      const after = statSync(a, { bigint: true });
      assert.equal(after.mtimeNs, before.mtimeNs);
      assert.ok(after.ctimeNs > before.ctimeNs);
      assert.ok(statSync(folder).mtimeMs > 1_000_000_000_000);
    },

    'a folder cannot be linked, an existing name is not replaced': (folder) => {
      const sub = join(folder, 'sub');
      const file = join(folder, 'file');
      mkdirSync(sub);
      writeFileSync(file, '');
      hasErrno('EPERM', () => linkSync(sub, join(folder, 'again')));
      hasErrno('EEXIST', () => linkSync(file, sub));
      hasErrno('EEXIST', () => linkSync(file, file));
      hasErrno('ENOENT', () => linkSync(join(folder, 'nothing'), join(folder, 'b')));
    },

    'a symbolic link and a pipe may have two names too': (folder) => {
      symlinkSync('target', join(folder, 'link'));
      linkSync(join(folder, 'link'), join(folder, 'second'));
      assert.equal(lstatSync(join(folder, 'second')).nlink, 2);
      assert.ok(lstatSync(join(folder, 'second')).isSymbolicLink());
      python('os.mkfifo(args[0]); os.link(args[0], args[1])', join(folder, 'p'), join(folder, 'q'));
      assert.equal(lstatSync(join(folder, 'p')).ino, lstatSync(join(folder, 'q')).ino);
    },

    'a file may have a thousand names': (folder) => {
      const first = join(folder, '0');
      writeFileSync(first, 'x');
      for (let i = 1; i < 1000; i++) linkSync(first, join(folder, String(i)));
      assert.equal(statSync(first).nlink, 1000);
      for (let i = 0; i < 999; i++) unlinkSync(join(folder, String(i)));
      assert.equal(statSync(join(folder, '999')).nlink, 1);
    },
  },
};

/** Opens a new file and removes its name. */
function openOrphan(folder: string, content: string): number {
  const path = join(folder, 'orphan');
  writeFileSync(path, content);
  const open = openSync(path, 'r+');
  unlinkSync(path);
  assert.equal(existsSync(path), false);
  return open;
}

export const unlinkOpen: Family = {
  name: 'unlink of what is open',
  cases: {
    'an open file without a name is read, written and changed as before': (folder) => {
      const open = openOrphan(folder, 'content');
      assert.equal(fstatSync(open).nlink, 0);
      const bytes = Buffer.alloc(7);
      readSync(open, bytes, 0, 7, 0);
      assert.equal(bytes.toString(), 'content');
      writeSync(open, 'CON', 0);
      ftruncateSync(open, 4);
      futimesSync(open, 1, 2);
      assert.equal(bytes.toString('utf8', 0, readSync(open, bytes, 0, 7, 0)), 'CONt');
      assert.deepEqual([fstatSync(open).size, fstatSync(open).mtimeMs], [4, 2000]);
      closeSync(open);
      assert.deepEqual(readdirSync(folder), []);
    },

    'its name may be taken by another file meanwhile': (folder) => {
      const open = openOrphan(folder, 'old');
      writeFileSync(join(folder, 'orphan'), 'new');
      writeSync(open, 'OLD', 0);
      assert.notEqual(fstatSync(open).ino, statSync(join(folder, 'orphan')).ino);
      closeSync(open);
      assert.equal(readFileSync(join(folder, 'orphan'), 'utf8'), 'new');
    },

    'two handles of a file without a name see each other': (folder) => {
      const path = join(folder, 'orphan');
      const writer = openSync(path, 'w');
      const reader = openSync(path, 'r');
      unlinkSync(path);
      writeSync(writer, 'after');
      const bytes = Buffer.alloc(5);
      assert.equal(readSync(reader, bytes, 0, 5, 0), 5);
      assert.equal(bytes.toString(), 'after');
      closeSync(writer);
      assert.equal(readSync(reader, bytes, 0, 5, 0), 5);
      closeSync(reader);
    },

    'an orphan can grow large': (folder) => {
      const open = openOrphan(folder, '');
      const block = Buffer.alloc(1 << 20, 'abcdefg');
      for (let i = 0; i < 6; i++) writeSync(open, block);
      const back = Buffer.alloc(1 << 20);
      readSync(open, back, 0, back.length, 5 << 20);
      assert.ok(back.equals(block));
      closeSync(open);
    },

    'a removed folder that is open lists nothing and takes nothing': (folder) => {
      const sub = join(folder, 'sub');
      mkdirSync(sub);
      const open = opendirSync(sub);
      rmdirSync(sub);
      assert.equal(open.readSync(), null);
      open.closeSync();
      mkdirSync(sub);
      const program = `
os.chdir(args[0]); os.rmdir(args[0])
open('file', 'w')`;
      hasErrno('ENOENT', () => python(program, sub));
    },

    'unlink takes no folder, rmdir nothing but empty folders': (folder) => {
      const sub = join(folder, 'sub');
      mkdirSync(sub);
      writeFileSync(join(sub, 'file'), '');
      hasErrno('EISDIR', () => unlinkSync(sub));
      hasErrno('ENOTDIR', () => rmdirSync(join(sub, 'file')));
      hasErrno('ENOTEMPTY', () => rmdirSync(sub));
      hasErrno('EINVAL', () => rmdirSync(`${sub}/.`));
      hasErrno('ENOENT', () => unlinkSync(join(folder, 'nothing')));
      unlinkSync(join(sub, 'file'));
      rmdirSync(sub);
    },
  },
};
