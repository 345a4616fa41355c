import assert from 'node:assert/strict';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../support/errno.js';
import { python } from '../support/python.js';
import type { Family } from './family.js';

function fileOf(folder: string, size: number): string {
  const path = join(folder, 'file');
  writeFileSync(path, Buffer.alloc(size, 'x'));
  return path;
}

export const mapping: Family = {
  name: 'memory mapping',
  cases: {
    'what is written through a shared mapping is in the file': (folder) => {
      const path = fileOf(folder, 300_000);
      const program = `
with open(args[0], 'r+b') as f:
    m = mmap.mmap(f.fileno(), 0); m[0:3] = b'abc'; m[200000:200003] = b'def'; m.flush(); m.close()`;
      python(program, path);
      const found = readFileSync(path);
      assert.equal(found.length, 300_000);
      assert.equal(found.toString('latin1', 0, 4), 'abcx');
      assert.equal(found.toString('latin1', 199_999, 200_004), 'xdefx');
    },

    'without msync too, once all is closed': (folder) => {
      const path = fileOf(folder, 5000);
      const program = `
fd = os.open(args[0], os.O_RDWR); m = mmap.mmap(fd, 0); os.close(fd); m[4990:4993] = b'end'; m.close()`;
      python(program, path);
      assert.equal(readFileSync(path).toString('latin1', 4989, 4994), 'xendx');
    },

    'a private mapping changes nothing': (folder) => {
      const path = fileOf(folder, 5000);
      python(
        "f = open(args[0], 'r+b'); m = mmap.mmap(f.fileno(), 0, mmap.MAP_PRIVATE); m[0:3] = b'abc'; m.close()",
        path,
      );
      assert.ok(readFileSync(path).equals(Buffer.alloc(5000, 'x')));
    },

    'a mapping sees what is written beside it, and the reverse': (folder) => {
      const path = fileOf(folder, 10_000);
      const program = `
fd = os.open(args[0], os.O_RDWR); m = mmap.mmap(fd, 0)
a = m[5000:5003]; w = os.open(args[0], os.O_WRONLY); os.pwrite(w, b'new', 5000); b = m[5000:5003]
m[6000:6003] = b'map'; print(a.decode(), b.decode(), os.pread(fd, 3, 6000).decode())
os.close(w)`;
      assert.equal(python(program, path), 'xxx new map');
      assert.equal(readFileSync(path).toString('latin1', 6000, 6003), 'map');
    },

    'a mapped file may be removed': (folder) => {
      const path = fileOf(folder, 10_000);
      const program = `
fd = os.open(args[0], os.O_RDWR); m = mmap.mmap(fd, 0); os.unlink(args[0]); m[9000:9003] = b'end'; m.flush()
print(os.pread(fd, 3, 9000).decode())`;
      assert.equal(python(program, path), 'end');
    },

    'behind the end of the file a mapped page is zeros and is not stored': (folder) => {
      const path = fileOf(folder, 100);
      const program = `
fd = os.open(args[0], os.O_RDWR); libc.mmap.restype = ctypes.c_void_p
p = libc.mmap(None, ctypes.c_size_t(4096), 3, 1, fd, ctypes.c_long(0))
print(ctypes.string_at(p + 100, 100) == bytes(100)); ctypes.memset(p + 50, 121, 100)`;
      assert.equal(python(program, path), 'True');
      assert.ok(readFileSync(path).equals(Buffer.concat([Buffer.alloc(50, 'x'), Buffer.alloc(50, 'y')])));
      truncateSync(path, 200);
      assert.ok(readFileSync(path).subarray(100).equals(Buffer.alloc(100)));
    },

    'a mapping and a writer that goes past the cache see each other': (folder) => {
      const path = join(folder, 'file');
      const program = `
w = os.open(args[0], os.O_WRONLY | os.O_CREAT); os.write(w, b'x' * 100000)
r = os.open(args[0], os.O_RDWR); m = mmap.mmap(r, 100000); p = mmap.mmap(r, 100000, mmap.MAP_PRIVATE)
p[5:8] = b'own'; a = m[50000:50003]; os.pwrite(w, b'new', 50000); b = m[50000:50003]
m[60000:60003] = b'map'; m.flush(); os.pwrite(w, b'end', 99997)
print(a, b, m[99997:], os.pread(r, 3, 60000), p[5:8], os.pread(r, 3, 5)); m.close(); p.close(); os.close(w)`;
      assert.equal(python(program, path), "b'xxx' b'new' b'end' b'map' b'own' b'xxx'");
      const found = readFileSync(path).toString('latin1');
      assert.deepEqual([found.slice(59_999, 60_004), found.slice(49_999, 50_004)], ['xmapx', 'xnewx']);
    },

    'a large file written through a mapping reads back': (folder) => {
      const path = fileOf(folder, 0);
      const program = `
fd = os.open(args[0], os.O_RDWR); os.ftruncate(fd, 6000000); m = mmap.mmap(fd, 0)
for i in range(0, 6000000, 1000): m[i:i+8] = b'%08d' % i
m.close()`;
      python(program, path);
      const found = readFileSync(path);
      for (let i = 0; i < 6_000_000; i += 1000) {
        assert.equal(found.toString('latin1', i, i + 8), String(i).padStart(8, '0'));
      }
    },
  },
};

