import fc from 'fast-check';
import type { Change } from '../../src/catalog/change.js';
import type { Extent } from '../../src/catalog/extent.js';
import type { Inode } from '../../src/catalog/inode.js';
import type { GroupName } from '../../src/core/group.js';

/** A record as a literal makes it: deepEqual tells it from one without a prototype, which fast-check makes now and then. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model, { noNullPrototype: true });
}

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((value) => Buffer.from(value));
const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((value) => Buffer.from(value));
const word = fc.nat({ max: 0xffff_ffff });
const count = fc.maxSafeNat();
const name = fc.uint8Array({ minLength: 1, maxLength: 255 }).map((value) => Buffer.from(value));
const nsec = fc.nat({ max: 999_999_999 });
// -0 is no second anybody stores, and deepEqual tells it from 0.
const sec = fc.integer().map((value) => value + 0);
const time = { timeSec: sec, timeNsec: nsec };

const inode: fc.Arbitrary<Inode> = record({
  ...{ ino: count, mode: word, nlink: word, uid: word, gid: word, rdev: word, size: count, allocated: count },
  ...{ atimeSec: sec, mtimeSec: sec, ctimeSec: sec, btimeSec: sec },
  ...{ atimeNsec: nsec, mtimeNsec: nsec, ctimeNsec: nsec, btimeNsec: nsec },
  storage: fc.constantFrom(0 as const, 1 as const, 2 as const),
  chunker: fc.constantFrom(0 as const, 1 as const),
  version: count,
  role: fc.constantFrom(0 as const, 1 as const, 2 as const, 3 as const, 4 as const, 5 as const, 6 as const),
  group: count,
  target: fc.option(bytes(300), { nil: null }),
});

const extent: fc.Arbitrary<Extent> = fc.oneof(
  record({ kind: fc.constant('journal' as const), offset: count, length: count, segment: count, at: count }),
  record({
    kind: fc.constant('chunk' as const),
    ...{ offset: count, length: count, at: count, chunkLength: word, storedLength: word, digest },
  }),
);

const group: fc.Arbitrary<GroupName> = record({
  namespace: fc.array(fc.constantFrom('a', 'b-1', 'c.d'), { maxLength: 3 }),
  type: fc.constantFrom('host' as const, 'vm' as const, 'ct' as const),
  id: fc.constantFrom('web1', '100', '_x'),
});

const fields = fc.record(
  {
    ...{ mode: word, uid: word, gid: word },
    ...{ atimeSec: sec, atimeNsec: nsec, mtimeSec: sec, mtimeNsec: nsec, ctimeSec: sec, ctimeNsec: nsec },
    chunker: fc.constantFrom(0 as const, 1 as const),
  },
  { noNullPrototype: true, requiredKeys: [] },
);

const content = fc.record(
  {
    kind: fc.constant('content' as const),
    ...{ ino: count, start: count, end: count, extents: fc.array(extent, { maxLength: 4 }), size: count },
    storage: fc.constantFrom(0 as const, 1 as const, 2 as const),
    chunker: fc.constantFrom(0 as const, 1 as const),
    ...{ mtimeSec: sec, mtimeNsec: nsec, ctimeSec: sec, ctimeNsec: nsec },
    ...{ ifVersion: count, contentDigest: digest },
  },
  {
    noNullPrototype: true,
    requiredKeys: [
      ...(['kind', 'ino', 'start', 'end', 'extents', 'size', 'storage', 'chunker'] as const),
      ...(['mtimeSec', 'mtimeNsec', 'ctimeSec', 'ctimeNsec'] as const),
    ],
  },
);

const renaming = {
  kind: fc.constant('rename' as const),
  ...{ parent: count, name, newParent: count, newName: name, exchange: fc.boolean(), ...time },
};

/** Any change at all, well formed but not sensible. */
export const anyChange: fc.Arbitrary<Change> = fc
  .oneof(
    record({
      kind: fc.constant('create' as const),
      ...{ parent: count, name, inode, xattrs: fc.array(record({ name, value: bytes(200) }), { maxLength: 3 }) },
    }),
    record({ kind: fc.constant('link' as const), ino: count, parent: count, name, ...time }),
    record({ kind: fc.constant('unlink' as const), parent: count, name, ...time }),
    record(renaming),
    record({ ...renaming, whiteout: inode }),
    record({
      kind: fc.constant('clone' as const),
      ...{ ino: count, start: count, from: count, fromStart: count, length: count },
      storage: fc.constantFrom(0 as const, 1 as const, 2 as const),
      chunker: fc.constantFrom(0 as const, 1 as const),
      ...{ mtimeSec: sec, mtimeNsec: nsec, ctimeSec: sec, ctimeNsec: nsec },
    }),
    record({ kind: fc.constant('attributes' as const), ino: count, fields }),
    content,
    record({ kind: fc.constant('set-xattr' as const), ino: count, name, value: bytes(300), ...time }),
    record({ kind: fc.constant('remove-xattr' as const), ino: count, name, ...time }),
    record({ kind: fc.constant('drop-orphan' as const), ino: count }),
    record({
      kind: fc.constant('create-group' as const),
      ...{ group, id: count, groupIno: count, currentIno: count, folderInos: fc.array(count, { maxLength: 4 }) },
      ...{ uid: word, gid: word, ...time },
    }),
    record({ kind: fc.constant('place-tree' as const), ino: count, parent: count, name, ...time }),
    record({ kind: fc.constant('remove-group' as const), id: count, ...time }),
  )
  .map((change) => plain(change) as Change);

/** The value with ordinary prototypes, as a decoder makes it. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
