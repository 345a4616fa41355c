import assert from 'node:assert/strict';
import { constants as fsConstants } from 'node:fs';
import { constants } from 'node:os';
import { test } from 'node:test';
import type { ReadPiece, WriteBody } from '../../src/content/transfer.js';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';
import { errnoOf } from '../../src/fuse/errno.js';
import { OPCODE } from '../../src/fuse/wire/opcodes.js';
import { fields, u32, u64 } from '../support/fuse-requests.js';
import { ATTRIBUTES, kernelOn, OPENED, read } from '../support/noted-vfs.js';

const { errno } = constants;

const lookup = { opcode: OPCODE.LOOKUP, body: fields('a\0') };
const { O_DSYNC, O_RDWR, O_SYNC } = fsConstants;
/** @param flags of the handle, as the kernel passes them on */
const write = (text: string, flags = O_RDWR) => ({
  opcode: OPCODE.WRITE,
  body: fields(u64(5), u64(100), u32(text.length), u32(0), u64(0), u32(flags), u32(0), text),
});

test('every kind of error has an errno of its own meaning', async () => {
  const kinds: [ErrorKind, number][] = [
    ['not-found', errno.ENOENT],
    ['no-attribute', errno.ENODATA],
    ['no-data-here', errno.ENXIO],
    ['out-of-range', errno.ERANGE],
    ['corrupt', errno.EIO],
  ];
  for (const [kind, number] of kinds) {
    const fail = () => {
      throw new CairnError(kind, 'as the test wants');
    };
    const { kernel } = kernelOn({ names: { lookup: fail } });
    assert.equal((await kernel.ask(lookup)).errno, number, kind);
  }
});

test('what nobody expected is EIO, never ENOSYS, and is logged', async () => {
  const { kernel } = kernelOn({
    names: {
      lookup: () => {
        throw Object.assign(new Error('call failed'), { code: 'ENOSYS' });
      },
      unlink: () => Promise.reject('not even an error'),
    },
  });
  assert.equal((await kernel.ask(lookup)).errno, errno.EIO);
  assert.equal((await kernel.ask({ opcode: OPCODE.UNLINK, body: fields('a\0') })).errno, errno.EIO);
  assert.deepEqual(kernel.errors, ['A LOOKUP request failed', 'A UNLINK request failed']);
  assert.equal(errnoOf(undefined), errno.EIO);
});

test('an absent name is an answer the kernel keeps, not an error', async () => {
  const { kernel } = kernelOn({ names: { lookup: () => undefined } });
  const { errno: error, payload } = await kernel.ask(lookup);
  assert.equal(error, 0);
  assert.equal(payload.length, 128);
  assert.equal(payload.readBigUInt64LE(0), 0n, 'no node');
  assert.equal(payload.readBigUInt64LE(16), 86_400n, 'valid for long');
});

test('answers that come later are the same as those that come at once', async () => {
  const [now, later] = [
    kernelOn({ names: { lookup: () => ATTRIBUTES } }),
    kernelOn({ names: { lookup: async () => ATTRIBUTES } }),
  ];
  const [a, b] = [await now.kernel.ask(lookup), await later.kernel.ask(lookup)];
  assert.deepEqual(a.payload, b.payload);
  assert.equal(later.kernel.exchange.pendingCount, 0);
});

test('names and values are copies: nothing of a request is used once its buffer is', async () => {
  const seen: Uint8Array[] = [];
  const { kernel } = kernelOn({
    names: {
      symlink: (_caller, _parent, name, target) => {
        seen.push(name, target);
        return ATTRIBUTES;
      },
    },
  });
  await kernel.ask({ opcode: OPCODE.SYMLINK, body: fields('link\0to/there\0') });
  assert.deepEqual(
    seen.map((bytes) => Buffer.from(bytes).toString()),
    ['link', 'to/there'],
  );
});

