// pxar archives, pbs-format §6: version 1 and split (version 2). Reads from the front, then checks every table
// against what was met. Throws a plain Error for every deviation.
import { type SpecStream, streamOf } from './indexes.js';
import { checkTable } from './pxar-table.js';

export interface SpecAcl {
  readonly id: bigint;
  readonly permissions: bigint;
}

export interface SpecEntry {
  readonly name: Buffer;
  /** Names from the root, joined by slashes; empty for the root. */
  readonly path: string;
  /** Position of ENTRY, or of HARDLINK. */
  readonly position: number;
  readonly filenamePosition: number;
  readonly mode: number;
  readonly flags: bigint;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSec: bigint;
  readonly mtimeNsec: number;
  readonly xattrs: { name: Buffer; value: Buffer }[];
  readonly aclUsers: SpecAcl[];
  readonly aclGroups: SpecAcl[];
  aclGroupObject: bigint | undefined;
  aclDefault: bigint[] | undefined;
  readonly aclDefaultUsers: SpecAcl[];
  readonly aclDefaultGroups: SpecAcl[];
  capabilities: Buffer | undefined;
  /** Regular files: where the content is in its stream, and the content. */
  payload: { offset: number; size: number; content(): Buffer } | undefined;
  target: Buffer | undefined;
  device: { major: bigint; minor: bigint } | undefined;
  /** Hard links: path of the file meant. */
  hardLinkTo: string | undefined;
  readonly children: SpecEntry[];
  end: number;
}

export interface SpecArchive {
  readonly version: 1 | 2;
  readonly prelude: Buffer | undefined;
  readonly root: SpecEntry;
}

const FORMAT_VERSION = 0x730f6c75df16a40dn;
const PRELUDE = 0xe309d79d9f7b771bn;
const ENTRY = 0xd5956474e588acefn;
const OLD_ENTRY = 0x11da850a1c1cceffn;
const FILENAME = 0x16701121063917b3n;
const SYMLINK = 0x27f971e7dbf5dc5fn;
const DEVICE = 0x9fc9e906586d5ce9n;
const XATTR = 0x0dab0229b57dcd03n;
const ACL_USER = 0x2ce8540a457d55b8n;
const ACL_GROUP = 0x136e3eceb04c03abn;
const ACL_GROUP_OBJ = 0x10868031e9582876n;
const ACL_DEFAULT = 0xbbbb13415a6896f5n;
const ACL_DEFAULT_USER = 0xc89357b40532cd1fn;
const ACL_DEFAULT_GROUP = 0xf90a8a5816038ffen;
const FCAPS = 0x2da9dd9db5f7fb67n;
const QUOTA_PROJID = 0xe07540e82f7d1cbbn;
const HARDLINK = 0x51269c8422bd7275n;
const PAYLOAD = 0x28147a1b0b7c1a25n;
const PAYLOAD_REF = 0x419d3d6bc4ba977en;
const GOODBYE = 0x2fec4fa642d5731dn;
const START_MARKER = 0x834c68c2194a4ed2n;
const TAIL_MARKER = 0x6c72b78b984c81b5n;

/** The attribute items in the one order §6.3 allows. */
const ATTRIBUTE_ORDER = [
  XATTR,
  ACL_USER,
  ACL_GROUP,
  ACL_GROUP_OBJ,
  ACL_DEFAULT,
  ACL_DEFAULT_USER,
  ACL_DEFAULT_GROUP,
  FCAPS,
  QUOTA_PROJID,
];

interface SpecItem {
  readonly type: bigint;
  readonly position: number;
  readonly length: number;
  readonly content: () => Buffer;
}

/**
 * Decodes an archive wholly.
 * @param payload the payload stream of a split archive
 */
export function decodeArchive(metadata: Uint8Array | SpecStream, payload?: Uint8Array | SpecStream): SpecArchive {
  return new Decoder(asStream(metadata), payload && asStream(payload)).archive();
}

/** All entries, folders before what is in them. */
export function* entriesOf(entry: SpecEntry): Generator<SpecEntry> {
  yield entry;
  for (const child of entry.children) yield* entriesOf(child);
}

function asStream(bytes: Uint8Array | SpecStream): SpecStream {
  return bytes instanceof Uint8Array ? streamOf(bytes) : bytes;
}

class Decoder {
  readonly #stream: SpecStream;
  readonly #payload: SpecStream | undefined;
  readonly #fileAt = new Map<number, SpecEntry>();
  #position = 0;
  #lastOffset = -1;

  constructor(stream: SpecStream, payload: SpecStream | undefined) {
    this.#stream = stream;
    this.#payload = payload;
  }

