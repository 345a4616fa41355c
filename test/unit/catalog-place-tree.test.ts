import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROLE_CURRENT, ROLE_ORDINARY } from '../../src/catalog/inode.js';
import { CairnError } from '../../src/core/errors.js';
import { TestVfs } from '../support/live-vfs.js';

const time = { timeSec: 5, timeNsec: 6 };
const isKind = (kind: string) => (error: unknown) => error instanceof CairnError && error.kind === kind;

/** A live tree with a folder that has no name, to be placed in it. */
async function withTree(t: Parameters<typeof TestVfs.make>[0], role: 0 | 6 = ROLE_ORDINARY) {
  const tree = await TestVfs.make(t);
  const { catalog } = tree.store.datastore;
  const current = catalog.inodes.find(tree.store.current);
  assert.ok(current !== undefined);
  const ino = catalog.inodes.allocate();
  catalog.apply({ kind: 'create', parent: 0, name: Buffer.alloc(0), inode: { ...current, ino, role }, xattrs: [] });
  const inner = { ...current, ino: catalog.inodes.allocate(), role: ROLE_ORDINARY } as const;
  catalog.apply({ kind: 'create', parent: ino, name: Buffer.from('inner'), inode: inner, xattrs: [] });
  return { tree, catalog, ino, current: tree.store.current, group: current.group };
}

test('a tree is made without a name, and is no orphan once it is placed', async (t) => {
  const { catalog, ino, current } = await withTree(t);
  assert.deepEqual(catalog.orphans.list(0, 10), [ino]);
  assert.throws(() => catalog.apply({ kind: 'drop-orphan', ino }), isKind('not-empty'));
  const links = catalog.inodes.find(current)?.nlink ?? 0;
  catalog.apply({ kind: 'place-tree', ino, parent: current, name: Buffer.from('placed'), ...time });
  assert.deepEqual(catalog.orphans.list(0, 10), []);
  assert.equal(catalog.names.lookup(current, Buffer.from('placed')), ino);
  assert.equal(catalog.inodes.find(current)?.nlink, links + 1);
  assert.equal(catalog.inodes.find(ino)?.nlink, 3);
  assert.throws(() => catalog.apply({ kind: 'drop-orphan', ino }), isKind('corrupt'));
  const again = { kind: 'place-tree', ino, parent: current, name: Buffer.from('twice'), ...time } as const;
  assert.throws(() => catalog.apply(again), isKind('corrupt'));
});

test('a live tree that is replaced is without a name, and its group has the new one', async (t) => {
  const { catalog, ino, current, group } = await withTree(t, ROLE_CURRENT);
  const row = catalog.groups.find(group);
  assert.ok(row !== undefined);
  const links = catalog.inodes.find(row.groupIno)?.nlink;
  catalog.apply({ kind: 'place-tree', ino, parent: row.groupIno, name: Buffer.from('current'), ...time });
  assert.deepEqual(catalog.orphans.list(0, 10), [current]);
  assert.equal(catalog.groups.find(group)?.currentIno, ino);
  assert.equal(catalog.names.lookup(row.groupIno, Buffer.from('current')), ino);
  assert.equal(catalog.inodes.find(row.groupIno)?.nlink, links);
  assert.equal(catalog.names.parentOf(current), undefined);
  catalog.apply({ kind: 'drop-orphan', ino: current });
  assert.equal(catalog.inodes.find(current), undefined);
});