test('what the kernel did not take is taken back', async () => {
  const { kernel, calls } = kernelOn({
    names: { lookup: () => ATTRIBUTES, create: () => ({ attributes: ATTRIBUTES, open: OPENED }) },
    files: { open: () => OPENED },
    folders: {
      open: () => 8,
      read: () => [
        { cookie: 1, name: Buffer.from('.'), attributes: ATTRIBUTES },
        { cookie: 2, name: Buffer.from('a'), attributes: ATTRIBUTES },
      ],
    },
  });
  kernel.aborted = true;
  await kernel.ask(lookup);
  assert.deepEqual(calls.splice(0), ['names.lookup 1 a', 'names.forget 9 1']);
  await kernel.ask({ opcode: OPCODE.CREATE, body: fields(u32(2), u32(0o644), u32(0o22), u32(0), 'a\0') });
  assert.deepEqual(calls.splice(0), ['names.create pid0 1 a 420 18 2', 'files.release 5', 'names.forget 9 1']);
  await kernel.ask({ opcode: OPCODE.OPEN, node: 9, body: fields(u32(0), u32(0)) });
  assert.deepEqual(calls.splice(0), ['files.open pid0 9 0', 'files.release 5']);
  await kernel.ask({ opcode: OPCODE.OPENDIR, body: fields(u32(0), u32(0)) });
  assert.deepEqual(calls.splice(0), ['folders.open 1', 'folders.release 8']);
  await kernel.ask({ ...read(0, 4096), opcode: OPCODE.READDIRPLUS });
  assert.deepEqual(calls.splice(0), ['folders.read 5 0 24', 'folders.reference 9', 'names.forget 9 1']);
});

test('an open that truncates is an open, then a change of size', async () => {
  const { kernel, calls } = kernelOn({ files: { open: () => OPENED }, attributes: { set: () => ATTRIBUTES } });
  await kernel.ask({ opcode: OPCODE.OPEN, node: 9, body: fields(u32(0o1001), u32(1)) });
  assert.deepEqual(calls, ['files.open pid0 9 1', 'attributes.set pid0 9 5 {"size":0,"killPrivileges":true}']);
});

test('an open that cannot truncate leaves no handle behind', async () => {
  const { kernel, calls } = kernelOn({
    files: { open: () => OPENED },
    attributes: { set: () => Promise.reject(new CairnError('no-space', 'Full')) },
  });
  const answer = await kernel.ask({ opcode: OPCODE.OPEN, node: 9, body: fields(u32(0o1001), u32(0)) });
  assert.equal(answer.errno, errno.ENOSPC);
  assert.equal(calls.at(-1), 'files.release 5');
});

test('a READ is answered with its pieces', async () => {
  const pieces: ReadPiece[] = [
    { kind: 'zeros', length: 3 },
    { kind: 'chunk', digest: Buffer.alloc(32), at: 7, length: 4 },
    { kind: 'file', descriptor: 11, at: 8, length: 5 },
    { kind: 'bytes', bytes: Buffer.from('hi'), length: 2 },
  ];
  const { kernel } = kernelOn({ files: { read: () => pieces } });
  kernel.send(read(0, 100));
  assert.deepEqual(kernel.reads, [['zeros 3', 'chunk 7+4', 'file 11 8+5', 'bytes hi']]);
});

test('a READ whose chunk has gone looks its pieces up anew, but not for ever', async () => {
  const chunk: ReadPiece = { kind: 'chunk', digest: Buffer.alloc(32), at: 0, length: 4 };
  const { kernel, calls } = kernelOn({ files: { read: async () => [chunk] } });
  kernel.missingChunks = 3;
  assert.equal((await kernel.ask(read(0, 4))).errno, 0);
  assert.equal(calls.length, 4);
  assert.deepEqual(kernel.reads, [['chunk 0+4']]);
  kernel.missingChunks = 1000;
  assert.equal((await kernel.ask(read(0, 4))).errno, errno.EIO);
  assert.equal(calls.length, 12);
});

test('a READ far behind any file is empty', async () => {
  const { kernel, calls } = kernelOn({});
  assert.equal((await kernel.ask(read(2n ** 60n, 4096))).errno, 0);
  assert.deepEqual(calls, []);
  assert.deepEqual(kernel.reads, [[]]);
});

test('a WRITE body is copied where it lies, or kept first', async () => {
  let keep = false;
  const { kernel } = kernelOn({
    files: {
      write: (_caller, _handle, offset, body) => {
        if (!keep) return body.copyInto(undefined as never, offset);
        body.keep();
        return Promise.resolve().then(() => body.copyInto(undefined as never, offset));
      },
    },
  });
  const { payload } = await kernel.ask(write('hello'));
  assert.equal(payload.readUInt32LE(0), 5);
  assert.deepEqual(kernel.bodyLog.splice(0), ['copy to 100']);
  keep = true;
  const { unique } = await kernel.ask(write('hello'));
  assert.deepEqual(kernel.bodyLog, ['keep', `copy kept ${unique} to 100`, `discard ${unique}`]);
});

