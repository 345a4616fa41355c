import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RenameChange } from '../../src/catalog/change.js';
import type { Catalog } from '../../src/catalog/open.js';
import { bytes, FILE, FOLDER, make, makeCatalog, makeGroup, newInode, ofKind } from '../support/catalog.js';

const TIME = { timeSec: 5000, timeNsec: 6 };

function names(catalog: Catalog, folder: number): string[] {
  return catalog.names.entries(folder, 0, 1000).map(({ name }) => Buffer.from(name).toString());
}

function rename(parent: number, name: string, newParent: number, newName: string, exchange = false): RenameChange {
  return { kind: 'rename', parent, name: bytes(name), newParent, newName: bytes(newName), exchange, ...TIME };
}

function timesOf(catalog: Catalog, ino: number): number[] {
  const inode = catalog.inodes.find(ino)!;
  return [inode.mtimeSec, inode.mtimeNsec, inode.ctimeSec, inode.ctimeNsec];
}

test('create makes an inode as told and touches its folder', (t) => {
  const { catalog, current } = makeCatalog(t);
  const inode = { ...newInode(90, 0o120777), size: 6, target: bytes('target'), rdev: 0 };
  const xattrs = [{ name: bytes('system.posix_acl_access'), value: bytes('acl') }];
  catalog.apply({ kind: 'create', parent: current, name: bytes('link'), inode, xattrs });
  assert.deepEqual(catalog.inodes.find(90), inode);
  assert.deepEqual(timesOf(catalog, current), [2000, 3, 2000, 3]);
  assert.equal(catalog.inodes.find(current)?.nlink, 2);
  assert.deepEqual(catalog.xattrs.all(90), xattrs);
  const folder = make(catalog, current, 'folder', FOLDER);
  assert.equal(catalog.inodes.find(current)?.nlink, 3);
  assert.equal(catalog.names.parentOf(folder), current);
  catalog.transactions.commit(1);
  catalog.transactions.begin();
  catalog.transactions.rollback();
  assert.deepEqual(catalog.inodes.find(90), inode, 'read from the row it is the same');
});

test('the record of an inode does not change under whoever holds it', (t) => {
  const { catalog, current } = makeCatalog(t);
  const ino = make(catalog, current, 'a', FILE);
  const held = catalog.inodes.find(ino);
  catalog.apply({ kind: 'attributes', ino, fields: { mode: 0o100600, uid: 77, chunker: 1 } });
  assert.equal(held?.uid, 1);
  assert.equal(catalog.inodes.find(ino)?.uid, 77);
  assert.equal(catalog.inodes.find(ino)?.chunker, 1);
  assert.equal(catalog.inodes.find(ino)?.gid, 2);
});

test('a file without a name is an orphan until it gets one', (t) => {
  const { catalog, current } = makeCatalog(t);
  const inode = newInode(90, FILE);
  catalog.apply({ kind: 'create', parent: 0, name: bytes(''), inode, xattrs: [] });
  assert.equal(catalog.inodes.find(90)?.nlink, 0);
  assert.deepEqual(catalog.orphans.list(0, 10), [90]);
  assert.equal(catalog.names.pathOf(90), undefined);
  catalog.apply({ kind: 'link', ino: 90, parent: current, name: bytes('named'), ...TIME });
  assert.equal(catalog.inodes.find(90)?.nlink, 1);
  assert.deepEqual(catalog.orphans.list(0, 10), []);
});

test('a file has as many links as names, and is an orphan without any', (t) => {
  const { catalog, current } = makeCatalog(t);
  const ino = make(catalog, current, 'a', FILE);
  catalog.apply({ kind: 'link', ino, parent: current, name: bytes('b'), ...TIME });
  assert.equal(catalog.inodes.find(ino)?.nlink, 2);
  assert.deepEqual(timesOf(catalog, ino), [2000, 3, 5000, 6]);
  assert.deepEqual(timesOf(catalog, current), [5000, 6, 5000, 6]);
  catalog.apply({ kind: 'unlink', parent: current, name: bytes('a'), timeSec: 6000, timeNsec: 1 });
  assert.equal(catalog.inodes.find(ino)?.nlink, 1);
  assert.equal(Buffer.from(catalog.names.entryName(current, ino) ?? []).toString(), 'b');
  catalog.apply({ kind: 'unlink', parent: current, name: bytes('b'), timeSec: 6000, timeNsec: 1 });
  assert.equal(catalog.inodes.find(ino)?.nlink, 0);
  assert.deepEqual(catalog.orphans.list(0, 10), [ino]);
  const { inodes } = catalog.figures();
  catalog.apply({ kind: 'drop-orphan', ino });
  assert.equal(catalog.inodes.find(ino), undefined);
  assert.equal(catalog.figures().inodes, inodes - 1);
});

