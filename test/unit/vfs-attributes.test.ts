import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACL_ACCESS, ACL_DEFAULT, aclAfterChmod, inheritAcl, modeOfAcl } from '../../src/vfs/acl.js';
import type { NodeId } from '../../src/vfs/api.js';
import { ofKind } from '../support/catalog.js';
import { b, CALLER, O_RDONLY, O_RDWR, TestVfs, textOf } from '../support/live-vfs.js';

const TAGS = { u: 0x01, user: 0x02, g: 0x04, group: 0x08, m: 0x10, o: 0x20 };

/** An ACL value from text such as `u:rwx user1000:r-x g:r-x m:rwx o:r--`. */
function acl(text: string): Buffer {
  const entries = text.split(' ').filter((entry) => entry !== '');
  const value = Buffer.alloc(4 + 8 * entries.length);
  value.writeUInt32LE(2, 0);
  entries.forEach((entry, index) => {
    const [who, permissions] = entry.split(':') as [string, string];
    const [, tag, id] = /^([a-z]+)(\d*)$/.exec(who) as unknown as [string, keyof typeof TAGS, string];
    const bits = [...permissions].reduce((sum, letter, bit) => sum + (letter === '-' ? 0 : 4 >> bit), 0);
    value.writeUInt16LE(TAGS[tag], 4 + 8 * index);
    value.writeUInt16LE(bits, 6 + 8 * index);
    value.writeUInt32LE(id === '' ? 0xffff_ffff : Number(id), 8 + 8 * index);
  });
  return value;
}

test('times: a write moves mtime and ctime, a change of attributes ctime, a time set before the flush stays', async (t) => {
  const tree = await TestVfs.make(t);
  const { node, handle } = await tree.create('f');
  const made = await tree.stat(node);
  await tree.write(handle, 0, 'a');
  const written = await tree.stat(node);
  assert.ok(written.mtimeSec > made.mtimeSec && written.ctimeSec === written.mtimeSec);
  await tree.set(node, { mtime: { sec: -5, nsec: 999_999_999 }, atime: { sec: 12, nsec: 1 } });
  await tree.close(handle);
  const set = await tree.stat(node);
  assert.deepEqual([set.mtimeSec, set.mtimeNsec, set.atimeSec, set.atimeNsec], [-5, 999_999_999, 12, 1]);
  assert.ok(set.ctimeSec > written.ctimeSec);
  await tree.crash();
  assert.deepEqual(await tree.stat(node), set);
});

test('times: writes after utimens move mtime again; ctime never goes back', async (t) => {
  const tree = await TestVfs.make(t);
  const { node, handle } = await tree.create('f');
  await tree.set(node, { mtime: { sec: 5, nsec: 0 } });
  await tree.write(handle, 0, 'a');
  const written = await tree.stat(node);
  assert.ok(written.mtimeSec > 5);
  const changed = await tree.set(node, { mode: 0o600 });
  assert.ok(changed.ctimeSec > written.ctimeSec, 'chmod(2) does not show');
  await tree.close(handle);
  const closed = await tree.stat(node);
  assert.deepEqual([closed.mtimeSec, closed.ctimeSec], [written.mtimeSec, changed.ctimeSec]);
});

test('times: names and content move those of folders and files as POSIX says', async (t) => {
  const tree = await TestVfs.make(t);
  const folder = await tree.folder('d');
  const before = await tree.stat(folder);
  const file = await tree.file('f', 'x', folder);
  const made = await tree.stat(folder);
  assert.ok(made.mtimeSec > before.mtimeSec && made.ctimeSec === made.mtimeSec);
  const old = await tree.stat(file);
  await tree.vfs.names.link(file, tree.current, b('l'));
  const linked = await tree.stat(file);
  assert.ok(linked.ctimeSec > old.ctimeSec && linked.mtimeSec === old.mtimeSec);
  await tree.set(file, { size: 1 });
  assert.ok((await tree.stat(file)).mtimeSec > old.mtimeSec, 'truncation to the same size');
});

test('times: atime follows the relatime rule', async (t) => {
  const tree = await TestVfs.make(t);
  const node = await tree.file('f', 'x');
  const before = await tree.stat(node);
  await textOf(tree, node);
  const read = await tree.stat(node);
  assert.ok(read.atimeSec > before.mtimeSec);
  assert.equal(read.ctimeSec, before.ctimeSec);
  await textOf(tree, node);
  assert.equal((await tree.stat(node)).atimeSec, read.atimeSec);
  await tree.set(node, { mode: 0o600 });
  await textOf(tree, node);
  assert.ok((await tree.stat(node)).atimeSec > read.atimeSec);
});

test('chown takes set-id bits and capabilities away, from files only', async (t) => {
  const tree = await TestVfs.make(t);
  const node = await tree.file('f');
  await tree.vfs.xattrs.set(CALLER, node, b('security.capability'), b('caps'), 0, false);
  const chown = async (mode: number) => {
    await tree.set(node, { mode });
    return (await tree.set(node, { uid: 5 })).mode & 0o7777;
  };
  assert.equal(await chown(0o6755), 0o755);
  assert.equal(await chown(0o6745), 0o2745, 'setgid without execution means locking');
  assert.deepEqual(await tree.vfs.xattrs.list(node), []);
  const folder = await tree.folder('d');
  await tree.set(folder, { mode: 0o2755 });
  assert.equal((await tree.set(folder, { gid: 7 })).mode & 0o7777, 0o2755);
  assert.equal((await tree.set(node, { mode: 0o4711, uid: 6 })).mode & 0o7777, 0o4711);
});

