import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../support/errno.js';
import type { Family } from './family.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Sizes on both sides of every border a store may have: blocks, packed or large, chunks, requests. */
const SIZES = [
  0,
  1,
  511,
  4095,
  4096,
  4097,
  64 * KIB + 1,
  128 * KIB - 1,
  128 * KIB,
  128 * KIB + 1,
  256 * KIB,
  MIB - 1,
  MIB,
  MIB + 1,
  4 * MIB - 1,
  4 * MIB,
  4 * MIB + 1,
  9 * MIB + 12_345,
];

/** Fails without printing megabytes. */
function assertSame(found: Buffer, wanted: Buffer, what: string): void {
  assert.equal(found.length, wanted.length, `${what}: length`);
  if (found.equals(wanted)) return;
  const at = found.findIndex((byte, i) => byte !== wanted[i]);
  assert.fail(`${what}: differs first at byte ${at} of ${wanted.length}`);
}

/** Writes `bytes` at `offset` through a handle of its own. */
function patch(path: string, bytes: Buffer, offset: number): void {
  const open = openSync(path, 'r+');
  assert.equal(writeSync(open, bytes, 0, bytes.length, offset), bytes.length);
  closeSync(open);
}

export const content: Family = {
  name: 'read and write',
  cases: {
    'files of every size read back as written': (folder) => {
      const wanted = SIZES.map((size) => randomBytes(size));
      for (const [i, bytes] of wanted.entries()) writeFileSync(join(folder, String(i)), bytes);
      for (const [i, bytes] of wanted.entries()) {
        assertSame(readFileSync(join(folder, String(i))), bytes, `size ${bytes.length}`);
        assert.equal(statSync(join(folder, String(i))).size, bytes.length);
      }
    },

    'overwriting in the middle changes nothing else': (folder) => {
      for (const size of SIZES.filter((length) => length > 10)) {
        const path = join(folder, String(size));
        const wanted = randomBytes(size);
        writeFileSync(path, wanted);
        for (const offset of [0, size >> 1, size - 5]) {
          const piece = randomBytes(5);
          patch(path, piece, offset);
          piece.copy(wanted, offset);
        }
        assertSame(readFileSync(path), wanted, `size ${size}`);
      }
    },

    'appending piece by piece, each through a new handle': (folder) => {
      const path = join(folder, 'log');
      const pieces = [3, 5000, 120 * KIB, 7, 2 * MIB, 1, 3 * MIB + 17].map((size) => randomBytes(size));
      for (const piece of pieces) writeFileSync(path, piece, { flag: 'a' });
      assertSame(readFileSync(path), Buffer.concat(pieces), 'appended');
    },

    'writing in odd pieces and any order gives the same file': (folder) => {
      const path = join(folder, 'file');
      const wanted = randomBytes(5 * MIB + 333);
      const starts: number[] = [];
      for (let start = 0; start < wanted.length; start += 70_001) starts.push(start);
      starts.sort((a, b) => ((a * 7919) % 10_007) - ((b * 7919) % 10_007));
      const open = openSync(path, 'w');
      for (const start of starts) writeSync(open, wanted.subarray(start, start + 70_001), 0, null, start);
      closeSync(open);
      assertSame(readFileSync(path), wanted, 'shuffled writes');
    },

    'a reader opened before sees each write at once': (folder) => {
      const path = join(folder, 'file');
      writeFileSync(path, Buffer.alloc(300 * KIB, 'a'));
      const [writer, reader] = [openSync(path, 'r+'), openSync(path, 'r')];
      const bytes = Buffer.alloc(4);
      for (const offset of [0, 4096, 299 * KIB, 300 * KIB]) {
        readSync(reader, bytes, 0, 4, offset);
        const word = String(offset).slice(0, 4).padEnd(4, 'z');
        writeSync(writer, word, offset);
        assert.equal(readSync(reader, bytes, 0, 4, offset), 4);
        assert.equal(bytes.toString(), word);
        assert.equal(fstatSync(reader).size, Math.max(300 * KIB, offset + 4));
      }
      closeSync(writer);
      closeSync(reader);
    },

    'reading at and behind the end gives nothing, across it what is there': (folder) => {
      const path = join(folder, 'file');
      writeFileSync(path, 'ten bytes.');
      const open = openSync(path, 'r');
      const bytes = Buffer.alloc(100);
      assert.equal(readSync(open, bytes, 0, 100, 10), 0);
      assert.equal(readSync(open, bytes, 0, 100, 5000), 0);
      assert.equal(readSync(open, bytes, 0, 100, 7), 3);
      closeSync(open);
    },

    'a handle reads and writes only as opened': (folder) => {
      const path = join(folder, 'file');
      const writer = openSync(path, 'w');
      hasErrno('EBADF', () => readSync(writer, Buffer.alloc(1), 0, 1, 0));
      const reader = openSync(path, 'r');
      hasErrno('EBADF', () => writeSync(reader, 'x'));
      assert.equal(writeSync(writer, ''), 0);
      closeSync(writer);
      closeSync(reader);
      assert.equal(statSync(path).size, 0);
    },

    'writing behind the end leaves zeros between': (folder) => {
      for (const gap of [1, 5000, 200 * KIB, 3 * MIB]) {
        const path = join(folder, String(gap));
        writeFileSync(path, 'start');
        patch(path, Buffer.from('end'), 5 + gap);
        assertSame(
          readFileSync(path),
          Buffer.concat([Buffer.from('start'), Buffer.alloc(gap), Buffer.from('end')]),
          `gap ${gap}`,
        );
      }
    },

    'rewriting a file with the same, shorter and longer content': (folder) => {
      const path = join(folder, 'file');
      for (const size of [300 * KIB, 300 * KIB, 10, 2 * MIB, 0, 50]) {
        const wanted = randomBytes(size);
        writeFileSync(path, wanted);
        assertSame(readFileSync(path), wanted, `size ${size}`);
      }
    },

    'many files are open at once': (folder) => {
      const open = Array.from({ length: 300 }, (_, i) => openSync(join(folder, String(i)), 'w+'));
      for (const round of [0, 1, 2]) {
        for (const [i, descriptor] of open.entries()) writeSync(descriptor, `${i}-${round};`);
      }
      for (const descriptor of open) closeSync(descriptor);
      for (const i of open.keys()) {
        assert.equal(readFileSync(join(folder, String(i)), 'utf8'), `${i}-0;${i}-1;${i}-2;`);
      }
    },

    'a hundred small random changes in a large file': (folder) => {
      const path = join(folder, 'file');
      const wanted = randomBytes(8 * MIB);
      writeFileSync(path, wanted);
      const choice = createHash('sha256').update('random changes').digest();
      for (let i = 0; i < 100; i++) {
        const offset = (choice.readUInt32LE(i % 28) * (i + 1)) % (wanted.length - 9000);
        const piece = Buffer.alloc(1 + ((i * 89) % 9000), i);
        patch(path, piece, offset);
        piece.copy(wanted, offset);
      }
      assertSame(readFileSync(path), wanted, 'changed');
    },
  },
};
