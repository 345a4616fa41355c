import type {
  AttributesChange,
  Change,
  CloneChange,
  ContentChange,
  CreateChange,
  CreateGroupChange,
  RenameChange,
  Xattr,
} from '../../catalog/change.js';
import type { Extent } from '../../catalog/extent.js';
import type { ChunkerKind, Inode, Role, Storage } from '../../catalog/inode.js';
import { DIGEST_BYTES } from '../../core/digest.js';
import { CairnError } from '../../core/errors.js';
import { groupPath, parseGroupPath } from '../../core/group.js';
import type { ByteReader } from './byte-reader.js';
import type { ByteWriter } from './byte-writer.js';

/**
 * The byte that names each kind of change in a record. Numbers are never re-used; a new one needs a new schema version of the
 * catalog, for an older Cairn would take such a record for the journal's end.
 */
const CODE: Record<Change['kind'], number> = {
  create: 1,
  link: 2,
  unlink: 3,
  rename: 4,
  attributes: 5,
  content: 6,
  'set-xattr': 7,
  'remove-xattr': 8,
  'drop-orphan': 9,
  'create-group': 10,
  'remove-group': 11,
  clone: 12,
  'place-tree': 13,
};

const KIND_OF_CODE = new Map(Object.entries(CODE).map(([kind, code]) => [code, kind as Change['kind']]));

/** Writes one change. A journal extent's `at` is written as it is: relative to the record's bodies, see `placed`. */
export function writeChange(out: ByteWriter, change: Change): void {
  out.u8(CODE[change.kind]);
  WRITERS[change.kind](out, change as never);
}

/** Reads what `writeChange` wrote. @throws {CairnError} `corrupt` */
export function readChange(input: ByteReader): Change {
  const code = input.u8();
  const kind = KIND_OF_CODE.get(code);
  if (kind === undefined) throw new CairnError('corrupt', `Journal record of unknown kind ${code}`);
  return READERS[kind](input);
}

type WriterOf = { [K in Change['kind']]: (out: ByteWriter, change: Extract<Change, { kind: K }>) => void };
type ReaderOf = { [K in Change['kind']]: (input: ByteReader) => Extract<Change, { kind: K }> };

const WRITERS: WriterOf = {
  create: writeCreate,
  link(out, change) {
    out.number(change.ino);
    writeName(out, change);
    writeTime(out, change);
  },
  unlink(out, change) {
    writeName(out, change);
    writeTime(out, change);
  },
  rename: writeRename,
  attributes: writeAttributes,
  content: writeContent,
  clone: writeClone,
  'set-xattr'(out, change) {
    out.number(change.ino);
    out.bytes(change.name);
    out.bytes(change.value);
    writeTime(out, change);
  },
  'remove-xattr'(out, change) {
    out.number(change.ino);
    out.bytes(change.name);
    writeTime(out, change);
  },
  'drop-orphan'(out, change) {
    out.number(change.ino);
  },
  'create-group': writeCreateGroup,
  'place-tree'(out, change) {
    out.number(change.ino);
    writeName(out, change);
    writeTime(out, change);
  },
  'remove-group'(out, change) {
    out.number(change.id);
    writeTime(out, change);
  },
};

const READERS: ReaderOf = {
  create: readCreate,
  link: (input) => ({ kind: 'link', ino: input.number(), ...readName(input), ...readTime(input) }),
  unlink: (input) => ({ kind: 'unlink', ...readName(input), ...readTime(input) }),
  rename: readRename,
  attributes: readAttributes,
  content: readContent,
  clone: readClone,
  'set-xattr': (input) => ({
    kind: 'set-xattr',
    ino: input.number(),
    name: input.bytes(),
    value: input.bytes(),
    ...readTime(input),
  }),
  'remove-xattr': (input) => ({ kind: 'remove-xattr', ino: input.number(), name: input.bytes(), ...readTime(input) }),
  'drop-orphan': (input) => ({ kind: 'drop-orphan', ino: input.number() }),
  'create-group': readCreateGroup,
  'place-tree': (input) => ({ kind: 'place-tree', ino: input.number(), ...readName(input), ...readTime(input) }),
  'remove-group': (input) => ({ kind: 'remove-group', id: input.number(), ...readTime(input) }),
};

function writeName(out: ByteWriter, value: { parent: number; name: Uint8Array }): void {
  out.number(value.parent);
  out.bytes(value.name);
}

function readName(input: ByteReader): { parent: number; name: Uint8Array } {
  return { parent: input.number(), name: input.bytes() };
}

