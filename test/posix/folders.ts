import assert from 'node:assert/strict';
import {
  mkdirSync,
  opendirSync,
  readdirSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { outputOf } from '../support/commands.js';
import { hasErrno } from '../support/errno.js';
import { python } from '../support/python.js';
import type { Family } from './family.js';

/** Enough entries for many pages of a listing. */
const MANY = 3000;

function fill(folder: string, count: number): string[] {
  const names = Array.from({ length: count }, (_, i) => `entry-${String(i).padStart(6, '0')}-${'x'.repeat(i % 100)}`);
  for (const name of names) writeFileSync(join(folder, name), '');
  return names;
}

export const folders: Family = {
  name: 'folders',
  cases: {
    'nlink counts subfolders': (folder) => {
      assert.equal(statSync(folder).nlink, 2);
      for (const name of ['a', 'b', 'c']) mkdirSync(join(folder, name));
      writeFileSync(join(folder, 'file'), '');
      assert.equal(statSync(folder).nlink, 5);
      rmdirSync(join(folder, 'b'));
      assert.equal(statSync(folder).nlink, 4);
      assert.equal(statSync(join(folder, 'a')).nlink, 2);
    },

    'dot and dot-dot name the folder and its parent': (folder) => {
      const sub = join(folder, 'sub');
      mkdirSync(sub);
      assert.equal(statSync(`${sub}/.`).ino, statSync(sub).ino);
      assert.equal(statSync(`${sub}/..`).ino, statSync(folder).ino);
      const listed = outputOf('ls', ['-ai', sub]).trim().split('\n');
      const inodes = new Map(
        listed.map((line) => line.trim().split(/\s+/)).map(([inode, name]) => [name, Number(inode)]),
      );
      assert.equal(inodes.get('.'), statSync(sub).ino);
      assert.equal(inodes.get('..'), statSync(folder).ino);
    },

    'mkdir needs a free name': (folder) => {
      mkdirSync(join(folder, 'sub'));
      writeFileSync(join(folder, 'file'), '');
      symlinkSync('nowhere', join(folder, 'link'));
      for (const name of ['sub', 'file', 'link']) hasErrno('EEXIST', () => mkdirSync(join(folder, name)));
    },

    'a large folder is listed whole, each name once': (folder) => {
      const names = fill(folder, MANY);
      assert.deepEqual(readdirSync(folder).sort(), names);
    },

    'a listing tells type and inode of each entry': (folder) => {
      writeFileSync(join(folder, 'file'), '');
      mkdirSync(join(folder, 'sub'));
      symlinkSync('x', join(folder, 'link'));
      python('os.mkfifo(args[0])', join(folder, 'pipe'));
      const program = `
print(all(e.inode() == os.lstat(e.path).st_ino for e in os.scandir(args[0])))`;
      assert.equal(python(program, folder), 'True');
      const found = new Map(readdirSync(folder, { withFileTypes: true }).map((entry) => [entry.name, entry]));
      assert.ok(found.get('file')?.isFile());
      assert.ok(found.get('sub')?.isDirectory());
      assert.ok(found.get('link')?.isSymbolicLink());
      assert.ok(found.get('pipe')?.isFIFO());
    },

    'entries removed while listing do not hide others': (folder) => {
      const names = fill(folder, MANY);
      const seen: string[] = [];
      const open = opendirSync(folder, { bufferSize: 8 });
      for (let entry = open.readSync(); entry !== null; entry = open.readSync()) {
        seen.push(entry.name);
        unlinkSync(join(folder, entry.name));
      }
      open.closeSync();
      assert.deepEqual(seen.sort(), names);
      assert.deepEqual(readdirSync(folder), []);
    },

    'entries made and renamed while listing do not repeat or hide others': (folder) => {
      const names = fill(folder, 1000);
      const seen: string[] = [];
      const open = opendirSync(folder, { bufferSize: 8 });
      for (let entry = open.readSync(); entry !== null && seen.length < 20_000; entry = open.readSync()) {
        if (seen.length % 10 === 0) writeFileSync(join(folder, `new-${seen.length}`), '');
        seen.push(entry.name);
      }
      open.closeSync();
      const old = seen.filter((name) => name.startsWith('entry-')).sort();
      assert.deepEqual(old, names);
      assert.equal(new Set(seen).size, seen.length);
    },

    'rewinding shows what came meanwhile': (folder) => {
      writeFileSync(join(folder, 'a'), '');
      const program = `
libc.opendir.restype = ctypes.c_void_p; libc.readdir.restype = ctypes.c_void_p
d = ctypes.c_void_p(libc.opendir(os.fsencode(args[0])))
def count():
    n = 0
    while libc.readdir(d): n += 1
    return n
before = count(); open(args[0] + '/b', 'w').close(); libc.rewinddir(d); print(before, count())`;
      assert.equal(python(program, folder), '3 4');
    },

    'a tree is removed by rm -r': (folder) => {
      for (let i = 0; i < 20; i++) {
        const sub = join(folder, 'top', String(i), 'inner');
        mkdirSync(sub, { recursive: true });
        fill(sub, 20);
      }
      outputOf('rm', ['-r', join(folder, 'top')]);
      assert.deepEqual(readdirSync(folder), []);
    },

    'a folder is no file': (folder) => {
      hasErrno('EISDIR', () => writeFileSync(folder, ''));
      hasErrno('EISDIR', () => python('os.read(os.open(args[0], os.O_RDONLY), 1)', folder));
      writeFileSync(join(folder, 'file'), '');
      hasErrno('ENOTDIR', () => readdirSync(join(folder, 'file')));
    },

    'a working folder that moves stays the working folder': (folder) => {
      mkdirSync(join(folder, 'a/b'), { recursive: true });
      const program = `
os.chdir(args[0] + '/a/b'); os.rename(args[0] + '/a', args[0] + '/c'); open('file', 'w').close()
print(os.getcwd() == os.path.realpath(args[0]) + '/c/b')`;
      assert.equal(python(program, folder), 'True');
      assert.deepEqual(readdirSync(join(folder, 'c/b')), ['file']);
    },
  },
};