  archive(): SpecArchive {
    let item = this.#next();
    let version: 1 | 2 = 1;
    let prelude: Buffer | undefined;
    if (item.type === FORMAT_VERSION) {
      check(item.content().readBigUInt64LE() === 2n && item.length === 24, 'version', item);
      version = 2;
      this.#checkMarkers();
      item = this.#next();
      if (item.type === PRELUDE) {
        prelude = item.content();
        item = this.#next();
      }
    }
    const root = this.#entry(item, { name: Buffer.alloc(0), path: '', filenamePosition: 0 }, version);
    check(this.#position === this.#stream.size, 'bytes behind the root', item);
    return { version, prelude, root };
  }

  #checkMarkers(): void {
    if (this.#payload === undefined) throw new Error('split archive without its payload stream');
    const first = this.#payload.read(0, 16);
    const last = this.#payload.read(this.#payload.size - 16, 16);
    if (first.readBigUInt64LE() !== START_MARKER || first.readBigUInt64LE(8) !== 16n)
      throw new Error('no start marker');
    if (last.readBigUInt64LE() !== TAIL_MARKER || last.readBigUInt64LE(8) !== 16n) throw new Error('no tail marker');
  }

  #next(): SpecItem {
    const position = this.#position;
    const header = this.#stream.read(position, 16);
    const length = Number(header.readBigUInt64LE(8));
    if (length < 16) throw new Error(`item of ${length} bytes at ${position}`);
    this.#position = position + length;
    return {
      type: header.readBigUInt64LE(),
      position,
      length,
      content: () => this.#stream.read(position + 16, length - 16),
    };
  }

  #entry(item: SpecItem, place: { name: Buffer; path: string; filenamePosition: number }, version: 1 | 2): SpecEntry {
    const entry = { ...readStat(item), ...place, position: item.position, ...noContent() };
    let body = this.#next();
    let stage = 0;
    for (; ATTRIBUTE_ORDER.includes(body.type); body = this.#next()) {
      check(ATTRIBUTE_ORDER.indexOf(body.type) >= stage, 'attributes out of order', body);
      stage = ATTRIBUTE_ORDER.indexOf(body.type);
      readAttribute(entry, body);
    }
    this.#body(entry, body, version);
    entry.end = this.#position;
    return entry;
  }

  #body(entry: SpecEntry, body: SpecItem, version: 1 | 2): void {
    switch (entry.mode & 0o170000) {
      case 0o100000:
        entry.payload = version === 1 ? inlinePayload(body) : this.#payloadRef(body);
        this.#fileAt.set(entry.filenamePosition, entry);
        break;
      case 0o120000:
        check(body.type === SYMLINK, 'no link target', body);
        entry.target = terminated(body);
        break;
      case 0o060000:
      case 0o020000:
        check(body.type === DEVICE && body.length === 32, 'no device number', body);
        entry.device = { major: body.content().readBigUInt64LE(), minor: body.content().readBigUInt64LE(8) };
        break;
      case 0o010000:
      case 0o140000:
        this.#position = body.position;
        break;
      case 0o040000:
        this.#folder(entry, body, version);
        break;
      default:
        throw new Error(`entry with mode ${entry.mode.toString(8)}`);
    }
  }

  #payloadRef(body: SpecItem): SpecEntry['payload'] {
    check(body.type === PAYLOAD_REF && body.length === 32, 'no payload reference', body);
    const offset = Number(body.content().readBigUInt64LE());
    const size = Number(body.content().readBigUInt64LE(8));
    check(offset > this.#lastOffset, 'payload offsets do not rise', body);
    this.#lastOffset = offset;
    const payload = this.#payload as SpecStream;
    const header = payload.read(offset, 16);
    check(header.readBigUInt64LE() === PAYLOAD, 'no payload header', body);
    check(Number(header.readBigUInt64LE(8)) === size + 16, 'payload header of another size', body);
    check(offset + 16 + size <= payload.size - 16, 'payload beyond its stream', body);
    return { offset, size, content: () => payload.read(offset + 16, size) };
  }

  #folder(folder: SpecEntry, first: SpecItem, version: 1 | 2): void {
    let item = first;
    for (; item.type !== GOODBYE; item = this.#next()) {
      check(item.type === FILENAME, 'no file name', item);
      const name = terminated(item);
      check(!name.includes('/') && !['.', '..'].includes(name.toString('latin1')), 'bad name', item);
      const path = folder.path === '' ? name.toString('latin1') : `${folder.path}/${name.toString('latin1')}`;
      const place = { name, path, filenamePosition: item.position };
      const next = this.#next();
      folder.children.push(next.type === HARDLINK ? this.#hardLink(next, place) : this.#entry(next, place, version));
    }
    const isRoot = folder.path === '';
    checkTable(item.content(), item.position, isRoot && version === 2 ? 0 : folder.position, folder.children);
  }

  #hardLink(item: SpecItem, place: { name: Buffer; path: string; filenamePosition: number }): SpecEntry {
    const content = item.content();
    const target = this.#fileAt.get(place.filenamePosition - Number(content.readBigUInt64LE()));
    check(target !== undefined, 'hard link to no file before it', item);
    check(content.at(-1) === 0, 'hard link path without end', item);
    const hardLinkTo = content.toString('latin1', 8, content.length - 1);
    check(hardLinkTo === target?.path, 'hard link to another path', item);
    const { mode, flags, uid, gid, mtimeSec, mtimeNsec } = target as SpecEntry;
    const stat = { mode, flags, uid, gid, mtimeSec, mtimeNsec };
    return { ...stat, ...place, position: item.position, ...noContent(), hardLinkTo, end: this.#position };
  }
}

