import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ArchiveEncoder, type ArchiveVersion, type EntryMetadata } from '../../src/archive/encoder.js';
import type { ArchiveEntry } from '../../src/archive/entry-decoder.js';
import { ArchiveReader } from '../../src/archive/reader.js';
import type { Awaitable } from '../../src/archive/steps.js';
import { CairnError } from '../../src/core/errors.js';
import { decodeArchive } from '../support/spec-decoder/pxar.js';

// One damage at a time, each where a reader must look for it.

const metadata = (mode: number): EntryMetadata => ({ mode, uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0, xattrs: [] });
const folder = metadata(0o40755);
const named = (name: string, value = ''): { name: Buffer; value: Buffer } => ({
  name: Buffer.from(name),
  value: Buffer.from(value),
});

/** root { d { f }, l }: as the README draws `d`, with a hard link `l` to `d/f` behind it. */
const FOLDER_D = { start: 80, entry: 98, end: 324 };
const FILE_F = { start: 154, entry: 172, payload: 228 };
const LINK_L = { start: 324, item: 342 };
/** Table of `d`: its only line, and its tail. */
const TABLE_D = { line: 276, tail: 300 };

function archive(): Buffer {
  const pieces: Uint8Array[] = [];
  const encoder = new ArchiveEncoder((bytes) => pieces.push(bytes), folder);
  const d = encoder.startFolder(Buffer.from('d'), folder);
  const f = encoder.file(Buffer.from('f'), metadata(0o100644), { offset: 16, size: 0 });
  encoder.endFolder();
  const l = encoder.hardLink(Buffer.from('l'), f);
  encoder.endFolder();
  assert.deepEqual([d.filenamePosition, d.entryPosition], [FOLDER_D.start, FOLDER_D.entry]);
  assert.deepEqual([f.filenamePosition, f.entryPosition], [FILE_F.start, FILE_F.entry]);
  assert.equal(l.filenamePosition, LINK_L.start);
  return Buffer.concat(pieces);
}

function open(stream: Buffer, size = stream.length, payloadSize?: number): ArchiveReader {
  const read = (offset: number, length: number): Buffer => stream.subarray(offset, offset + length);
  const reader = ArchiveReader.open({ read, size, ...(payloadSize !== undefined && { payloadSize }) });
  assert.ok(reader instanceof ArchiveReader);
  return reader;
}

/** Asserts that reading the archive, changed by `damage`, is refused as corrupt. */
function assertCorrupt(damage: (stream: Buffer) => void, read: (reader: ArchiveReader) => Awaitable<unknown>): void {
  const stream = archive();
  read(open(stream));
  damage(stream);
  assert.throws(() => read(open(stream)), { name: 'CairnError', kind: 'corrupt' });
}

const listRoot = (reader: ArchiveReader): unknown => reader.list(reader.root, 0, 10);
const listD = (reader: ArchiveReader): unknown => {
  listRoot(reader);
  return reader.list(FOLDER_D.entry, 0, 10);
};

test('a table that leads to the folder itself or before it is refused', () => {
  const leadTo = (position: number) => (stream: Buffer) =>
    void stream.writeBigUInt64LE(BigInt(260 - position), TABLE_D.line + 8);
  assertCorrupt(leadTo(FOLDER_D.start), listD);
  assertCorrupt(leadTo(FOLDER_D.entry), listD);
  assertCorrupt(leadTo(260), listD);
  assertCorrupt((stream) => stream.fill(0xff, TABLE_D.line + 8, TABLE_D.line + 16), listD);
});

test('a child listed twice is refused', () => {
  assertCorrupt((stream) => {
    const [first, second] = [stream.length - 72, stream.length - 48];
    stream.copy(stream, first, second, second + 24);
  }, listRoot);
});

test('a tail that leads elsewhere or states another size is not believed', () => {
  const change = (at: number, by: bigint) => (stream: Buffer) =>
    void stream.writeBigUInt64LE(stream.readBigUInt64LE(at) + by, at);
  assertCorrupt(change(TABLE_D.tail + 8, 8n), listD);
  assertCorrupt(change(TABLE_D.tail + 8, BigInt(FOLDER_D.entry - 24)), listD);
  assertCorrupt(change(TABLE_D.tail + 16, 24n), listD);
  assertCorrupt(change(260 + 8, 1n), listD);
});