test('sizes are set on regular files only', async (t) => {
  const tree = await TestVfs.make(t);
  await assert.rejects(tree.set(tree.current, { size: 0 }), ofKind('is-a-directory'));
  const link = await tree.vfs.names.symlink(CALLER, tree.current, b('l'), b('t'));
  await assert.rejects(tree.set(link.node, { size: 0 }), ofKind('invalid'));
  const node = await tree.file('f', 'abc');
  await assert.rejects(tree.set(node, { size: 2 ** 46 + 1 }), ofKind('too-large'));
  assert.equal((await tree.set(node, { size: 5 })).size, 5);
  assert.equal(await textOf(tree, node), 'abc\0\0');
  assert.equal(tree.parts.contents.get(node.position), undefined, 'it is still open for writing');
});

test('setgid folders hand their group on, to folders with the bit', async (t) => {
  const tree = await TestVfs.make(t);
  const folder = await tree.folder('d');
  await tree.set(folder, { gid: 77, mode: 0o2775 });
  const { attributes } = await tree.create('f', { parent: folder });
  assert.deepEqual([attributes.gid, attributes.mode & 0o7777], [77, 0o644]);
  const inner = await tree.stat(await tree.folder('i', folder));
  assert.deepEqual([inner.gid, inner.mode & 0o7777], [77, 0o2755]);
  assert.equal((await tree.create('g')).attributes.gid, CALLER.gid);
});

test('the umask counts where there is no default ACL', async (t) => {
  const tree = await TestVfs.make(t);
  const mode = async (name: string) =>
    (await tree.create(name, { mode: 0o6777, umask: 0o027 })).attributes.mode & 0o7777;
  assert.equal(await mode('a'), 0o6750);
  await tree.vfs.xattrs.set(CALLER, tree.current, ACL_DEFAULT, acl('u:rwx g:rwx o:rwx'), 0, false);
  assert.equal(await mode('b'), 0o6777);
});

test('xattrs: flags, limits, names and values as bytes', async (t) => {
  const tree = await TestVfs.make(t);
  const node = await tree.file('f');
  const set = async (name: string, value: Buffer, flags = 0) =>
    tree.vfs.xattrs.set(CALLER, node, b(name), value, flags, false);
  await assert.rejects(set('user.a', b('1'), 2), ofKind('no-attribute'));
  await set('user.a', b('1'), 1);
  await assert.rejects(set('user.a', b('2'), 1), ofKind('exists'));
  await set('user.a', Buffer.from([0, 255]), 2);
  await set('user.empty', b(''));
  assert.deepEqual(Buffer.from(await tree.vfs.xattrs.get(node, b('user.a'))), Buffer.from([0, 255]));
  assert.equal((await tree.vfs.xattrs.get(node, b('user.empty'))).length, 0);
  assert.equal((await tree.vfs.xattrs.list(node)).length, 2);
  await set('user.big', Buffer.alloc(65_536, 1));
  await assert.rejects(set('user.big', Buffer.alloc(65_537)), ofKind('out-of-range'));
  await assert.rejects(set(`user.${'x'.repeat(251)}`, b('')), ofKind('out-of-range'));
  await tree.vfs.xattrs.remove(CALLER, node, b('user.a'));
  await assert.rejects(async () => tree.vfs.xattrs.remove(CALLER, node, b('user.a')), ofKind('no-attribute'));
  await assert.rejects(async () => tree.vfs.xattrs.get(node, b('user.a')), ofKind('no-attribute'));
  await assert.rejects(async () => tree.vfs.xattrs.get(node, b('security.selinux')), ofKind('unsupported'));
});

// Vectors from acl(5) and `setfacl`/`getfacl` on ext4.
const EXTENDED = 'u:rwx user1000:rwx g:r-x group50:--x m:rwx o:r--';

test('an access ACL sets the mode, and chmod(2) sets owner, mask and other of it', () => {
  assert.deepEqual(modeOfAcl(acl(EXTENDED), 0o106600), { mode: 0o106774, minimal: false });
  assert.deepEqual(modeOfAcl(acl('u:rw- g:r-- o:---'), 0o100777), { mode: 0o100640, minimal: true });
  assert.deepEqual(modeOfAcl(acl('u:rw- g:rwx m:r-- o:---'), 0o100777), { mode: 0o100640, minimal: false });
  assert.deepEqual(aclAfterChmod(acl(EXTENDED), 0o640), acl('u:rw- user1000:rwx g:r-x group50:--x m:r-- o:---'));
  assert.deepEqual(aclAfterChmod(acl('u:rwx g:rwx o:rwx'), 0o640), acl('u:rw- g:r-- o:---'));
});