function noContent(): Omit<
  SpecEntry,
  'name' | 'path' | 'position' | 'filenamePosition' | keyof ReturnType<typeof readStat>
> {
  return {
    xattrs: [],
    aclUsers: [],
    aclGroups: [],
    aclGroupObject: undefined,
    aclDefault: undefined,
    aclDefaultUsers: [],
    aclDefaultGroups: [],
    capabilities: undefined,
    payload: undefined,
    target: undefined,
    device: undefined,
    hardLinkTo: undefined,
    children: [],
    end: 0,
  };
}

function readStat(item: SpecItem): {
  mode: number;
  flags: bigint;
  uid: number;
  gid: number;
  mtimeSec: bigint;
  mtimeNsec: number;
} {
  const old = item.type === OLD_ENTRY;
  check((item.type === ENTRY && item.length === 56) || (old && item.length === 48), 'no entry', item);
  const content = item.content();
  const nanoseconds = old ? content.readBigUInt64LE(24) : 0n;
  const stat = {
    mode: Number(content.readBigUInt64LE()),
    flags: content.readBigUInt64LE(8),
    uid: content.readUInt32LE(16),
    gid: content.readUInt32LE(20),
    mtimeSec: old ? nanoseconds / 1_000_000_000n : content.readBigInt64LE(24),
    mtimeNsec: old ? Number(nanoseconds % 1_000_000_000n) : content.readUInt32LE(32),
  };
  check(stat.mtimeNsec < 1e9 && (old || content.readUInt32LE(36) === 0), 'bad entry', item);
  return stat;
}

function readAttribute(entry: SpecEntry, item: SpecItem): void {
  const content = item.content();
  const numbers = Array.from({ length: Math.floor(content.length / 8) }, (_, i) => content.readBigUInt64LE(8 * i));
  const named = (): SpecAcl => {
    check(content.length === 16, 'bad ACL line', item);
    return { id: numbers[0] as bigint, permissions: numbers[1] as bigint };
  };
  if (item.type === XATTR) {
    const end = content.indexOf(0);
    check(end > 0, 'bad xattr', item);
    entry.xattrs.push({ name: content.subarray(0, end), value: content.subarray(end + 1) });
  } else if (item.type === ACL_USER) entry.aclUsers.push(named());
  else if (item.type === ACL_GROUP) entry.aclGroups.push(named());
  else if (item.type === ACL_DEFAULT_USER) entry.aclDefaultUsers.push(named());
  else if (item.type === ACL_DEFAULT_GROUP) entry.aclDefaultGroups.push(named());
  else if (item.type === FCAPS) entry.capabilities = content;
  else if (item.type === ACL_GROUP_OBJ) {
    check(content.length === 8 && entry.aclGroupObject === undefined, 'bad ACL_GROUP_OBJ', item);
    entry.aclGroupObject = numbers[0];
  } else if (item.type === ACL_DEFAULT) {
    check(content.length === 32 && entry.aclDefault === undefined, 'bad ACL_DEFAULT', item);
    entry.aclDefault = numbers;
  }
}

function inlinePayload(body: SpecItem): SpecEntry['payload'] {
  check(body.type === PAYLOAD, 'no payload', body);
  return { offset: body.position, size: body.length - 16, content: body.content };
}

function terminated(item: SpecItem): Buffer {
  const content = item.content();
  check(content.length >= 2 && content.indexOf(0) === content.length - 1, 'text that does not end', item);
  return content.subarray(0, -1);
}

function check(right: boolean, what: string, item: SpecItem): void {
  if (!right) throw new Error(`${what}: item ${item.type.toString(16)} at ${item.position}`);
}