function writeTime(out: ByteWriter, value: { timeSec: number; timeNsec: number }): void {
  out.number(value.timeSec);
  out.u32(value.timeNsec);
}

function readTime(input: ByteReader): { timeSec: number; timeNsec: number } {
  return { timeSec: input.number(), timeNsec: input.u32() };
}

const INODE_NUMBERS = [
  'ino',
  'size',
  'allocated',
  'atimeSec',
  'mtimeSec',
  'ctimeSec',
  'btimeSec',
  'version',
  'group',
] as const;
const INODE_WORDS = [
  'mode',
  'nlink',
  'uid',
  'gid',
  'rdev',
  'atimeNsec',
  'mtimeNsec',
  'ctimeNsec',
  'btimeNsec',
] as const;

function writeInode(out: ByteWriter, inode: Readonly<Inode>): void {
  for (const field of INODE_NUMBERS) out.number(inode[field]);
  for (const field of INODE_WORDS) out.u32(inode[field]);
  out.u8(inode.storage);
  out.u8(inode.chunker);
  out.u8(inode.role);
  out.u8(inode.target === null ? 0 : 1);
  if (inode.target !== null) out.bytes(inode.target);
}

function readInode(input: ByteReader): Inode {
  const fields: Record<string, number> = {};
  for (const field of INODE_NUMBERS) fields[field] = input.number();
  for (const field of INODE_WORDS) fields[field] = input.u32();
  return {
    ...(fields as Record<(typeof INODE_NUMBERS)[number] | (typeof INODE_WORDS)[number], number>),
    storage: input.u8() as Storage,
    chunker: input.u8() as ChunkerKind,
    role: input.u8() as Role,
    target: input.u8() === 1 ? input.bytes() : null,
  };
}

const EXCHANGES = 1;
const LEAVES_WHITEOUT = 2;

function writeRename(out: ByteWriter, change: RenameChange): void {
  writeName(out, change);
  out.number(change.newParent);
  out.bytes(change.newName);
  out.u8((change.exchange ? EXCHANGES : 0) | (change.whiteout === undefined ? 0 : LEAVES_WHITEOUT));
  if (change.whiteout !== undefined) writeInode(out, change.whiteout);
  writeTime(out, change);
}

function readRename(input: ByteReader): RenameChange {
  const names = { ...readName(input), newParent: input.number(), newName: input.bytes() };
  const flags = input.u8();
  const whiteout = flags & LEAVES_WHITEOUT ? { whiteout: readInode(input) } : {};
  return { kind: 'rename', ...names, exchange: (flags & EXCHANGES) !== 0, ...whiteout, ...readTime(input) };
}

function writeCreate(out: ByteWriter, change: CreateChange): void {
  writeName(out, change);
  writeInode(out, change.inode);
  out.u32(change.xattrs.length);
  for (const { name, value } of change.xattrs) {
    out.bytes(name);
    out.bytes(value);
  }
}

function readCreate(input: ByteReader): CreateChange {
  const place = readName(input);
  const inode = readInode(input);
  const xattrs: Xattr[] = [];
  for (let left = input.u32(); left > 0; left--) xattrs.push({ name: input.bytes(), value: input.bytes() });
  return { kind: 'create', ...place, inode, xattrs };
}

/** Order is the bit of each field in the record's mask: append only. */
const ATTRIBUTE_FIELDS = [
  'mode',
  'uid',
  'gid',
  'atimeSec',
  'atimeNsec',
  'mtimeSec',
  'mtimeNsec',
  'ctimeSec',
  'ctimeNsec',
  'chunker',
] as const;

function writeAttributes(out: ByteWriter, change: AttributesChange): void {
  out.number(change.ino);
  const maskAt = out.length;
  out.u32(0);
  let mask = 0;
  ATTRIBUTE_FIELDS.forEach((field, bit) => {
    const value = change.fields[field];
    if (value === undefined) return;
    mask |= 1 << bit;
    out.number(value);
  });
  out.patchU32(maskAt, mask);
}

function readAttributes(input: ByteReader): AttributesChange {
  const ino = input.number();
  const mask = input.u32();
  const fields: Record<string, number> = {};
  ATTRIBUTE_FIELDS.forEach((field, bit) => {
    if (mask & (1 << bit)) fields[field] = input.number();
  });
  return { kind: 'attributes', ino, fields: fields as AttributesChange['fields'] };
}

const HAS_VERSION = 1;
const HAS_DIGEST = 2;

