import assert from 'node:assert/strict';
import {
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../support/errno.js';
import type { Family } from './family.js';

export const symlinks: Family = {
  name: 'symbolic links',
  cases: {
    'keep their target byte for byte': (folder) => {
      const targets = ['x', '../a/b', '/absolute', 'trailing/', 'a'.repeat(59), 'a'.repeat(60), 'b'.repeat(4095)];
      for (const [i, target] of targets.entries()) {
        const path = join(folder, String(i));
        symlinkSync(target, path);
        assert.equal(readlinkSync(path), target);
        assert.equal(lstatSync(path).size, target.length);
        assert.ok(lstatSync(path).isSymbolicLink());
      }
      const bytes = Buffer.from([0xff, 0x80, 0x01]);
      symlinkSync(bytes, join(folder, 'bytes'));
      assert.deepEqual(readlinkSync(join(folder, 'bytes'), { encoding: 'buffer' }), bytes);
    },

    'are followed, also as part of a path': (folder) => {
      mkdirSync(join(folder, 'sub'));
      writeFileSync(join(folder, 'sub/file'), 'content');
      symlinkSync('sub', join(folder, 'link'));
      symlinkSync('link/file', join(folder, 'second'));
      assert.equal(readFileSync(join(folder, 'link/file'), 'utf8'), 'content');
      assert.equal(readFileSync(join(folder, 'second'), 'utf8'), 'content');
      writeFileSync(join(folder, 'link/new'), '');
      assert.deepEqual(readdirSync(join(folder, 'sub')).sort(), ['file', 'new']);
    },

    'may point nowhere or in circles': (folder) => {
      symlinkSync('nowhere', join(folder, 'dangling'));
      hasErrno('ENOENT', () => statSync(join(folder, 'dangling')));
      symlinkSync('loop', join(folder, 'loop'));
      hasErrno('ELOOP', () => statSync(join(folder, 'loop')));
      writeFileSync(join(folder, 'dangling'), 'made through the link');
      assert.equal(readFileSync(join(folder, 'nowhere'), 'utf8'), 'made through the link');
    },

    'need a target and a free name': (folder) => {
      hasErrno('ENOENT', () => symlinkSync('', join(folder, 'empty')));
      writeFileSync(join(folder, 'file'), '');
      hasErrno('EEXIST', () => symlinkSync('x', join(folder, 'file')));
      hasErrno('ENAMETOOLONG', () => symlinkSync('a'.repeat(4096), join(folder, 'long')));
      hasErrno('EINVAL', () => readlinkSync(join(folder, 'file')));
    },

    'are removed themselves, not what they point to': (folder) => {
      mkdirSync(join(folder, 'sub'));
      symlinkSync('sub', join(folder, 'link'));
      unlinkSync(join(folder, 'link'));
      assert.deepEqual(readdirSync(folder), ['sub']);
    },

    'are not opened where the opener says so': (folder) => {
      writeFileSync(join(folder, 'file'), '');
      symlinkSync('file', join(folder, 'link'));
      hasErrno('ELOOP', () => openSync(join(folder, 'link'), constants.O_RDONLY | constants.O_NOFOLLOW));
    },
  },
};