test('a synchronous WRITE is answered when its file was synced, any other at once', async () => {
  const order: string[] = [];
  const { kernel } = kernelOn({
    files: {
      write: async () => void order.push('written'),
      sync: async () => void order.push('synced'),
    },
  });
  for (const [flags, expected] of [
    [O_RDWR, ['written']],
    [O_RDWR | O_DSYNC, ['written', 'synced']],
    [O_RDWR | O_SYNC, ['written', 'synced']],
  ] as const) {
    const { errno: error, payload } = await kernel.ask(write('hello', flags));
    assert.deepEqual([error, payload.readUInt32LE(0)], [0, 5]);
    assert.deepEqual(order.splice(0), expected);
  }
});

test('a synchronous WRITE whose file cannot be synced fails', async () => {
  const failed = () => Promise.reject(new CairnError('io', 'The disk is gone'));
  const { kernel } = kernelOn({ files: { write: () => undefined, sync: failed } });
  assert.equal((await kernel.ask(write('hello', O_DSYNC))).errno, errno.EIO);
});

test('a kept WRITE body is given back even if the write fails, and is of no use afterwards', async () => {
  let body: WriteBody | undefined;
  const { kernel } = kernelOn({
    files: {
      write: async (_caller, _handle, _offset, given) => {
        body = given;
        given.keep();
        throw new CairnError('no-space', 'Full');
      },
    },
  });
  const { errno: error, unique } = await kernel.ask(write('hello'));
  assert.equal(error, errno.ENOSPC);
  assert.deepEqual(kernel.bodyLog, ['keep', `discard ${unique}`]);
  assert.throws(() => body?.copyInto(undefined as never, 0));
});

test('a body that is not kept is of no use once the call has returned', async () => {
  let body: WriteBody | undefined;
  const { kernel } = kernelOn({
    files: {
      write: (_caller, _handle, _offset, given) => {
        body = given;
      },
    },
  });
  await kernel.ask(write('hello'));
  assert.throws(() => body?.copyInto(undefined as never, 0));
  assert.throws(() => body?.keep());
});

test('listings stop where the answer is full, and only given entries are counted', async () => {
  const entries = Array.from({ length: 100 }, (_, index) => ({
    cookie: index + 1,
    name: Buffer.from(`name-${index}`),
    attributes: ATTRIBUTES,
  }));
  const { kernel, calls } = kernelOn({ folders: { read: () => entries } });
  const { payload } = await kernel.ask({ ...read(0, 1000), opcode: OPCODE.READDIRPLUS });
  assert.equal(payload.length, 6 * 160);
  assert.equal(calls.filter((call) => call === 'folders.reference 9').length, 6);
  assert.equal(payload.readBigUInt64LE(5 * 160 + 128 + 8), 6n, 'cookie of the last');
  const tooSmall = await kernel.ask({ ...read(0, 20), opcode: OPCODE.READDIR });
  assert.equal(tooSmall.errno, errno.EINVAL);
  const plain = await kernel.ask({ ...read(0, 1000), opcode: OPCODE.READDIR });
  assert.equal(plain.payload.length, 31 * 32);
});

test('xattrs: length queries, ERANGE and E2BIG', async () => {
  const values: Record<string, Buffer> = { small: Buffer.from('value'), huge: Buffer.alloc(65_537) };
  const { kernel } = kernelOn({
    xattrs: {
      get: (_node, name) => values[Buffer.from(name).toString()]!,
      list: () => [Buffer.from('user.a'), Buffer.from('user.bc')],
    },
  });
  const get = (name: string, size: number) =>
    kernel.ask({ opcode: OPCODE.GETXATTR, body: fields(u32(size), u32(0), `${name}\0`) });
  const list = (size: number) => kernel.ask({ opcode: OPCODE.LISTXATTR, body: fields(u32(size), u32(0)) });
  assert.equal((await get('small', 0)).payload.readUInt32LE(0), 5);
  assert.equal((await get('small', 5)).payload.toString(), 'value');
  assert.equal((await get('small', 4)).errno, errno.ERANGE);
  assert.equal((await get('huge', 0)).errno, errno.E2BIG);
  assert.equal((await list(0)).payload.readUInt32LE(0), 15);
  assert.equal((await list(15)).payload.toString(), 'user.a\0user.bc\0');
  assert.equal((await list(14)).errno, errno.ERANGE);
});