test('a table that is not made of whole lines is refused', () => {
  const stream = archive();
  const table = stream.length - 88;
  const longer = Buffer.concat([stream.subarray(0, -24), Buffer.alloc(1), stream.subarray(-24)]);
  longer.writeBigUInt64LE(89n, table + 8);
  longer.writeBigUInt64LE(89n, longer.length - 8);
  assert.throws(() => open(longer), { kind: 'corrupt' });
});

test('a hard link to a folder, to itself or out of the archive is refused', () => {
  const distance = (to: bigint) => (stream: Buffer) => void stream.writeBigUInt64LE(to, LINK_L.item + 16);
  assertCorrupt(distance(BigInt(LINK_L.start - FOLDER_D.start)), listRoot);
  assertCorrupt(distance(0n), listRoot);
  assertCorrupt(distance(BigInt(LINK_L.start + 1)), listRoot);
  assertCorrupt(distance(1n << 60n), listRoot);
});

test('names and targets that do not end, or may not be, are refused', () => {
  const name = (text: string) => (stream: Buffer) => void stream.write(text, FOLDER_D.start + 16, 'latin1');
  for (const text of ['/\0', '.\0', '\0\0', 'dd']) assertCorrupt(name(text), listRoot);
});

test('a payload in the wrong stream or beyond its end is refused', () => {
  const payloadType = Buffer.from('28147a1b0b7c1a25', 'hex').reverse();
  assertCorrupt((stream) => void payloadType.copy(stream, FILE_F.payload), listD);
  const stream = archive();
  assert.ok(open(stream, stream.length, 48).entry(FILE_F.entry));
  stream.writeBigUInt64LE(17n, FILE_F.payload + 24);
  assert.ok(open(stream, stream.length, 49).entry(FILE_F.entry));
  assert.throws(() => open(stream, stream.length, 48).entry(FILE_F.entry), { kind: 'corrupt' });
});

test('entries of the old form are read', () => {
  const stream = Buffer.alloc(48 + 40);
  const words = [
    [0, 0x11da850a1c1cceffn, 48n, 0o40755n, 0n],
    [40, 1_700_000_000_123_456_789n],
    [48, 0x2fec4fa642d5731dn, 40n, 0xef5eed5b753e1555n, 48n, 40n],
  ] as const;
  for (const [at, ...values] of words) {
    for (const [i, value] of values.entries()) stream.writeBigUInt64LE(value, at + 8 * i);
  }
  stream.writeUInt32LE(1000, 32);
  stream.writeUInt32LE(100, 36);
  const reader = open(stream);
  const { mode, uid, gid, mtimeSec, mtimeNsec } = reader.entry(reader.root) as ArchiveEntry;
  assert.deepEqual([mode, uid, gid, mtimeSec, mtimeNsec], [0o40755, 1000, 100, 1_700_000_000, 123_456_789]);
  assert.deepEqual(reader.list(reader.root, 0, 1), []);
  assert.equal(decodeArchive(stream).root.mtimeNsec, 123_456_789);
});

test('device numbers Linux cannot have are refused', () => {
  for (const [at, value] of [
    [0, 4096n],
    [8, 1n << 20n],
    [0, 1n << 60n],
  ] as const) {
    const pieces: Uint8Array[] = [];
    const encoder = new ArchiveEncoder((bytes) => pieces.push(bytes), folder);
    const name = Buffer.from('null');
    const { entryPosition } = encoder.device(name, metadata(0o20666), { major: 4095, minor: 2 ** 20 - 1 });
    encoder.endFolder();
    const stream = Buffer.concat(pieces);
    assert.equal((open(stream).entry(entryPosition) as ArchiveEntry).rdev, 0xffff_ffff);
    stream.writeBigUInt64LE(value, entryPosition + 56 + 16 + at);
    assert.throws(() => open(stream).entry(entryPosition), { kind: 'corrupt' });
  }
});

test('a format version nobody knows is unsupported, not corrupt', () => {
  const stream = archive();
  stream.writeBigUInt64LE(3n, 16);
  assert.throws(() => open(stream), { kind: 'unsupported' });
});

