import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CreateGroupChange } from '../../src/catalog/change.js';
import type { Catalog } from '../../src/catalog/open.js';
import { bytes, FILE, make, makeCatalog, ofKind } from '../support/catalog.js';

const TIME = { timeSec: 5000, timeNsec: 6 };

function rolesOf(catalog: Catalog, path: string): number[] {
  const roles: number[] = [];
  let ino = 1;
  for (const part of path.split('/')) {
    ino = catalog.names.lookup(ino, bytes(part)) ?? assert.fail(`no ${part}`);
    roles.push(catalog.inodes.find(ino)!.role);
  }
  return roles;
}

function inNamespace(catalog: Catalog, folders: number): CreateGroupChange {
  const group = { namespace: ['a', 'b'], type: 'vm', id: '100' } as const;
  const [groupIno, currentIno] = [catalog.inodes.allocate(), catalog.inodes.allocate()];
  const folderInos = Array.from({ length: folders }, () => catalog.inodes.allocate());
  const id = catalog.groups.allocateId();
  return { kind: 'create-group', group, id, groupIno, currentIno, folderInos, uid: 7, gid: 8, ...TIME };
}

test('a group is a folder with current/ in it', (t) => {
  const { catalog, current } = makeCatalog(t);
  const name = { namespace: [], type: 'host', id: 'web1' } as const;
  const group = catalog.groups.findByName(name);
  assert.deepEqual(group, { id: 1, name, groupIno: catalog.names.parentOf(current), currentIno: current });
  assert.deepEqual(catalog.groups.find(1), group);
  assert.deepEqual(rolesOf(catalog, 'host/web1/current'), [2, 3, 6]);
  assert.equal(catalog.inodes.find(current)?.group, 1);
  const host = catalog.inodes.find(catalog.names.lookup(1, bytes('host'))!)!;
  assert.deepEqual([host.nlink, host.mtimeSec, host.group], [3, 1001, 0]);
});

test('namespaces and types are made on the way, where they are missing', (t) => {
  const { catalog } = makeCatalog(t);
  catalog.apply(inNamespace(catalog, 4));
  assert.deepEqual(rolesOf(catalog, 'ns/a/ns/b/vm/100/current'), [4, 5, 4, 5, 2, 3, 6]);
  const again = inNamespace(catalog, 0);
  assert.throws(() => catalog.apply(again), ofKind('corrupt'));
  catalog.apply({ ...again, group: { ...again.group, id: '101' } });
  assert.deepEqual(
    catalog.groups.list().map(({ name }) => [...name.namespace, name.id].join('/')),
    ['web1', 'a/b/100', 'a/b/101'],
  );
  assert.equal(catalog.inodes.find(again.currentIno)?.uid, 7);
});

test('a group without numbers for its folders is refused as a whole', (t) => {
  const { catalog } = makeCatalog(t);
  const before = catalog.figures();
  assert.throws(() => catalog.apply(inNamespace(catalog, 3)), ofKind('corrupt'));
  assert.deepEqual(catalog.figures(), before);
  assert.equal(catalog.names.hasEntries(catalog.names.lookup(1, bytes('ns'))!), false);
});

test('an empty group goes, one with files or snapshots does not', (t) => {
  const { catalog, current } = makeCatalog(t);
  const { id, groupIno } = catalog.groups.list()[0]!;
  const remove = { kind: 'remove-group', id, ...TIME } as const;
  make(catalog, current, 'file', FILE);
  assert.throws(() => catalog.apply(remove), ofKind('not-empty'));
  catalog.apply({ kind: 'unlink', parent: current, name: bytes('file'), ...TIME });
  const facts = { files: [], contentBytes: 0, entries: 0, isProtected: false, notes: '', verifiedAt: 0 } as const;
  const archive = catalog.snapshots.add(id, 100, { ...facts, state: 'finished', verifyState: 'none' });
  assert.throws(() => catalog.apply(remove), ofKind('not-empty'));
  catalog.snapshots.remove(archive);
  catalog.apply(remove);
  assert.equal(catalog.groups.find(id), undefined);
  assert.deepEqual(
    [groupIno, current].map((ino) => catalog.inodes.find(ino)),
    [undefined, undefined],
  );
  const host = catalog.names.lookup(1, bytes('host'))!;
  assert.equal(catalog.names.hasEntries(host), false);
  assert.equal(catalog.inodes.find(host)?.nlink, 2);
  assert.throws(() => catalog.apply(remove), ofKind('corrupt'));
  assert.ok(catalog.groups.allocateId() > id);
});