export const locks: Family = {
  name: 'locks',
  cases: {
    'flock keeps others out until it is released': (folder) => {
      const path = fileOf(folder, 10);
      const program = `
a, b = os.open(args[0], os.O_RDWR), os.open(args[0], os.O_RDWR)
fcntl.flock(a, fcntl.LOCK_EX)
try: fcntl.flock(b, fcntl.LOCK_EX | fcntl.LOCK_NB); print('no')
except BlockingIOError: pass
os.close(a); fcntl.flock(b, fcntl.LOCK_EX | fcntl.LOCK_NB); print('ok')`;
      assert.equal(python(program, path), 'ok');
    },

    'fcntl locks keep other processes out of a range, and go with the process': (folder) => {
      const path = fileOf(folder, 100);
      const program = `
r, w = os.pipe(); r2, w2 = os.pipe()
pid = os.fork()
fd = os.open(args[0], os.O_RDWR)
if pid == 0:
    fcntl.lockf(fd, fcntl.LOCK_EX, 10, 0); os.write(w, b'x'); os.read(r2, 1); os._exit(0)
os.read(r, 1)
fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 50)
try: fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5); print('no')
except (BlockingIOError, PermissionError): pass
os.write(w2, b'x'); os.waitpid(pid, 0)
fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5); print('ok')`;
      assert.equal(python(program, path), 'ok');
    },

    'a lock that has to be waited for is given when it is released': (folder) => {
      const path = fileOf(folder, 10);
      const program = `
for lock in (fcntl.flock, fcntl.lockf):
    r, w = os.pipe(); fd = os.open(args[0], os.O_RDWR); lock(fd, fcntl.LOCK_EX)
    pid = os.fork()
    if pid == 0:
        os.close(fd); os.close(r); mine = os.open(args[0], os.O_RDWR)
        os.write(w, b'1'); lock(mine, fcntl.LOCK_EX); os.write(w, b'2'); os._exit(0)
    os.close(w); os.read(r, 1)
    import select
    print(len(select.select([r], [], [], 0.2)[0]), end=' ')
    os.close(fd); print(os.read(r, 1).decode(), end=' '); os.waitpid(pid, 0)`;
      assert.equal(python(program, path).trim(), '0 2 0 2');
    },

    'locks go when their holder is killed': (folder) => {
      const path = fileOf(folder, 10);
      const program = `
import signal
r, w = os.pipe(); pid = os.fork()
if pid == 0:
    fd = os.open(args[0], os.O_RDWR); fcntl.flock(fd, fcntl.LOCK_EX); fcntl.lockf(fd, fcntl.LOCK_EX)
    os.write(w, b'1'); signal.pause()
os.read(r, 1); fd = os.open(args[0], os.O_RDWR)
try: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB); print('no')
except BlockingIOError: pass
os.kill(pid, 9); os.waitpid(pid, 0)
fcntl.flock(fd, fcntl.LOCK_EX); fcntl.lockf(fd, fcntl.LOCK_EX); print('ok')`;
      assert.equal(python(program, path), 'ok');
    },

    'a shared lock needs a handle that reads': (folder) => {
      const path = fileOf(folder, 10);
      hasErrno('EBADF', () => python('fcntl.lockf(os.open(args[0], os.O_WRONLY), fcntl.LOCK_SH)', path));
    },
  },
};
