import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CairnError } from '../../src/core/errors.js';
import { decodeSetAttributes, encodeAttrOut, writeEntry } from '../../src/fuse/wire/attributes.js';
import { decodeCopy, decodeRead, decodeWrite, writeOpened } from '../../src/fuse/wire/files.js';
import { entriesIn, writeFolderEntry } from '../../src/fuse/wire/folders.js';
import { readI64, readU64, writeU64 } from '../../src/fuse/wire/integers.js';
import { nodeHigh, nodeLow, nodeOfWords } from '../../src/fuse/wire/nodes.js';
import { Request } from '../../src/fuse/wire/request.js';
import { agree, decodeInit, encodeInit } from '../../src/fuse/wire/session.js';
import { decodeSetXattr } from '../../src/fuse/wire/xattrs.js';
import type { Attributes } from '../../src/vfs/api.js';
import { fields, u32, u64, wordView } from '../support/fuse-requests.js';

// Offsets in bytes below are those of the structures in linux/fuse.h.

const ROOT = { archive: 0, position: 1 };

function requestOf(body: Buffer, opcode = 0): Request {
  const view = wordView(8192);
  const header = fields(u32(40 + body.length), u32(opcode), u64(77), u64(5), u32(1), u32(2), u32(3), u32(0));
  Buffer.concat([header, body]).copy(view.bytes);
  const request = new Request(ROOT);
  request.load(view, opcode, 40 + body.length);
  return request;
}

function hasKind(kind: string, action: () => unknown): void {
  assert.throws(action, (error) => error instanceof CairnError && error.kind === kind);
}

const ATTRIBUTES: Attributes = {
  node: { archive: 0x123456, position: 0xab_cdef_0123 },
  mode: 0o100644,
  nlink: 3,
  uid: 0xffff_fffe,
  gid: 100,
  rdev: 0x801,
  size: 2 ** 52 + 5,
  blocks: 2 ** 43,
  atimeSec: -1,
  atimeNsec: 999_999_999,
  mtimeSec: 1_700_000_000,
  mtimeNsec: 1,
  ctimeSec: 2 ** 40,
  ctimeNsec: 2,
};

test('64-bit integers between -2^53 and 2^53 come back as they were', () => {
  const { bytes, words } = wordView(16);
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      writeU64(words, 2, value);
      assert.equal(bytes.readBigInt64LE(8), BigInt(value));
      assert.equal(value < 0 ? readI64(words, 2) : readU64(words, 2), value);
    }),
  );
});

test('node ids: 24 bits of archive above 40 bits of position', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 24 - 1 }), fc.bigInt({ min: 0n, max: 2n ** 40n - 1n }), (archive, position) => {
      const node = { archive, position: Number(position) };
      const id = (BigInt(nodeHigh(node)) << 32n) | BigInt(nodeLow(node));
      assert.equal(id, (BigInt(archive) << 40n) | position);
      assert.deepEqual(nodeOfWords(nodeLow(node), nodeHigh(node)), node);
    }),
  );
  assert.equal(nodeLow(ROOT), 1);
  assert.equal(nodeHigh(ROOT), 0);
});

test('node 1 is the root of the vfs, whatever that is', () => {
  const request = new Request({ archive: 0, position: 4711 });
  const view = wordView(64);
  view.words[4] = 1;
  request.load(view, 1, 40);
  assert.deepEqual(request.node(), { archive: 0, position: 4711 });
});

