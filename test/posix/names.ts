import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../support/errno.js';
import type { Family } from './family.js';

/** The path of a name that is bytes. */
const at = (folder: string | Uint8Array, name: Uint8Array): Buffer =>
  Buffer.concat([typeof folder === 'string' ? Buffer.from(folder) : folder, Buffer.from('/'), name]);

const sortedNames = (folder: string): Buffer[] => readdirSync(folder, { encoding: 'buffer' }).sort(Buffer.compare);

const longest = 'n'.repeat(255);
const tooLong = 'n'.repeat(256);

export const names: Family = {
  name: 'names',
  cases: {
    'a name may hold every byte but NUL and slash': (folder) => {
      const bytes = Array.from({ length: 255 }, (_, i) => i + 1).filter((byte) => byte !== 0x2f);
      const wanted = bytes.map((byte) => Buffer.from([0x61, byte]));
      for (const name of wanted) writeFileSync(at(folder, name), name);
      assert.deepEqual(sortedNames(folder), wanted);
      for (const name of wanted) assert.deepEqual(readFileSync(at(folder, name)), name);
    },

    'a name that is no UTF-8 can be made, renamed, linked and removed': (folder) => {
      const first = at(folder, Buffer.from([0xff, 0xfe, 0x80]));
      const second = at(folder, Buffer.from([0xc3, 0x28]));
      writeFileSync(first, 'x');
      renameSync(first, second);
      linkSync(second, first);
      assert.equal(lstatSync(first).nlink, 2);
      unlinkSync(second);
      assert.deepEqual(sortedNames(folder), [Buffer.from([0xff, 0xfe, 0x80])]);
      unlinkSync(first);
      mkdirSync(second);
      assert.ok(statSync(second).isDirectory());
      rmdirSync(second);
    },

    'a name has up to 255 bytes': (folder) => {
      const path = join(folder, longest);
      writeFileSync(path, 'x');
      assert.deepEqual(readdirSync(folder), [longest]);
      renameSync(path, join(folder, `${longest.slice(1)}m`));
      assert.deepEqual(readdirSync(folder), [`${longest.slice(1)}m`]);
    },

    'a name of 256 bytes is refused everywhere': (folder) => {
      const path = join(folder, tooLong);
      const other = join(folder, 'other');
      writeFileSync(other, 'x');
      const actions = [
        () => writeFileSync(path, 'x'),
        () => mkdirSync(path),
        () => statSync(path),
        () => symlinkSync('target', path),
        () => linkSync(other, path),
        () => renameSync(other, path),
        () => unlinkSync(path),
        () => rmdirSync(path),
      ];
      for (const action of actions) hasErrno('ENAMETOOLONG', action);
      assert.deepEqual(readdirSync(folder), ['other']);
    },

    'case and Unicode form make different names': (folder) => {
      const wanted = ['A', 'a', '\u00e9', 'e\u0301'];
      for (const name of wanted) writeFileSync(join(folder, name), name);
      assert.equal(readdirSync(folder).length, 4);
      for (const name of wanted) assert.equal(readFileSync(join(folder, name), 'utf8'), name);
    },

    'names that look special are ordinary': (folder) => {
      const wanted = ['...', '..a', '-rf', ' ', 'a b', 'a\nb', '.hidden', '~', '*', '\\', 'owner', 'latest', 'current'];
      for (const name of wanted) mkdirSync(join(folder, name));
      assert.deepEqual(readdirSync(folder).sort(), [...wanted].sort());
      for (const name of wanted) rmdirSync(join(folder, name));
    },

    'a path may be as deep as a path can be long': (folder) => {
      const depth = Math.floor((4000 - Buffer.byteLength(folder)) / 2);
      let path = folder;
      for (let level = 0; level < depth; level++) {
        path += '/d';
        mkdirSync(path);
      }
      writeFileSync(`${path}/f`, 'deep');
      assert.equal(readFileSync(`${path}/f`, 'utf8'), 'deep');
    },

    'names of 255 bytes that are no UTF-8 go as deep as a path may be long': (folder) => {
      const name = Buffer.alloc(255, 0xfe);
      let path: Buffer = Buffer.from(folder);
      // PATH_MAX counts the NUL at the end.
      while (path.length + 1 + name.length < 4095) {
        path = at(path, name);
        mkdirSync(path);
      }
      const last = at(path, Buffer.alloc(4095 - path.length - 1, 0xff));
      writeFileSync(last, 'deepest');
      assert.equal(readFileSync(last, 'utf8'), 'deepest');
      hasErrno('ENAMETOOLONG', () => writeFileSync(Buffer.concat([last, Buffer.from('x')]), ''));
      assert.deepEqual(sortedNames(folder), [name]);
    },

    'a path through a file is no folder, through nothing does not exist': (folder) => {
      writeFileSync(join(folder, 'file'), 'x');
      hasErrno('ENOTDIR', () => statSync(join(folder, 'file/below')));
      hasErrno('ENOTDIR', () => openSync(`${folder}/file/`, 'r'));
      hasErrno('ENOTDIR', () => mkdirSync(join(folder, 'file/below')));
      hasErrno('ENOENT', () => statSync(join(folder, 'nothing/below')));
      hasErrno('ENOENT', () => mkdirSync(join(folder, 'nothing/below')));
    },

    'a name that was found missing is found once it is made': (folder) => {
      const path = join(folder, 'late');
      assert.equal(existsSync(path), false);
      closeSync(openSync(path, 'w'));
      assert.equal(existsSync(path), true);
      unlinkSync(path);
      assert.equal(existsSync(path), false);
      mkdirSync(path);
      assert.ok(statSync(path).isDirectory());
    },
  },
};
