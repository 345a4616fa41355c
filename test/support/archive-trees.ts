import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { deviceParts } from '../../src/archive/device.js';
import { ArchiveEncoder, type ArchiveVersion, type EntryMetadata, type LinkTarget } from '../../src/archive/encoder.js';
import type { ArchiveEntry } from '../../src/archive/entry-decoder.js';
import { payloadHeader, payloadStartMarker, payloadTailMarker } from '../../src/archive/payload-items.js';
import type { ArchiveReader, ListedEntry } from '../../src/archive/reader.js';
import type { Xattr } from '../../src/archive/xattrs.js';

/** A tree as a test wants it archived. */
export interface TreeNode {
  readonly name: Buffer;
  readonly metadata: EntryMetadata;
  readonly content: Buffer;
  readonly target: Buffer;
  readonly rdev: number;
  readonly children: readonly TreeNode[];
  /** Which of the files before it this is another name of (modulo their number); not one where there is none. */
  readonly linkTo: number | undefined;
}

export interface EncodedTree {
  readonly metadata: Buffer;
  readonly payload: Buffer;
  /** Position of each folder's ENTRY → of its parent's, and length of its name. */
  readonly folderLinks: ReadonlyMap<number, { parent: number; nameLength: number }>;
}

const FORMATS = [0o100000, 0o100000, 0o100000, 0o120000, 0o060000, 0o020000, 0o010000, 0o140000];
const NAMES = ['a', 'b', 'README', 'x'.repeat(255), 'ü', ' ', '\n', '...', '.hidden', 'name with spaces', '-rf'];

const name = fc.oneof(
  fc.constantFrom(...NAMES).map((text) => Buffer.from(text)),
  fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => Buffer.from(bytes.map((byte) => byte % 255 || 1))),
);
const goodName = name.filter((bytes) => !bytes.includes('/') && !['.', '..'].includes(bytes.toString('latin1')));

const xattr: fc.Arbitrary<Xattr> = fc.record({
  name: fc.constantFrom('user.a', 'user.b', 'trusted.x', 'security.NTACL', 'security.capability').map(Buffer.from),
  value: fc.oneof(
    { arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)), weight: 20 },
    { arbitrary: fc.nat(65_536).map((length) => Buffer.alloc(length, 7)), weight: 1 },
  ),
});

function metadataOf(format: fc.Arbitrary<number>): fc.Arbitrary<EntryMetadata> {
  return fc.record({
    mode: fc.tuple(format, fc.nat(0o7777)).map(([kind, permissions]) => kind | permissions),
    uid: fc.nat(0xffff_ffff),
    gid: fc.nat(0xffff_ffff),
    mtimeSec: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
    mtimeNsec: fc.nat(999_999_999),
    xattrs: fc.uniqueArray(xattr, { maxLength: 2, selector: (x) => x.name.toString() }),
  });
}

const leaf: fc.Arbitrary<TreeNode> = fc.record({
  name: goodName,
  metadata: metadataOf(fc.constantFrom(...FORMATS)),
  content: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  target: goodName,
  rdev: fc.nat(0xffff_ffff),
  children: fc.constant([]),
  linkTo: fc.option(fc.nat(20), { nil: undefined, freq: 5 }),
});

const { folder } = fc.letrec<{ folder: TreeNode; node: TreeNode }>((tie) => ({
  node: fc.oneof({ maxDepth: 4 }, { arbitrary: leaf, weight: 3 }, { arbitrary: tie('folder'), weight: 1 }),
  folder: fc.record({
    name: goodName,
    metadata: metadataOf(fc.constant(0o040000)),
    content: fc.constant(Buffer.alloc(0)),
    target: fc.constant(Buffer.alloc(0)),
    rdev: fc.constant(0),
    children: fc.uniqueArray(tie('node'), { maxLength: 8, selector: (node) => node.name.toString('latin1') }),
    linkTo: fc.constant(undefined),
  }),
}));

/** A folder with whatever an archive can hold in it. */
export const anyTree: fc.Arbitrary<TreeNode> = folder;

/** A tree as it is meant: which nodes are hard links, and to which file. */
export interface Meaning {
  readonly path: string;
  readonly node: TreeNode;
  /** The file whose another name this is. */
  readonly linked: { readonly path: string; readonly node: TreeNode } | undefined;
}

/** All nodes in archive order, the root first. */
export function meaningOf(root: TreeNode): Meaning[] {
  const files: { path: string; node: TreeNode }[] = [];
  const all: Meaning[] = [];
  const visit = (node: TreeNode, path: string): void => {
    const linked = node.linkTo === undefined ? undefined : files[node.linkTo % Math.max(files.length, 1)];
    all.push({ path, node, linked });
    if (isFile(node.metadata.mode) && linked === undefined) files.push({ path, node });
    for (const child of node.children) {
      visit(child, path === '' ? child.name.toString('latin1') : `${path}/${child.name.toString('latin1')}`);
    }
  };
  visit(root, '');
  return all;
}