test('struct fuse_attr_out', () => {
  const out = wordView(256);
  out.bytes.fill(0xff);
  assert.equal(encodeAttrOut(out, 4, ATTRIBUTES), 104);
  const attr = 16 + 16;
  const { bytes } = out;
  assert.equal(bytes.readBigUInt64LE(16), 86_400n);
  assert.equal(bytes.readUInt32LE(24), 0);
  assert.equal(bytes.readBigUInt64LE(attr), 0x123456_abcdef0123n);
  assert.equal(bytes.readBigUInt64LE(attr + 8), 2n ** 52n + 5n);
  assert.equal(bytes.readBigUInt64LE(attr + 16), 2n ** 43n);
  assert.equal(bytes.readBigInt64LE(attr + 24), -1n);
  assert.equal(bytes.readBigInt64LE(attr + 32), 1_700_000_000n);
  assert.equal(bytes.readBigInt64LE(attr + 40), 2n ** 40n);
  const words = [999_999_999, 1, 2, 0o100644, 3, 0xffff_fffe, 100, 0x801, 4096, 0];
  assert.deepEqual(
    Array.from(words.keys(), (index) => bytes.readUInt32LE(attr + 48 + 4 * index)),
    words,
  );
  assert.equal(bytes.readUInt32LE(attr + 88), 0xffff_ffff, 'nothing is written behind it');
});

test('struct fuse_entry_out', () => {
  const out = wordView(256);
  out.bytes.fill(0xff);
  writeEntry(out.words, 4, ATTRIBUTES);
  assert.equal(out.bytes.readBigUInt64LE(16), 0x123456_abcdef0123n);
  assert.equal(out.bytes.readBigUInt64LE(24), 0n, 'generation');
  assert.equal(out.bytes.readBigUInt64LE(32), 86_400n, 'entry_valid');
  assert.equal(out.bytes.readBigUInt64LE(40), 86_400n, 'attr_valid');
  assert.equal(out.bytes.readBigUInt64LE(48), 0n, 'nanoseconds of both');
  assert.equal(out.bytes.readBigUInt64LE(56), 0x123456_abcdef0123n, 'attr.ino');
  assert.equal(out.bytes.readUInt32LE(56 + 60), 0o100644, 'attr.mode');
  assert.equal(out.bytes.readUInt32LE(16 + 128), 0xffff_ffff);
  writeEntry(out.words, 4, { ...ATTRIBUTES, nameValidMilliseconds: 10 });
  assert.equal(out.bytes.readBigUInt64LE(32), 0n, 'entry_valid');
  assert.equal(out.bytes.readBigUInt64LE(40), 86_400n, 'attr_valid');
  assert.equal(out.bytes.readUInt32LE(48), 10_000_000, 'entry_valid_nsec');
  assert.equal(out.bytes.readUInt32LE(52), 0, 'attr_valid_nsec');
});

test('struct fuse_setattr_in', () => {
  const valid = 0b1000_0110_1110; // uid, gid, size, mtime, handle and "kill setuid"
  const body = fields(
    ...[u32(valid), u32(0), u64(99), u64(2 ** 40), u64(0)],
    ...[u64(-5), u64(-2n), u64(0), u32(11), u32(12), u32(13)],
    ...[u32(0o100600), u32(0), u32(1000), u32(1001), u32(0)],
  );
  assert.equal(body.length, 88);
  assert.deepEqual(decodeSetAttributes(requestOf(body)), {
    handle: 99,
    changes: { uid: 1000, gid: 1001, size: 2 ** 40, mtime: { sec: -2, nsec: 12 }, killPrivileges: true },
  });
  body.writeUInt32LE(0b0001_1011_0001, 0); // mode, atime and mtime now
  assert.deepEqual(decodeSetAttributes(requestOf(body)), {
    handle: undefined,
    changes: { mode: 0o100600, atime: 'now', mtime: 'now' },
  });
  hasKind('invalid', () => decodeSetAttributes(requestOf(body.subarray(0, 80))));
});

test('times too far away become the farthest, as Linux has it; half a time is refused', () => {
  const setTimes = (sec: bigint, nsec: number) =>
    decodeSetAttributes(
      requestOf(
        fields(
          ...[u32(0b11_0000), u32(0), u64(0), u64(0), u64(0), u64(sec), u64(sec), u64(0)],
          ...[u32(nsec), u32(nsec), u32(0), u32(0), u32(0), u32(0), u32(0), u32(0)],
        ),
      ),
    ).changes.mtime;
  assert.deepEqual(setTimes(2n ** 63n - 1n, 5), { sec: 2 ** 52 - 1, nsec: 5 });
  assert.deepEqual(setTimes(-(2n ** 63n), 0), { sec: -(2 ** 52), nsec: 0 });
  hasKind('invalid', () => setTimes(1n, 1_000_000_000));
});

