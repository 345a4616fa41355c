import assert from 'node:assert/strict';
import { lstatSync, readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../support/errno.js';
import { python } from '../support/python.js';
import type { Family } from './family.js';

export const nodes: Family = {
  name: 'special files',
  cases: {
    'a pipe carries bytes': (folder) => {
      const path = join(folder, 'pipe');
      const program = `
os.mkfifo(args[0], 0o600)
fd = os.open(args[0], os.O_RDWR); os.write(fd, b'through'); print(os.read(fd, 100).decode())`;
      assert.equal(python(program, path), 'through');
      assert.ok(lstatSync(path).isFIFO());
      assert.equal(lstatSync(path).size, 0);
    },

    'a socket can be bound and connected to': (folder) => {
      const program = `
os.chdir(args[0])
a = socket.socket(socket.AF_UNIX); a.bind('socket'); a.listen()
b = socket.socket(socket.AF_UNIX); b.connect('socket'); b.send(b'hello')
print(a.accept()[0].recv(9).decode())`;
      assert.equal(python(program, folder), 'hello');
      assert.ok(lstatSync(join(folder, 'socket')).isSocket());
      hasErrno('EADDRINUSE', () => python("os.chdir(args[0]); socket.socket(socket.AF_UNIX).bind('socket')", folder));
      hasErrno('ENXIO', () => python('os.open(args[0], os.O_RDWR)', join(folder, 'socket')));
    },

    'mknod makes an ordinary file too': (folder) => {
      const path = join(folder, 'file');
      python('os.mknod(args[0], stat.S_IFREG | 0o640)', path);
      assert.ok(lstatSync(path).isFile());
      assert.equal(lstatSync(path).mode & 0o777, 0o640);
      hasErrno('EEXIST', () => python('os.mknod(args[0], stat.S_IFREG | 0o640)', path));
      hasErrno('EEXIST', () => python('os.mkfifo(args[0])', path));
    },
  },
  rootCases: {
    'devices keep type and number': (folder) => {
      const numbers = [
        [1, 3],
        [0, 0],
        [255, 255],
        [4095, 1_048_575],
      ] as const;
      const program = 'os.mknod(args[0], int(args[1]) | 0o600, os.makedev(int(args[2]), int(args[3])))';
      for (const [type, kind] of [
        [0o020000, 'isCharacterDevice'],
        [0o060000, 'isBlockDevice'],
      ] as const) {
        for (const [major, minor] of numbers) {
          const path = join(folder, 'device');
          python(program, path, type, major, minor);
          const found = lstatSync(path);
          assert.ok(found[kind]());
          assert.equal(
            python('s = os.lstat(args[0]).st_rdev; print(os.major(s), os.minor(s))', path),
            `${major} ${minor}`,
          );
          assert.equal(found.size, 0);
          unlinkSync(path);
        }
      }
      assert.deepEqual(readdirSync(folder), []);
    },
  },
};