function writeContent(out: ByteWriter, change: ContentChange): void {
  out.u8((change.ifVersion === undefined ? 0 : HAS_VERSION) | (change.contentDigest === undefined ? 0 : HAS_DIGEST));
  out.number(change.ino);
  out.number(change.start);
  out.number(change.end);
  out.number(change.size);
  out.u8(change.storage);
  out.u8(change.chunker);
  out.number(change.mtimeSec);
  out.u32(change.mtimeNsec);
  out.number(change.ctimeSec);
  out.u32(change.ctimeNsec);
  if (change.ifVersion !== undefined) out.number(change.ifVersion);
  if (change.contentDigest !== undefined) out.fixed(change.contentDigest);
  out.u32(change.extents.length);
  for (const extent of change.extents) writeExtent(out, extent);
}

function readContent(input: ByteReader): ContentChange {
  const flags = input.u8();
  const fields = {
    kind: 'content' as const,
    ino: input.number(),
    start: input.number(),
    end: input.number(),
    size: input.number(),
    storage: input.u8() as Storage,
    chunker: input.u8() as ChunkerKind,
    mtimeSec: input.number(),
    mtimeNsec: input.u32(),
    ctimeSec: input.number(),
    ctimeNsec: input.u32(),
    ...(flags & HAS_VERSION ? { ifVersion: input.number() } : {}),
    ...(flags & HAS_DIGEST ? { contentDigest: input.fixed(DIGEST_BYTES) } : {}),
  };
  const extents: Extent[] = [];
  for (let left = input.u32(); left > 0; left--) extents.push(readExtent(input));
  return { ...fields, extents };
}

const CLONE_NUMBERS = ['ino', 'start', 'from', 'fromStart', 'length', 'mtimeSec', 'ctimeSec'] as const;

function writeClone(out: ByteWriter, change: CloneChange): void {
  for (const field of CLONE_NUMBERS) out.number(change[field]);
  out.u32(change.mtimeNsec);
  out.u32(change.ctimeNsec);
  out.u8(change.storage);
  out.u8(change.chunker);
}

function readClone(input: ByteReader): CloneChange {
  const fields: Record<string, number> = {};
  for (const field of CLONE_NUMBERS) fields[field] = input.number();
  return {
    kind: 'clone',
    ...(fields as Record<(typeof CLONE_NUMBERS)[number], number>),
    mtimeNsec: input.u32(),
    ctimeNsec: input.u32(),
    storage: input.u8() as Storage,
    chunker: input.u8() as ChunkerKind,
  };
}

const EXTENT_IN_CHUNK = 1;
const EXTENT_IN_JOURNAL = 2;

function writeExtent(out: ByteWriter, extent: Extent): void {
  out.u8(extent.kind === 'chunk' ? EXTENT_IN_CHUNK : EXTENT_IN_JOURNAL);
  out.number(extent.offset);
  out.number(extent.length);
  out.number(extent.at);
  if (extent.kind === 'chunk') {
    out.fixed(extent.digest);
    out.u32(extent.chunkLength);
    out.u32(extent.storedLength);
  } else {
    out.number(extent.segment);
  }
}

function readExtent(input: ByteReader): Extent {
  const code = input.u8();
  const place = { offset: input.number(), length: input.number(), at: input.number() };
  if (code === EXTENT_IN_JOURNAL) return { kind: 'journal', ...place, segment: input.number() };
  if (code !== EXTENT_IN_CHUNK)
    throw new CairnError('corrupt', `Journal record names an extent of unknown kind ${code}`);
  return {
    kind: 'chunk',
    ...place,
    digest: input.fixed(DIGEST_BYTES),
    chunkLength: input.u32(),
    storedLength: input.u32(),
  };
}

function writeCreateGroup(out: ByteWriter, change: CreateGroupChange): void {
  out.bytes(Buffer.from(groupPath(change.group)));
  out.number(change.id);
  out.number(change.groupIno);
  out.number(change.currentIno);
  out.u32(change.folderInos.length);
  for (const ino of change.folderInos) out.number(ino);
  out.u32(change.uid);
  out.u32(change.gid);
  writeTime(out, change);
}

function readCreateGroup(input: ByteReader): CreateGroupChange {
  const group = parseGroupPath(input.bytes().toString());
  const numbers = { id: input.number(), groupIno: input.number(), currentIno: input.number() };
  const folderInos: number[] = [];
  for (let left = input.u32(); left > 0; left--) folderInos.push(input.number());
  return {
    kind: 'create-group',
    group,
    ...numbers,
    folderInos,
    uid: input.u32(),
    gid: input.u32(),
    ...readTime(input),
  };
}