test('a READ of more than was agreed to is refused, and a mode has 16 bits', () => {
  const read = (size: number) => requestOf(fields(u64(7), u64(0), u32(size), u32(0), u64(0), u32(0), u32(0)));
  assert.equal(decodeRead(read(1 << 20)).size, 1 << 20);
  hasKind('invalid', () => decodeRead(read((1 << 20) + 1)));
  assert.equal(requestOf(fields(u32(0xffff_ffff))).modeAt(10), 0o177777);
});

test('struct fuse_write_in must match the length of the request', () => {
  const head = (size: number, offset: number | bigint) =>
    fields(u64(7), u64(offset), u32(size), u32(4), u64(0), u32(0), u32(0));
  const call = decodeWrite(requestOf(fields(head(3, 2 ** 33), 'abc')));
  assert.deepEqual(call, { handle: 7, offset: 2 ** 33, size: 3, killPrivileges: true, synchronous: false });
  hasKind('invalid', () => decodeWrite(requestOf(fields(head(4, 0), 'abc'))));
  hasKind('invalid', () => decodeWrite(requestOf(fields(head(2, 0), 'abc'))));
  hasKind('too-large', () => decodeWrite(requestOf(fields(head(3, 2n ** 62n), 'abc'))));
  hasKind('too-large', () => decodeWrite(requestOf(fields(head(3, 2n ** 53n - 2n), 'abc'))));
});

test('struct fuse_copy_file_range_in is cut to what can be answered', () => {
  const body = (length: bigint) => fields(u64(1), u64(10), u64((3n << 40n) | 4n), u64(2), u64(20), u64(length), u64(0));
  const call = { from: 1, fromOffset: 10, to: 2, toOffset: 20 };
  assert.deepEqual(decodeCopy(requestOf(body(5n)), 1000), { ...call, length: 5 });
  assert.deepEqual(decodeCopy(requestOf(body(2n ** 63n - 4096n)), 1000), { ...call, length: 1000 });
  const most = decodeCopy(requestOf(body(2n ** 63n - 4096n)), Number.MAX_SAFE_INTEGER);
  assert.equal(most.length, Number.MAX_SAFE_INTEGER - 20);
});

test('struct fuse_open_out', () => {
  const out = wordView(64);
  const flagsOf = (directIo: boolean, keepCache: boolean, noFlush: boolean) => {
    writeOpened(out.words, 4, { handle: 2 ** 40 + 1, directIo, keepCache, noFlush });
    return out.bytes.readUInt32LE(24);
  };
  assert.equal(flagsOf(false, false, false), 0);
  assert.equal(flagsOf(true, false, false), 0b1000001, 'direct writes may go side by side');
  assert.equal(flagsOf(false, true, false), 0b10);
  assert.equal(flagsOf(false, false, true), 0b100000);
  assert.equal(out.bytes.readBigUInt64LE(16), 2n ** 40n + 1n);
});

test('struct fuse_dirent and fuse_direntplus are padded to 8 bytes and fit or are left out', () => {
  const out = wordView(1024);
  out.bytes.fill(0xff);
  const entry = { cookie: 2 ** 41, name: Buffer.from('abc'), attributes: ATTRIBUTES };
  assert.equal(writeFolderEntry(out, 16, 16 + 32, entry, false), 32);
  assert.equal(out.bytes.readBigUInt64LE(16), 0x123456_abcdef0123n);
  assert.equal(out.bytes.readBigUInt64LE(24), 2n ** 41n);
  assert.equal(out.bytes.readUInt32LE(32), 3);
  assert.equal(out.bytes.readUInt32LE(36), 8, 'DT_REG');
  assert.equal(out.bytes.subarray(40, 48).toString('latin1'), 'abc\0\0\0\0\0');
  assert.equal(writeFolderEntry(out, 16, 16 + 31, entry, false), 0);
  assert.equal(writeFolderEntry(out, 16, 16 + 160, entry, true), 160);
  assert.equal(out.bytes.readBigUInt64LE(16), 0x123456_abcdef0123n);
  assert.equal(out.bytes.readUInt32LE(16 + 128 + 16), 3);
  const dots = { ...entry, name: Buffer.from('..') };
  assert.equal(writeFolderEntry(out, 16, 400, dots, true), 160);
  assert.equal(out.bytes.readBigUInt64LE(16), 0n, 'no reference is given to ..');
  assert.equal(out.bytes.readBigUInt64LE(16 + 128), 0x123456_abcdef0123n);
  assert.equal(entriesIn(4096, true), 24);
  assert.equal(entriesIn(1, true), 1);
});

