import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { ArchiveEncoder, type EntryMetadata } from '../../src/archive/encoder.js';
import { CairnError } from '../../src/core/errors.js';
import { anyTree, encodeTree, isFile, meaningOf, sortedXattrs } from '../support/archive-trees.js';
import { decodeArchive, entriesOf, type SpecEntry } from '../support/spec-decoder/pxar.js';

const metadata = (mode: number): EntryMetadata => ({
  mode,
  uid: 0,
  gid: 0,
  mtimeSec: 1_700_000_000,
  mtimeNsec: 0,
  xattrs: [],
});

test('the sample of pbs-format A.7 comes out to the byte', () => {
  const pieces: Uint8Array[] = [];
  const encoder = new ArchiveEncoder((bytes) => pieces.push(bytes), metadata(0o40755), 1);
  encoder.file(Buffer.from('a.txt'), metadata(0o100644), { content: Buffer.from('hi\n') });
  const link = encoder.symlink(Buffer.from('ln'), metadata(0o120777), Buffer.from('a.txt'));
  assert.deepEqual([link.filenamePosition, encoder.position], [153, 250]);
  assert.equal(encoder.endFolder(), 338);
  const archive = Buffer.concat(pieces);
  const digest = createHash('sha256').update(archive).digest('hex');
  assert.equal(digest, 'c390b8c59a276cfc85746beb37fa712599898940111a8390579b25ced1b31c1f');
  const { version, root } = decodeArchive(archive);
  assert.equal(version, 1);
  assert.deepEqual(
    root.children.map(({ path, end }) => [path, end]),
    [
      ['a.txt', 153],
      ['ln', 250],
    ],
  );
});

for (const version of [1, 2] as const) {
  test(`any tree in version ${version} is what the independent decoder reads`, () => {
    fc.assert(
      fc.property(anyTree, (tree) => {
        const { metadata: stream, payload } = encodeTree(tree, version);
        const archive = decodeArchive(stream, version === 2 ? payload : undefined);
        const entries = [...entriesOf(archive.root)];
        const meanings = meaningOf(tree);
        assert.deepEqual(
          entries.map(({ path }) => path),
          meanings.map(({ path }) => path),
        );
        entries.forEach((entry, i) => {
          const { node, linked } = meanings[i] as (typeof meanings)[0];
          assert.equal(entry.hardLinkTo, linked?.path);
          if (linked === undefined) assertSame(entry, node);
        });
      }),
      { seed: 20_261_120 },
    );
  });
}

function assertSame(entry: SpecEntry, node: ReturnType<typeof meaningOf>[0]['node']): void {
  const { mode, uid, gid, mtimeSec, mtimeNsec, xattrs } = node.metadata;
  assert.deepEqual(
    { mode: entry.mode, uid: entry.uid, gid: entry.gid, mtimeSec: entry.mtimeSec, mtimeNsec: entry.mtimeNsec },
    { mode, uid, gid, mtimeSec: BigInt(mtimeSec), mtimeNsec },
  );
  const found = [...entry.xattrs];
  if (entry.capabilities) found.push({ name: Buffer.from('security.capability'), value: entry.capabilities });
  assert.deepEqual(sortedXattrs(found), sortedXattrs(xattrs));
  if (isFile(mode)) assert.deepEqual(entry.payload?.content(), node.content);
  if (entry.target) assert.deepEqual(entry.target, node.target);
}

test('a folder of many names has its table in search order', () => {
  const pieces: Uint8Array[] = [];
  const encoder = new ArchiveEncoder((bytes) => pieces.push(bytes), metadata(0o40755), 1);
  for (let i = 0; i < 5000; i += 1) encoder.special(Buffer.from(`fifo ${i}`), metadata(0o10600));
  encoder.endFolder();
  assert.equal(decodeArchive(Buffer.concat(pieces)).root.children.length, 5000);
});

test('what no archive may hold is refused before anything is written', () => {
  const encoder = new ArchiveEncoder(() => {}, metadata(0o40755));
  const before = encoder.position;
  const file = metadata(0o100644);
  const refused = (what: () => unknown): void => {
    assert.throws(what, (error) => error instanceof CairnError && error.kind === 'invalid');
    assert.equal(encoder.position, before);
  };
  for (const name of ['', '.', '..', 'a/b', 'a\0b', 'x'.repeat(4097)]) {
    refused(() => encoder.file(Buffer.from(name), file, { offset: 16, size: 0 }));
    refused(() => encoder.startFolder(Buffer.from(name), metadata(0o40755)));
  }
  const name = Buffer.from('a');
  refused(() => encoder.file(name, metadata(0o40755), { offset: 16, size: 0 }));
  refused(() => encoder.file(name, file, { content: Buffer.alloc(0) }));
  refused(() => encoder.file(name, { ...file, mtimeNsec: 1e9 }, { offset: 16, size: 0 }));
  refused(() => encoder.startFolder(name, file));
  refused(() => encoder.symlink(name, metadata(0o120777), Buffer.alloc(0)));
  refused(() => encoder.special(name, file));
  refused(() => encoder.device(name, metadata(0o10644), { major: 1, minor: 3 }));
});

test('payload offsets that do not rise are refused', () => {
  const encoder = new ArchiveEncoder(() => {}, metadata(0o40755));
  encoder.file(Buffer.from('a'), metadata(0o100644), { offset: 16, size: 0 });
  assert.throws(() => encoder.file(Buffer.from('b'), metadata(0o100644), { offset: 16, size: 0 }), { kind: 'invalid' });
});

test('a hard link to a path no archive can hold is refused, and the archive goes on', () => {
  const pieces: Uint8Array[] = [];
  const encoder = new ArchiveEncoder((bytes) => pieces.push(bytes), metadata(0o40755), 1);
  for (let i = 0; i < 20; i += 1) encoder.startFolder(Buffer.alloc(255, 'd'), metadata(0o40755));
  const target = encoder.file(Buffer.from('f'), metadata(0o100644), { content: Buffer.from('x') });
  for (let i = 0; i < 20; i += 1) encoder.endFolder();
  assert.throws(() => encoder.hardLink(Buffer.from('link'), target), { kind: 'name-too-long' });
  encoder.endFolder();
  assert.equal([...entriesOf(decodeArchive(Buffer.concat(pieces)).root)].length, 22);
});

test('what is left over of the extended attributes is handed back', () => {
  const encoder = new ArchiveEncoder(() => {}, metadata(0o40755));
  const named = (name: string, value = Buffer.from('v')): { name: Buffer; value: Buffer } => ({
    name: Buffer.from(name),
    value,
  });
  const xattrs = [
    named('user.ok'),
    named('security.selinux'),
    named('btrfs.compression'),
    named('user.long', Buffer.alloc(65_537)),
    named('system.posix_acl_access', Buffer.from('no ACL')),
  ];
  const { left } = encoder.file(Buffer.from('f'), { ...metadata(0o100644), xattrs }, { offset: 16, size: 0 });
  assert.deepEqual(left, xattrs.slice(1));
});
