import assert from 'node:assert/strict';
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { outputOf } from '../support/commands.js';
import { hasErrno } from '../support/errno.js';
import { python } from '../support/python.js';
import { type Family, letClockAdvance } from './family.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** A file of the letter x. */
function fileOf(folder: string, size: number): string {
  const path = join(folder, `of-${size}`);
  writeFileSync(path, Buffer.alloc(size, 'x'));
  return path;
}

/** Asserts that the file is `kept` times x and then zeros up to `size`. */
function assertKept(path: string, kept: number, size: number): void {
  const found = readFileSync(path);
  assert.equal(found.length, size);
  assert.ok(found.subarray(0, kept).equals(Buffer.alloc(kept, 'x')), `first ${kept} bytes of ${path}`);
  assert.ok(found.subarray(kept).equals(Buffer.alloc(size - kept)), `zeros behind ${kept} in ${path}`);
}

const SIZES = [10, 100 * KIB, 200 * KIB, 3 * MIB + 5];

export const truncate: Family = {
  name: 'truncate',
  cases: {
    'a shortened file keeps its start': (folder) => {
      for (const size of SIZES) {
        const path = fileOf(folder, size);
        truncateSync(path, size - 3);
        assertKept(path, size - 3, size - 3);
        truncateSync(path, size >> 1);
        assertKept(path, size >> 1, size >> 1);
        truncateSync(path, 0);
        assertKept(path, 0, 0);
      }
    },

    'a lengthened file ends in zeros': (folder) => {
      for (const size of SIZES) {
        const path = fileOf(folder, size);
        truncateSync(path, size + 300 * KIB);
        assertKept(path, size, size + 300 * KIB);
      }
    },

    'shortened and lengthened again, the old bytes do not come back': (folder) => {
      for (const size of SIZES) {
        const path = fileOf(folder, size);
        truncateSync(path, 5);
        truncateSync(path, size);
        assertKept(path, 5, size);
        const open = openSync(path, 'r+');
        writeSync(open, Buffer.alloc(size, 'x'), 0, size, 0);
        ftruncateSync(open, 7);
        ftruncateSync(open, size);
        closeSync(open);
        assertKept(path, 7, size);
      }
    },

    'open handles see the new size': (folder) => {
      const path = fileOf(folder, 500 * KIB);
      const open = openSync(path, 'r+');
      truncateSync(path, 100);
      assert.equal(fstatSync(open).size, 100);
      assert.equal(readSync(open, Buffer.alloc(200), 0, 200, 50), 50);
      writeSync(open, 'y', 200);
      assert.equal(fstatSync(open).size, 201);
      closeSync(open);
    },

    'mtime and ctime change': (folder) => {
      const path = fileOf(folder, 10);
      python('os.utime(args[0], (1000000000, 1000000000))', path);
      const before = statSync(path, { bigint: true });
      letClockAdvance();
      truncateSync(path, 4);
      const after = statSync(path, { bigint: true });
      assert.ok(after.mtimeNs > before.mtimeNs && after.ctimeNs > before.ctimeNs);
    },

    'only files have a size to set': (folder) => {
      mkdirSync(join(folder, 'sub'));
      hasErrno('EISDIR', () => truncateSync(join(folder, 'sub'), 0));
      hasErrno('ENOENT', () => truncateSync(join(folder, 'nothing'), 0));
      const reader = openSync(fileOf(folder, 10), 'r');
      hasErrno('EINVAL', () => ftruncateSync(reader, 5));
      closeSync(reader);
      hasErrno('EINVAL', () => python('os.truncate(args[0], -1)', join(folder, 'of-10')));
    },

    'a file may be terabytes long where nothing is written': (folder) => {
      const path = fileOf(folder, 10);
      const size = 8 * 1024 * GIB;
      truncateSync(path, size);
      const open = openSync(path, 'r+');
      assert.equal(fstatSync(open).size, size);
      const bytes = Buffer.alloc(10, 1);
      readSync(open, bytes, 0, 10, size - 10);
      assert.ok(bytes.equals(Buffer.alloc(10)));
      writeSync(open, 'end', size - 3);
      readSync(open, bytes, 0, 10, size - 10);
      assert.equal(bytes.toString('latin1'), '\0\0\0\0\0\0\0end');
      ftruncateSync(open, 10);
      closeSync(open);
      assertKept(path, 10, 10);
    },
  },
};