/** An archive whose root has these extended attributes, and the reader's view of them after `damage`. */
function rootXattrs(xattrs: EntryMetadata['xattrs'], damage: (stream: Buffer) => void): unknown {
  const pieces: Uint8Array[] = [];
  const version: ArchiveVersion = 1;
  new ArchiveEncoder((bytes) => pieces.push(bytes), { ...folder, xattrs }, version).endFolder();
  const stream = Buffer.concat(pieces);
  damage(stream);
  const reader = open(stream);
  return reader.xattrs(reader.root);
}

test('an extended attribute that is there twice is refused', () => {
  const twice = [named('user.a', '1'), named('user.a', '2')];
  assert.throws(() => rootXattrs(twice, () => {}), { kind: 'corrupt' });
});

test('malformed attribute items are refused', () => {
  const acl = Buffer.from(
    '0200000001000700ffffffff02000700e803000004000500ffffffff10000500ffffffff20000500ffffffff',
    'hex',
  );
  const value = { name: Buffer.from('system.posix_acl_access'), value: acl };
  const permissions = 56 + 16 + 8;
  assert.ok(rootXattrs([value], () => {}));
  assert.throws(() => rootXattrs([value], (stream) => stream.writeUInt8(8, permissions)), { kind: 'corrupt' });
  assert.throws(() => rootXattrs([value], (stream) => stream.writeUInt8(1, permissions - 4)), { kind: 'corrupt' });
  const noName = (stream: Buffer): unknown => stream.writeUInt8(0, 56 + 16);
  assert.throws(() => rootXattrs([named('user.a', 'v')], noName), { kind: 'corrupt' });
  const noEnd = (stream: Buffer): unknown => stream.writeUInt8(1, 56 + 16 + 6);
  assert.throws(() => rootXattrs([named('user.a', 'v')], noEnd), { kind: 'corrupt' });
});

test('a folder in a folder that was walked through is not walked again', () => {
  const pieces: Uint8Array[] = [];
  const encoder = new ArchiveEncoder((bytes) => pieces.push(bytes), folder);
  const outer = encoder.startFolder(Buffer.from('outer'), folder).entryPosition;
  const inner = encoder.startFolder(Buffer.from('inner'), folder).entryPosition;
  for (let i = 0; i < 5000; i += 1) encoder.special(Buffer.from(`${i}`), metadata(0o10644));
  for (let i = 0; i < 3; i += 1) encoder.endFolder();
  const stream = Buffer.concat(pieces);
  let bytes = 0;
  const read = (offset: number, length: number): Buffer => {
    bytes += length;
    return stream.subarray(offset, offset + length);
  };
  const reader = ArchiveReader.open({ read, size: stream.length }) as ArchiveReader;
  assert.equal(reader.childCount(outer), 1);
  const walked = bytes;
  assert.ok(walked > stream.length / 2);
  assert.equal(reader.childCount(inner), 5000);
  assert.ok(bytes - walked < 1024);
});

test('two who need the same folder walked share the walk, and its failure is not kept', async () => {
  const stream = archive();
  const failure = new CairnError('unreachable', 'the chunk is elsewhere');
  let broken = false;
  let reads = 0;
  const read = async (offset: number, length: number): Promise<Buffer> => {
    reads += 1;
    if (broken) throw failure;
    return stream.subarray(offset, offset + length);
  };
  const opened = async (): Promise<ArchiveReader> => ArchiveReader.open({ read, size: stream.length });
  const reader = await opened();
  await reader.entry(FOLDER_D.entry);
  broken = true;
  const both = [reader.childCount(FOLDER_D.entry), reader.childCount(FOLDER_D.entry)];
  for (const each of both) await assert.rejects(async () => each, failure);
  broken = false;
  assert.equal(await reader.childCount(FOLDER_D.entry), 1);
  assert.ok(reads > 0);
});

test('links that lead nowhere good are no worse than none', () => {
  const stream = archive();
  const read = (offset: number, length: number): Buffer => stream.subarray(offset, offset + length);
  for (const link of [
    { parent: FOLDER_D.entry, nameLength: 1 },
    { parent: 1000, nameLength: 1 },
    { parent: 24, nameLength: 200 },
    undefined,
  ]) {
    const reader = ArchiveReader.open({ read, size: stream.length, folderLink: () => link }) as ArchiveReader;
    assert.equal(reader.childCount(FOLDER_D.entry), 1);
  }
});