test('INIT takes what is wanted of what is offered', () => {
  const offer = (minor: number, flags: number, flags2?: number) =>
    decodeInit(
      requestOf(
        flags2 === undefined
          ? fields(u32(7), u32(minor), u32(131_072), u32(flags))
          : fields(u32(7), u32(minor), u32(131_072), u32(flags), u32(flags2), Buffer.alloc(44)),
      ),
    );
  const all = agree(offer(99, 0x7fff_ffff, 0xffff_ffff));
  assert.equal(all.minor, 45);
  assert.equal(all.maxWriteBytes, 1 << 20);
  assert.equal(all.extendedSetXattr, true);
  assert.equal(all.flags & (1 << 16), 0, 'no writeback cache');
  assert.equal(all.flags & ((1 << 1) | (1 << 10)), 0, 'locks stay in the kernel');
  assert.equal(all.flags2, 1 << 4, 'FUSE_DIRECT_IO_ALLOW_MMAP alone');
  const out = wordView(128);
  out.bytes.fill(0xff);
  assert.equal(encodeInit(out, 4, all), 64);
  assert.equal(out.bytes.readUInt16LE(16 + 16), 64, 'max_background');
  assert.equal(out.bytes.readUInt16LE(16 + 18), 48, 'congestion_threshold');
  assert.equal(out.bytes.readUInt32LE(16 + 20), 1 << 20, 'max_write');
  assert.equal(out.bytes.readUInt32LE(16 + 24), 1, 'time_gran');
  assert.equal(out.bytes.readUInt16LE(16 + 28), 256, 'max_pages');
  assert.equal(out.bytes.readUInt32LE(16 + 32), 1 << 4, 'flags2');
  const old = agree(offer(27, 0x3f_ffff));
  assert.deepEqual([old.minor, old.maxWriteBytes, old.extendedSetXattr, old.flags2], [27, 131_072, false, 0]);
});

test('struct fuse_setxattr_in with and without its extension', () => {
  const tail = fields('user.x\0', 'va\0ue');
  const long = requestOf(fields(u32(5), u32(1), u32(1), u32(0), tail));
  const { name, value, flags, killSetgid } = decodeSetXattr(long, true);
  assert.deepEqual([name.toString(), value.toString(), flags, killSetgid], ['user.x', 'va\0ue', 1, true]);
  const short = decodeSetXattr(requestOf(fields(u32(5), u32(2), tail)), false);
  assert.deepEqual([short.name.toString(), short.value.toString(), short.flags], ['user.x', 'va\0ue', 2]);
  hasKind('invalid', () => decodeSetXattr(requestOf(fields(u32(6), u32(2), tail)), false));
  hasKind('invalid', () => decodeSetXattr(requestOf(fields(u32(0), u32(2), 'no end')), false));
});

test('names end with NUL, are not empty and at most 255 bytes long', () => {
  assert.equal(requestOf(fields('a\0b\0')).name(42).toString(), 'b');
  hasKind('invalid', () => requestOf(fields('abc')).name(40));
  hasKind('invalid', () => requestOf(fields('\0')).name(40));
  assert.equal(requestOf(fields(`${'n'.repeat(255)}\0`)).name(40).length, 255);
  hasKind('name-too-long', () => requestOf(fields(`${'n'.repeat(256)}\0`)).name(40));
});