/** Where data and holes start, as lseek tells: `D0 H4096 …`. */
const mapOf = (path: string): string =>
  python(
    `
fd = os.open(args[0], os.O_RDONLY); size = os.fstat(fd).st_size; at = 0; out = []
while at < size:
    try: data = os.lseek(fd, at, os.SEEK_DATA)
    except OSError as e:
        if e.errno != errno.ENXIO: raise
        break
    at = os.lseek(fd, data, os.SEEK_HOLE); out += ['%d-%d' % (data, at)]
print(' '.join(out))`,
    path,
  );

export const sparse: Family = {
  name: 'sparse files',
  cases: {
    'a hole takes no space and reads as zeros': (folder) => {
      const path = join(folder, 'file');
      const open = openSync(path, 'w+');
      writeSync(open, 'far', GIB);
      assert.equal(fstatSync(open).size, GIB + 3);
      const bytes = Buffer.alloc(MIB, 1);
      assert.equal(readSync(open, bytes, 0, MIB, 500 * MIB), MIB);
      assert.ok(bytes.equals(Buffer.alloc(MIB)));
      closeSync(open);
      assert.ok(statSync(path).blocks * 512 < MIB);
    },

    'st_blocks tells what is written': (folder) => {
      const path = join(folder, 'file');
      const open = openSync(path, 'w');
      writeSync(open, Buffer.alloc(MIB, 'x'), 0, MIB, 10 * MIB);
      ftruncateSync(open, 20 * MIB);
      closeSync(open);
      python('fd = os.open(args[0], os.O_RDONLY); os.fsync(fd)', path);
      const stored = statSync(path).blocks * 512;
      assert.ok(stored >= MIB && stored < 2 * MIB, `${stored} bytes`);
      truncateSync(path, 0);
      assert.equal(statSync(path).blocks, 0);
    },

    'SEEK_DATA and SEEK_HOLE show the map': (folder) => {
      const path = join(folder, 'file');
      const open = openSync(path, 'w');
      writeSync(open, Buffer.alloc(MIB, 'x'), 0, MIB, MIB);
      writeSync(open, Buffer.alloc(MIB, 'x'), 0, MIB, 5 * MIB);
      ftruncateSync(open, 9 * MIB);
      closeSync(open);
      assert.equal(mapOf(path), `${MIB}-${2 * MIB} ${5 * MIB}-${6 * MIB}`);
      hasErrno('ENXIO', () => python('os.lseek(os.open(args[0], os.O_RDONLY), 9 << 20, os.SEEK_DATA)', path));
      hasErrno('ENXIO', () => python('os.lseek(os.open(args[0], os.O_RDONLY), 6 << 20, os.SEEK_DATA)', path));
    },

    'punching a hole leaves zeros and the size': (folder) => {
      const path = fileOf(folder, 4 * MIB);
      outputOf('fallocate', ['--punch-hole', '--offset', String(MIB), '--length', String(MIB), path]);
      const found = readFileSync(path);
      assert.equal(found.length, 4 * MIB);
      assert.ok(found.subarray(MIB, 2 * MIB).equals(Buffer.alloc(MIB)));
      assert.ok(found.subarray(0, MIB).equals(Buffer.alloc(MIB, 'x')));
      assert.ok(found.subarray(2 * MIB).equals(Buffer.alloc(2 * MIB, 'x')));
      assert.equal(mapOf(path), `0-${MIB} ${2 * MIB}-${4 * MIB}`);
    },

    'fallocate grows a file, or keeps its size where asked': (folder) => {
      const path = fileOf(folder, 10);
      outputOf('fallocate', ['--length', String(MIB), path]);
      assertKept(path, 10, MIB);
      outputOf('fallocate', ['--keep-size', '--offset', String(MIB), '--length', String(MIB), path]);
      assertKept(path, 10, MIB);
    },

    'zeroing a range keeps what is around it': (folder) => {
      const path = fileOf(folder, 400 * KIB);
      outputOf('fallocate', ['--zero-range', '--offset', '1000', '--length', String(200 * KIB), path]);
      const found = readFileSync(path);
      assert.equal(found.length, 400 * KIB);
      assert.ok(found.subarray(1000, 1000 + 200 * KIB).every((byte) => byte === 0));
      assert.equal(found[999], 0x78);
      assert.equal(found[1000 + 200 * KIB], 0x78);
    },

    'fallocate changes mtime and ctime, whatever its mode': (folder) => {
      const path = fileOf(folder, 200 * KIB);
      for (const mode of [[], ['--keep-size'], ['--punch-hole'], ['--zero-range']]) {
        python('os.utime(args[0], (1000000000, 1000000000))', path);
        const before = statSync(path, { bigint: true });
        letClockAdvance();
        outputOf('fallocate', [...mode, '--offset', '4096', '--length', '4096', path]);
        const after = statSync(path, { bigint: true });
        assert.ok(after.mtimeNs > before.mtimeNs && after.ctimeNs > before.ctimeNs, `mode ${mode}`);
        assert.equal(after.size, before.size);
      }
    },

    'fallocate refuses what makes no sense': (folder) => {
      const path = fileOf(folder, 10);
      const fallocate = (mode: number, offset: number, length: number, flags = 'os.O_RDWR'): string =>
        python(
          `call('fallocate', os.open(args[0], ${flags}), int(args[1]), ctypes.c_long(int(args[2])), ctypes.c_long(int(args[3])))`,
          ...[path, mode, offset, length],
        );
      hasErrno('EINVAL', () => fallocate(0, 0, 0));
      hasErrno('EINVAL', () => fallocate(0, -1, 10));
      hasErrno('EBADF', () => fallocate(0, 0, 10, 'os.O_RDONLY'));
      hasErrno('EOPNOTSUPP', () => fallocate(2, 0, 10));
      hasErrno('EOPNOTSUPP', () => fallocate(2 | 1 | 16, 0, 10));
      assertKept(path, 10, 10);
    },

    'zeroing a range beyond the end grows the file, or not where that is asked': (folder) => {
      const path = fileOf(folder, 10);
      outputOf('fallocate', ['--zero-range', '--offset', '5', '--length', String(MIB), path]);
      assertKept(path, 5, MIB + 5);
      outputOf('fallocate', ['--zero-range', '--keep-size', '--offset', String(MIB), '--length', String(MIB), path]);
      assertKept(path, 5, MIB + 5);
    },

    'a hole is punched through many pieces, and beyond the end': (folder) => {
      const path = join(folder, 'file');
      const program = `
fd = os.open(args[0], os.O_RDWR | os.O_CREAT)
for n in range(1200): os.pwrite(fd, b'x' * 5000, n * 20000)
os.fsync(fd); call('fallocate', fd, 3, ctypes.c_long(2500), ctypes.c_long(1 << 40)); os.fsync(fd)
print(os.fstat(fd).st_size, os.fstat(fd).st_blocks * 512 <= 8192, os.lseek(fd, 0, os.SEEK_DATA))`;
      assert.equal(python(program, path), `${1199 * 20_000 + 5000} True 0`);
      assert.equal(readFileSync(path).lastIndexOf(0x78), 2499);
    },

    'cp keeps holes': (folder) => {
      const path = join(folder, 'file');
      const open = openSync(path, 'w');
      writeSync(open, 'x', 50 * MIB);
      closeSync(open);
      outputOf('cp', ['--sparse=always', path, join(folder, 'copy')]);
      assert.equal(statSync(join(folder, 'copy')).size, 50 * MIB + 1);
      assert.ok(statSync(join(folder, 'copy')).blocks * 512 < 5 * MIB);
    },
  },
};
