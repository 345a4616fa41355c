import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { accessAclOf, accessAclXattr, defaultAclOf, defaultAclXattr } from '../../src/archive/acl.js';
import { ArchiveEncoder } from '../../src/archive/encoder.js';
import { ArchiveReader } from '../../src/archive/reader.js';
import type { Xattr } from '../../src/archive/xattrs.js';
import { decodeArchive, type SpecEntry } from '../support/spec-decoder/pxar.js';

const ACCESS = Buffer.from('system.posix_acl_access');
const DEFAULT = Buffer.from('system.posix_acl_default');
const NO_ID = 0xffff_ffff;

/** A value as Linux has it, from lines of tag, permissions and id. */
function acl(...lines: [number, number, number?][]): Buffer {
  const value = Buffer.alloc(4 + 8 * lines.length);
  value.writeUInt32LE(2);
  lines.forEach(([tag, permissions, id = NO_ID], i) => {
    value.writeUInt16LE(tag, 4 + 8 * i);
    value.writeUInt16LE(permissions, 6 + 8 * i);
    value.writeUInt32LE(id, 8 + 8 * i);
  });
  return value;
}

/** As `getfattr -e hex` shows it after `setfacl -m u:1000:rwx` on a file of mode 0644. */
const SETFACL = Buffer.from(
  '0200000001000600ffffffff02000700e803000004000400ffffffff10000700ffffffff20000400ffffffff',
  'hex',
);

interface Written {
  readonly spec: SpecEntry;
  readonly xattrs: Xattr[];
  readonly left: readonly Xattr[];
}

/** Writes one entry, reads it by both decoders. */
function written(mode: number, xattrs: Xattr[]): Written {
  const pieces: Uint8Array[] = [];
  const stat = { uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0 };
  const encoder = new ArchiveEncoder((bytes) => pieces.push(bytes), { ...stat, mode: 0o40755, xattrs: [] }, 1);
  const name = Buffer.from('entry');
  const isFolder = (mode & 0o170000) === 0o40000;
  const metadata = { ...stat, mode, xattrs };
  const { left, entryPosition } = isFolder
    ? encoder.startFolder(name, metadata)
    : encoder.file(name, metadata, { content: Buffer.alloc(0) });
  if (isFolder) encoder.endFolder();
  encoder.endFolder();
  const archive = Buffer.concat(pieces);
  const reader = ArchiveReader.open({ read: (at, length) => archive.subarray(at, at + length), size: archive.length });
  return {
    spec: decodeArchive(archive).root.children[0] as SpecEntry,
    xattrs: (reader as ArchiveReader).xattrs(entryPosition) as Xattr[],
    left,
  };
}

test('an access ACL goes into items and comes out as Linux had it', () => {
  const { spec, xattrs, left } = written(0o100674, [{ name: ACCESS, value: SETFACL }]);
  assert.deepEqual(spec.aclUsers, [{ id: 1000n, permissions: 7n }]);
  assert.deepEqual([spec.aclGroups, spec.aclGroupObject, spec.xattrs], [[], 4n, []]);
  assert.deepEqual(left, []);
  assert.deepEqual(
    xattrs.map(({ value }) => value),
    [SETFACL],
  );
  assert.equal(Buffer.from(xattrs[0]?.name ?? []).toString(), ACCESS.toString());
});

test('the group bits of the mode are the mask, ACL_GROUP_OBJ is what the group may do', () => {
  const value = acl([1, 6], [2, 6, 5], [4, 0], [8, 7, 100], [8, 1, 7], [0x10, 6], [0x20, 0]);
  const { spec, xattrs, left } = written(0o100660, [{ name: ACCESS, value }]);
  assert.deepEqual([spec.aclGroupObject, spec.aclGroups.length, left.length], [0n, 2, 0]);
  assert.deepEqual(xattrs[0]?.value, value);
});