test('a removed folder leaves its parent with one link less', (t) => {
  const { catalog, current } = makeCatalog(t);
  const folder = make(catalog, current, 'folder', FOLDER);
  assert.equal(catalog.names.hasEntries(current), true);
  catalog.apply({ kind: 'unlink', parent: current, name: bytes('folder'), ...TIME });
  assert.equal(catalog.inodes.find(folder)?.nlink, 0);
  assert.equal(catalog.inodes.find(current)?.nlink, 2);
  assert.equal(catalog.names.hasEntries(current), false);
  const create = {
    kind: 'create',
    parent: folder,
    name: bytes('late'),
    inode: newInode(99, FILE),
    xattrs: [],
  } as const;
  assert.throws(() => catalog.apply(create), ofKind('corrupt'));
});

test('rename moves a folder with its links', (t) => {
  const { catalog, current } = makeCatalog(t);
  const [a, b] = [make(catalog, current, 'a', FOLDER), make(catalog, current, 'b', FOLDER)];
  const moving = make(catalog, a, 'moving', FOLDER);
  catalog.apply(rename(a, 'moving', b, 'moved'));
  assert.equal(catalog.inodes.find(a)?.nlink, 2);
  assert.equal(catalog.inodes.find(b)?.nlink, 3);
  assert.equal(catalog.names.parentOf(moving), b);
  assert.equal(Buffer.from(catalog.names.pathOf(moving) ?? []).toString(), 'host/web1/current/b/moved');
  for (const ino of [a, b]) assert.deepEqual(timesOf(catalog, ino), [5000, 6, 5000, 6]);
  assert.deepEqual(timesOf(catalog, moving), [2000, 3, 5000, 6]);
});

test('rename over a name takes it from what had it', (t) => {
  const { catalog, current } = makeCatalog(t);
  const [a, b] = [make(catalog, current, 'a', FILE), make(catalog, current, 'b', FILE)];
  catalog.apply(rename(current, 'a', current, 'b'));
  assert.equal(catalog.names.lookup(current, bytes('b')), a);
  assert.equal(catalog.names.lookup(current, bytes('a')), undefined);
  assert.deepEqual(catalog.orphans.list(0, 10), [b]);
  const [from, onto] = [make(catalog, current, 'from', FOLDER), make(catalog, current, 'onto', FOLDER)];
  make(catalog, onto, 'inside', FILE);
  assert.throws(() => catalog.apply(rename(current, 'from', current, 'onto')), ofKind('not-empty'));
  catalog.apply({ kind: 'unlink', parent: onto, name: bytes('inside'), ...TIME });
  catalog.apply(rename(current, 'from', current, 'onto'));
  assert.equal(catalog.names.lookup(current, bytes('onto')), from);
  assert.equal(catalog.inodes.find(current)?.nlink, 3);
  assert.equal(catalog.inodes.find(onto)?.nlink, 0);
});

test('rename between two names of one file does nothing', (t) => {
  const { catalog, current } = makeCatalog(t);
  const ino = make(catalog, current, 'a', FILE);
  catalog.apply({ kind: 'link', ino, parent: current, name: bytes('b'), timeSec: 4000, timeNsec: 4 });
  catalog.apply(rename(current, 'a', current, 'b'));
  catalog.apply(rename(current, 'a', current, 'a'));
  assert.deepEqual(names(catalog, current), ['a', 'b']);
  assert.deepEqual(timesOf(catalog, current), [4000, 4, 4000, 4]);
});