test('forgets reach the vfs and are not answered', () => {
  const { kernel, calls } = kernelOn({});
  kernel.send({ opcode: OPCODE.FORGET, node: 7, body: fields(u64(3)) });
  const batch = fields(u32(2), u32(0), u64(8), u64(1), u64(9), u64(2 ** 40));
  kernel.send({ opcode: OPCODE.BATCH_FORGET, body: batch });
  assert.deepEqual(calls, ['names.forget 7 3', 'names.forget 8 1', `names.forget 9 ${2 ** 40}`]);
  kernel.send({ opcode: OPCODE.BATCH_FORGET, body: batch.subarray(0, 30) });
  kernel.send({ opcode: OPCODE.FORGET, node: 7 });
  assert.deepEqual(kernel.answers, []);
  assert.equal(kernel.errors.length, 2);
});

test('a node is taken to be locked while a request on it waits', async () => {
  const waiting = new Map<string, () => void>();
  const wait = (key: string) => new Promise<void>((resolve) => waiting.set(key, resolve));
  const { kernel } = kernelOn({ names: { unlink: () => wait('unlink'), rename: () => wait('rename') } });
  const settled = () =>
    new Promise<void>((resolve) => {
      kernel.exchange.onSettled = resolve;
    });
  const locked = (position: number) => kernel.exchange.mayBeLocked({ archive: 0, position });
  kernel.send({ opcode: OPCODE.UNLINK, node: 5, body: fields('a\0') });
  assert.deepEqual([locked(5), locked(6)], [true, false]);
  kernel.send({ opcode: OPCODE.RENAME2, node: 7, body: fields(u64(8), u32(0), u32(0), 'a\0b\0') });
  assert.deepEqual([locked(5), locked(6)], [true, true], 'which folders a rename locks is not kept');
  let done = settled();
  waiting.get('rename')?.();
  await done;
  assert.deepEqual([locked(5), locked(7)], [true, false]);
  done = settled();
  waiting.get('unlink')?.();
  await done;
  assert.equal(locked(5), false);
});

test('operations the kernel can do without are refused for good, ioctl is not', async () => {
  const { kernel } = kernelOn({});
  for (const name of ['ACCESS', 'POLL', 'BMAP', 'SYNCFS', 'GETLK'] as const) {
    assert.equal((await kernel.ask({ opcode: OPCODE[name] })).errno, errno.ENOSYS, name);
  }
  assert.equal((await kernel.ask({ opcode: OPCODE.IOCTL })).errno, errno.ENOTTY);
  assert.equal((await kernel.ask({ opcode: 4000 })).errno, errno.ENOSYS);
  assert.deepEqual(kernel.errors, ['The kernel asked for the unknown operation 4000']);
});

test('requests cut short are refused, whatever they are, and nothing is called', async () => {
  const { kernel, calls } = kernelOn({});
  const bodiless = new Set<string>(['GETATTR', 'READLINK', 'STATFS', 'DESTROY', 'IOCTL', 'OPENDIR']);
  const unanswered = new Set<string>(['FORGET', 'BATCH_FORGET', 'INTERRUPT', 'NOTIFY_REPLY']);
  for (const [name, opcode] of Object.entries(OPCODE)) {
    if (bodiless.has(name) || unanswered.has(name)) continue;
    const { errno: error } = await kernel.ask({ opcode });
    assert.ok(error === errno.EINVAL || error === errno.ENOSYS, `${name}: ${error}`);
  }
  assert.deepEqual(calls, []);
});

test('a kernel of another age is refused or asked again', async () => {
  const { kernel } = kernelOn({});
  const init = (major: number, minor: number) =>
    kernel.ask({ opcode: OPCODE.INIT, body: fields(u32(major), u32(minor), u32(0), u32(0)) });
  assert.equal((await init(7, 26)).errno, errno.EPROTO);
  assert.equal((await init(6, 99)).errno, errno.EPROTO);
  const newer = await init(8, 0);
  assert.deepEqual([newer.errno, newer.payload.readUInt32LE(0)], [0, 7]);
  assert.equal(kernel.exchange.extendedSetXattr, false);
  const agreed = await kernel.ask({ opcode: OPCODE.INIT, body: fields(u32(7), u32(38), u32(0), u32(1 << 29)) });
  assert.equal(agreed.payload.length, 64);
  assert.equal(kernel.exchange.extendedSetXattr, true);
});