test('a default ACL goes into items, with and without mask', () => {
  const bare = acl([1, 7], [4, 5], [0x20, 0]);
  const masked = acl([1, 7], [2, 7, 1000], [2, 4, 10], [4, 5], [8, 5, 50], [0x10, 7], [0x20, 0]);
  const withoutMask = written(0o40755, [{ name: DEFAULT, value: bare }]);
  assert.deepEqual(withoutMask.spec.aclDefault, [7n, 5n, 0n, (1n << 64n) - 1n]);
  assert.deepEqual([withoutMask.xattrs[0]?.value, withoutMask.left], [bare, []]);
  const withMask = written(0o40755, [{ name: DEFAULT, value: masked }]);
  assert.deepEqual(withMask.spec.aclDefault, [7n, 5n, 0n, 7n]);
  assert.deepEqual(
    withMask.spec.aclDefaultUsers.map(({ id }) => id),
    [1000n, 10n],
  );
  assert.deepEqual([withMask.xattrs[0]?.value, withMask.left], [masked, []]);
});

test('an ACL that contradicts the mode is encoded as near as it goes, and handed back whole', () => {
  const xattr = { name: ACCESS, value: SETFACL };
  const { spec, left } = written(0o100600, [xattr]);
  assert.deepEqual(spec.aclUsers, [{ id: 1000n, permissions: 7n }]);
  assert.deepEqual(left, [xattr]);
});

test('what is no ACL, says no more than the mode or is where none can be, is only handed back', () => {
  const values = [
    Buffer.alloc(0),
    Buffer.from('02000000', 'hex'),
    SETFACL.subarray(0, -1),
    Buffer.concat([Buffer.from('03000000', 'hex'), SETFACL.subarray(4)]),
    acl([1, 6], [4, 4], [0x20, 4]),
    acl([1, 6], [4, 4]),
    acl([1, 8], [4, 4], [0x20, 4]),
    acl([1, 6], [4, 4], [4, 4], [0x20, 4]),
    acl([1, 6], [2, 6, 5], [4, 4], [0x20, 4]),
    acl([1, 6], [4, 4], [0x20, 4], [0x40, 4]),
    acl([1, 6], [2, 8, 5], [4, 4], [0x10, 4], [0x20, 4]),
    acl([1, 6], [2, 6, 5], [4, 4], [4, 4], [0x10, 4], [0x20, 4]),
    acl([1, 6], [2, 6, 5], [4, 4], [0x10, 4], [0x10, 4], [0x20, 4]),
    acl([1, 6], [2, 6, 5], [4, 4], [0x10, 4], [0x20, 4], [0x40, 4]),
  ];
  for (const value of values) {
    const xattr = { name: ACCESS, value };
    const { spec, left, xattrs } = written(0o100644, [xattr]);
    assert.deepEqual([spec.aclUsers, spec.aclGroupObject, xattrs], [[], undefined, []]);
    assert.deepEqual(left, [xattr], value.toString('hex'));
  }
  const onFile = { name: DEFAULT, value: acl([1, 7], [4, 5], [0x20, 0]) };
  assert.deepEqual(written(0o100644, [onFile]).left, [onFile]);
});

test('any ACL in the usual order survives', () => {
  const permissions = fc.nat(7);
  const named = fc.array(fc.tuple(fc.nat(0xffff_fffe), permissions), { maxLength: 5 });
  fc.assert(
    fc.property(
      permissions,
      permissions,
      permissions,
      permissions,
      named,
      named,
      (user, group, other, mask, us, gs) => {
        const value = acl(
          [1, user],
          ...us.map(([id, p]): [number, number, number] => [2, p, id]),
          [4, group],
          ...gs.map(([id, p]): [number, number, number] => [8, p, id]),
          [0x10, mask],
          [0x20, other],
        );
        const access = accessAclOf(value);
        const defaults = defaultAclOf(value);
        assert.ok(access && defaults);
        const mode = 0o100000 | (user << 6) | (mask << 3) | other;
        assert.deepEqual(accessAclXattr(access, mode), value);
        assert.deepEqual(defaultAclXattr(defaults), value);
      },
    ),
    { seed: 2 },
  );
});