test('an exchange swaps what two names mean', (t) => {
  const { catalog, current } = makeCatalog(t);
  const [a, b] = [make(catalog, current, 'a', FOLDER), make(catalog, current, 'b', FOLDER)];
  const [file, folder] = [make(catalog, a, 'x', FILE), make(catalog, b, 'y', FOLDER)];
  catalog.apply(rename(a, 'x', b, 'y', true));
  assert.equal(catalog.names.lookup(a, bytes('x')), folder);
  assert.equal(catalog.names.lookup(b, bytes('y')), file);
  assert.equal(catalog.inodes.find(a)?.nlink, 3);
  assert.equal(catalog.inodes.find(b)?.nlink, 2);
  for (const ino of [file, folder]) assert.deepEqual(timesOf(catalog, ino), [2000, 3, 5000, 6]);
  assert.throws(() => catalog.apply(rename(a, 'x', b, 'none', true)), ofKind('corrupt'));
});

test('nothing moves or is linked into the tree of another group', (t) => {
  const { catalog, current } = makeCatalog(t);
  const other = makeGroup(catalog, 'web2');
  const ino = make(catalog, current, 'a', FILE);
  assert.throws(() => catalog.apply(rename(current, 'a', other, 'a')), ofKind('cross-device'));
  const link = { kind: 'link', ino, parent: other, name: bytes('a'), ...TIME } as const;
  assert.throws(() => catalog.apply(link), ofKind('cross-device'));
});

test('a listing resumes behind a cookie while names come, go and are replaced', (t) => {
  const { catalog, current } = makeCatalog(t);
  for (const name of ['a', 'b', 'c', 'd']) make(catalog, current, name, FILE);
  const first = catalog.names.entries(current, 0, 2);
  make(catalog, current, 'e', FILE);
  catalog.apply({ kind: 'unlink', parent: current, name: bytes('b'), ...TIME });
  catalog.apply(rename(current, 'e', current, 'c'));
  catalog.apply(rename(current, 'd', current, 'renamed'));
  const rest = catalog.names.entries(current, first[1]!.cookie, 10);
  assert.deepEqual(
    rest.map(({ name }) => Buffer.from(name).toString()),
    ['c', 'renamed'],
    'a replaced and a renamed name are shown once, at their places',
  );
  assert.equal(rest[0]!.inode.ino, catalog.names.lookup(current, bytes('c')));
  const reused = make(catalog, current, 'b', FILE);
  const last = catalog.names.entries(current, rest[1]!.cookie, 10);
  assert.deepEqual(
    last.map(({ ino }) => ino),
    [reused],
    'a cookie is never used again',
  );
});

test('names and values are bytes', (t) => {
  const { catalog, current } = makeCatalog(t);
  const odd = Buffer.from([0xff, 0xfe, 0x01, 0x20]);
  const ino = 90;
  catalog.apply({ kind: 'create', parent: current, name: odd, inode: newInode(ino, FILE), xattrs: [] });
  assert.equal(catalog.names.lookup(current, new Uint8Array(odd)), ino);
  assert.deepEqual(Buffer.from(catalog.names.entryName(current, ino) ?? []), odd);
  const set = { kind: 'set-xattr', ino, name: bytes('user.x'), timeSec: 7, timeNsec: 8 } as const;
  catalog.apply({ ...set, value: odd });
  assert.deepEqual(catalog.xattrs.find(ino, bytes('user.x')), odd);
  catalog.apply({ ...set, value: bytes('') });
  assert.deepEqual(catalog.xattrs.find(ino, bytes('user.x')), bytes(''));
  catalog.apply({ ...set, name: bytes('user.a'), value: bytes('1') });
  assert.deepEqual(catalog.xattrs.names(ino), [bytes('user.a'), bytes('user.x')]);
  assert.deepEqual(timesOf(catalog, ino), [2000, 3, 7, 8]);
  catalog.apply({ kind: 'remove-xattr', ino, name: bytes('user.x'), timeSec: 9, timeNsec: 9 });
  assert.equal(catalog.xattrs.find(ino, bytes('user.x')), undefined);
  assert.deepEqual(timesOf(catalog, ino), [2000, 3, 9, 9]);
});

test('the root has an empty path and no parent', (t) => {
  const { catalog } = makeCatalog(t);
  assert.equal(catalog.names.pathOf(1)?.length, 0);
  assert.equal(catalog.names.parentOf(1), undefined);
});