export function isFile(mode: number): boolean {
  return (mode & 0o170000) === 0o100000;
}

/** Archives the tree with the encoder; payloads one after the other. */
export function encodeTree(root: TreeNode, version: ArchiveVersion = 2): EncodedTree {
  const metadata: Uint8Array[] = [];
  const payload: Uint8Array[] = [payloadStartMarker()];
  const folderLinks = new Map<number, { parent: number; nameLength: number }>();
  const targets = new Map<TreeNode, LinkTarget>();
  const linked = new Map(meaningOf(root).map((meaning) => [meaning.node, meaning.linked?.node]));
  let offset = 16;
  const encoder = new ArchiveEncoder((bytes) => metadata.push(bytes), root.metadata, version);
  const addFile = (node: TreeNode): void => {
    const { content } = node;
    const place = version === 1 ? { content } : { offset, size: content.length };
    targets.set(node, encoder.file(node.name, node.metadata, place));
    payload.push(payloadHeader(content.length), content);
    offset += 16 + content.length;
  };
  const add = (node: TreeNode): void => {
    const target = linked.get(node);
    const format = node.metadata.mode & 0o170000;
    if (target !== undefined) encoder.hardLink(node.name, targets.get(target) as LinkTarget);
    else if (format === 0o100000) addFile(node);
    else if (format === 0o120000) encoder.symlink(node.name, node.metadata, node.target);
    else if (format === 0o060000 || format === 0o020000) {
      encoder.device(node.name, node.metadata, deviceParts(node.rdev));
    } else if (format === 0o010000 || format === 0o140000) encoder.special(node.name, node.metadata);
    else {
      const parent = encoder.folder.entryPosition;
      const { entryPosition } = encoder.startFolder(node.name, node.metadata);
      folderLinks.set(entryPosition, { parent, nameLength: node.name.length });
      node.children.forEach(add);
      encoder.endFolder();
    }
  };
  root.children.forEach(add);
  encoder.endFolder();
  return { metadata: Buffer.concat(metadata), payload: Buffer.concat([...payload, payloadTailMarker()]), folderLinks };
}

/** Every entry below the root, by listing folder after folder in steps of `limit`; path → listed entry. */
export async function listAll(reader: ArchiveReader, limit = 5): Promise<Map<string, ListedEntry>> {
  const all = new Map<string, ListedEntry>();
  const folders = [{ path: '', position: reader.root }];
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    let after = 0;
    for (;;) {
      const listed = await reader.list(next.position, after, limit);
      for (const entry of listed) {
        const path = [next.path, Buffer.from(entry.name).toString('latin1')].filter((part) => part !== '').join('/');
        assert.ok(!all.has(path), `${path} is listed twice`);
        all.set(path, entry);
        if (entry.entry.kind === 'folder') folders.push({ path, position: entry.entry.position });
      }
      if (listed.length === 0) break;
      after = (listed.at(-1) as ListedEntry).cookie;
    }
  }
  return all;
}

/** Asserts that the entry is what the tree means at this place, content included. */
export async function assertEntry(
  reader: ArchiveReader,
  entry: ArchiveEntry,
  meaning: Meaning,
  streams: { metadata: Buffer; payload: Buffer },
): Promise<void> {
  const { metadata, content, target, rdev } = meaning.linked?.node ?? meaning.node;
  const { mode, uid, gid, mtimeSec, mtimeNsec } = entry;
  assert.deepEqual({ ...metadata, xattrs: [] }, { mode, uid, gid, mtimeSec, mtimeNsec, xattrs: [] }, meaning.path);
  if (entry.kind === 'file') {
    assert.ok(entry.payload);
    const stream = entry.payload.inline ? streams.metadata : streams.payload;
    const start = entry.payload.offset + 16;
    assert.deepEqual(stream.subarray(start, start + entry.size), content);
    assert.equal(entry.size, content.length);
  }
  if (entry.kind === 'symlink') assert.deepEqual(Buffer.from(entry.target as Uint8Array), target);
  if (entry.kind === 'block' || entry.kind === 'character') assert.equal(entry.rdev, rdev);
  assert.deepEqual(sortedXattrs(await reader.xattrs(entry.position)), sortedXattrs(metadata.xattrs));
}

/** Extended attributes in a form and order that compare. */
export function sortedXattrs(xattrs: readonly Xattr[]): [string, string][] {
  return xattrs
    .map(({ name, value }): [string, string] => [
      Buffer.from(name).toString('latin1'),
      Buffer.from(value).toString('hex'),
    ])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