test('a default ACL limits what an inode is born with', () => {
  const inherited = inheritAcl(acl(EXTENDED), 0o100644);
  assert.equal(inherited.mode, 0o100644);
  assert.deepEqual(inherited.access, acl('u:rw- user1000:rwx g:r-x group50:--x m:r-- o:r--'));
  assert.deepEqual(inheritAcl(acl('u:rwx g:r-x o:---'), 0o100666), { mode: 0o100640, access: undefined });
  assert.equal(inheritAcl(acl(EXTENDED), 0o040777).mode, 0o040774);
});

for (const [what, value] of [
  ['nothing', ''],
  ['another version', '01000000'],
  ['half an entry', '0200000001000700'],
  ['no entries', '02000000'],
  ['no owner', acl('g:rwx o:rwx').toString('hex')],
  ['no other', acl('u:rwx g:rwx').toString('hex')],
  ['a user without a mask', acl('u:rwx user1:rwx g:rwx o:rwx').toString('hex')],
  ['two masks', acl('u:rwx g:rwx m:rwx m:rwx o:rwx').toString('hex')],
  ['an order of its own', acl('u:rwx o:rwx g:rwx').toString('hex')],
] as const) {
  test(`an ACL with ${what} is refused`, () => {
    assert.throws(() => modeOfAcl(Buffer.from(value, 'hex'), 0o644), ofKind('invalid'));
  });
}

async function xattr(tree: TestVfs, node: NodeId, name: Buffer): Promise<Buffer | undefined> {
  try {
    return Buffer.from(await tree.vfs.xattrs.get(node, name));
  } catch (error) {
    assert.ok(ofKind('no-attribute')(error));
    return undefined;
  }
}

test('ACLs in the tree: set, kept only where they say more than the mode, followed by chmod, removed', async (t) => {
  const tree = await TestVfs.make(t);
  const node = await tree.file('f');
  await tree.set(node, { mode: 0o2644 });
  const set = async (value: Buffer, kill = false) => tree.vfs.xattrs.set(CALLER, node, ACL_ACCESS, value, 0, kill);
  await set(acl(EXTENDED));
  assert.equal((await tree.stat(node)).mode, 0o102774);
  assert.deepEqual(await xattr(tree, node, ACL_ACCESS), acl(EXTENDED));
  await tree.set(node, { mode: 0o640 });
  assert.deepEqual(await xattr(tree, node, ACL_ACCESS), aclAfterChmod(acl(EXTENDED), 0o640));
  await set(acl('u:rw- g:r-- o:r--'));
  assert.equal(await xattr(tree, node, ACL_ACCESS), undefined);
  await tree.set(node, { mode: 0o2750 });
  await set(acl(EXTENDED), true);
  assert.equal((await tree.stat(node)).mode, 0o100774);
  await tree.vfs.xattrs.remove(CALLER, node, ACL_ACCESS);
  await tree.vfs.xattrs.remove(CALLER, node, ACL_ACCESS);
  assert.equal(await xattr(tree, node, ACL_ACCESS), undefined);
  await assert.rejects(set(b('nonsense')), ofKind('invalid'));
  const setDefault = async (target: NodeId) =>
    tree.vfs.xattrs.set(CALLER, target, ACL_DEFAULT, acl(EXTENDED), 0, false);
  await assert.rejects(setDefault(node), ofKind('access-denied'));
  const link = await tree.vfs.names.symlink(CALLER, tree.current, b('l'), b('t'));
  await assert.rejects(setDefault(link.node), ofKind('unsupported'));
});

test('ACLs in the tree: inherited by files, folders and O_TMPFILE, not by links', async (t) => {
  const tree = await TestVfs.make(t);
  const folder = await tree.folder('d');
  await tree.vfs.xattrs.set(CALLER, folder, ACL_DEFAULT, acl(EXTENDED), 0, false);
  assert.equal((await tree.stat(folder)).mode & 0o777, 0o755);
  const { attributes } = await tree.create('f', { parent: folder, mode: 0o666, umask: 0o077 });
  assert.equal(attributes.mode & 0o777, 0o664);
  assert.deepEqual(await xattr(tree, attributes.node, ACL_ACCESS), inheritAcl(acl(EXTENDED), 0o666).access);
  assert.equal(await xattr(tree, attributes.node, ACL_DEFAULT), undefined);
  const inner = await tree.folder('i', folder, 0o777);
  assert.deepEqual(await xattr(tree, inner, ACL_DEFAULT), acl(EXTENDED));
  const temporary = await tree.vfs.names.temporary(CALLER, folder, 0o666, 0o077, O_RDWR);
  assert.equal(temporary.attributes.mode & 0o777, 0o664);
  const link = await tree.vfs.names.symlink(CALLER, folder, b('l'), b('t'));
  assert.deepEqual(await tree.vfs.xattrs.list(link.node), []);
  assert.equal(link.mode, 0o120777);
  await tree.crash();
  assert.deepEqual(await xattr(tree, inner, ACL_DEFAULT), acl(EXTENDED));
  await tree.vfs.files.release(await tree.open(attributes.node, O_RDONLY));
});
