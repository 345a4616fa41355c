import assert from 'node:assert/strict';
import {
  closeSync,
  constants,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statfsSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../support/errno.js';
import { python } from '../support/python.js';
import type { Family } from './family.js';

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_RDWR, O_SYNC, O_TRUNC, O_WRONLY } = constants;

function fileWith(folder: string, content: string): string {
  const path = join(folder, 'file');
  writeFileSync(path, content);
  return path;
}

export const openFlags: Family = {
  name: 'opening',
  cases: {
    'O_EXCL refuses any existing name': (folder) => {
      fileWith(folder, 'content');
      mkdirSync(join(folder, 'sub'));
      symlinkSync('nowhere', join(folder, 'link'));
      for (const name of ['file', 'sub', 'link']) {
        hasErrno('EEXIST', () => openSync(join(folder, name), O_WRONLY | O_CREAT | O_EXCL));
      }
      closeSync(openSync(join(folder, 'new'), O_WRONLY | O_CREAT | O_EXCL));
      assert.deepEqual(readdirSync(folder).sort(), ['file', 'link', 'new', 'sub']);
    },

    'O_CREAT takes what exists as it is': (folder) => {
      const path = fileWith(folder, 'content');
      const before = statSync(path);
      closeSync(openSync(path, O_RDWR | O_CREAT, 0o600));
      assert.equal(readFileSync(path, 'utf8'), 'content');
      assert.deepEqual([statSync(path).mode, statSync(path).ino], [before.mode, before.ino]);
    },

    'O_TRUNC empties a file and keeps the inode': (folder) => {
      const path = fileWith(folder, 'x'.repeat(300_000));
      const { ino } = statSync(path);
      const open = openSync(path, O_WRONLY | O_TRUNC);
      assert.equal(statSync(path).size, 0);
      writeSync(open, 'new');
      closeSync(open);
      assert.equal(readFileSync(path, 'utf8'), 'new');
      assert.equal(statSync(path).ino, ino);
    },

    'O_APPEND writes at the end, whoever moved it': (folder) => {
      const path = fileWith(folder, '0');
      const [a, b] = [openSync(path, O_WRONLY | O_APPEND), openSync(path, O_RDWR | O_APPEND)];
      for (let i = 1; i < 200; i++) writeSync(i % 2 ? a : b, `,${i}`);
      closeSync(a);
      closeSync(b);
      assert.equal(readFileSync(path, 'utf8'), Array.from({ length: 200 }, (_, i) => i).join(','));
    },

    'processes that append at once lose nothing': (folder) => {
      const path = join(folder, 'log');
      const program = `
pids = []
for who in range(4):
    pid = os.fork()
    if pid == 0:
        fd = os.open(args[0], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for i in range(200): os.write(fd, b'%d:%03d\\n' % (who, i))
        os._exit(0)
    pids.append(pid)
for pid in pids: os.waitpid(pid, 0)`;
      python(program, path);
      const wanted = [0, 1, 2, 3].flatMap((who) =>
        Array.from({ length: 200 }, (_, i) => `${who}:${String(i).padStart(3, '0')}`),
      );
      assert.deepEqual(readFileSync(path, 'utf8').trim().split('\n').sort(), wanted);
    },

    'folders and files are told apart': (folder) => {
      const path = fileWith(folder, '');
      hasErrno('ENOTDIR', () => openSync(path, O_RDONLY | O_DIRECTORY));
      hasErrno('EISDIR', () => openSync(folder, O_WRONLY));
      hasErrno('EISDIR', () => openSync(folder, O_RDWR));
      hasErrno('ENOENT', () => openSync(join(folder, 'nothing'), O_RDWR));
      hasErrno('ENOENT', () => openSync(join(folder, 'nothing/file'), O_WRONLY | O_CREAT));
    },

    'O_TMPFILE makes a file without a name, linkat gives it one': (folder) => {
      const program = `
fd = os.open(args[0], os.O_TMPFILE | os.O_RDWR, 0o640); os.write(fd, b'content')
print(os.fstat(fd).st_nlink, len(os.listdir(args[0])), end=' ')
call('linkat', -100, b'/proc/self/fd/%d' % fd, -100, os.fsencode(args[0] + '/named'), 0x400)
print(os.fstat(fd).st_nlink)`;
      assert.equal(python(program, folder), '0 0 1');
      assert.equal(readFileSync(join(folder, 'named'), 'utf8'), 'content');
      assert.deepEqual(readdirSync(folder), ['named']);
    },

    'O_TMPFILE with O_EXCL never gets a name, and leaves nothing': (folder) => {
      const program = `
fd = os.open(args[0], os.O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o600); os.write(fd, b'x' * 300000)
print(os.pread(fd, 5, 299995), os.fstat(fd).st_nlink)
call('linkat', -100, b'/proc/self/fd/%d' % fd, -100, os.fsencode(args[0] + '/named'), 0x400)`;
      hasErrno('ENOENT', () => python(program, folder));
      hasErrno('EINVAL', () => python('os.open(args[0], os.O_TMPFILE | os.O_RDONLY)', folder));
      assert.deepEqual(readdirSync(folder), []);
    },

    'O_DIRECT reads and writes': (folder) => {
      const path = join(folder, 'file');
      const program = `
m = mmap.mmap(-1, 8192); m.write(b'd' * 8192)
fd = os.open(args[0], os.O_RDWR | os.O_CREAT | os.O_DIRECT); os.write(fd, m); os.lseek(fd, 4096, 0)
n = mmap.mmap(-1, 4096); print(os.readv(fd, [n]), n[:] == m[:4096])`;
      assert.equal(python(program, path), '4096 True');
      assert.ok(readFileSync(path).equals(Buffer.alloc(8192, 'd')));
    },
  },
};

export const syncing: Family = {
  name: 'syncing and figures',
  cases: {
    'fsync and fdatasync work on every handle': (folder) => {
      const path = fileWith(folder, 'content');
      for (const flags of [O_RDONLY, O_WRONLY, O_RDWR]) {
        const open = openSync(path, flags);
        if (flags !== O_RDONLY) writeSync(open, 'C');
        fsyncSync(open);
        fdatasyncSync(open);
        closeSync(open);
      }
      const sub = openSync(folder, O_RDONLY | O_DIRECTORY);
      fsyncSync(sub);
      closeSync(sub);
    },

    'a file without a name can be synced': (folder) => {
      const path = fileWith(folder, '');
      const open = openSync(path, 'r+');
      unlinkSync(path);
      writeSync(open, 'content');
      fsyncSync(open);
      closeSync(open);
    },

    'O_SYNC writes arrive': (folder) => {
      const path = join(folder, 'file');
      const open = openSync(path, O_WRONLY | O_CREAT | O_SYNC);
      for (let i = 0; i < 10; i++) writeSync(open, String(i));
      closeSync(open);
      assert.equal(readFileSync(path, 'utf8'), '0123456789');
    },

    'statfs tells sizes that fit together': (folder) => {
      const { bsize, blocks, bfree, bavail } = statfsSync(folder);
      assert.ok(bsize >= 512 && blocks > 0);
      assert.ok(bavail <= bfree && bfree <= blocks);
      assert.equal(python('print(os.statvfs(args[0]).f_namemax)', folder), '255');
    },
  },
};
