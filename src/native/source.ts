import { DIGEST_BYTES, type Digest } from '../core/digest.js';
import { addon } from './addon.js';
import { type FilePath, requireBytes, requireInteger, requirePath, requireRange } from './check.js';
import { noteHashed } from './hashed-bytes.js';

// Reading a tree that is to be backed up, on pool threads. Names are single components of an open folder, symbolic links
// are never followed, access times are not changed where that can be had. All but `status` reject with Errors of the
// system (`code`).

interface SourceHandle {
  readonly source: unique symbol;
}

interface RawEntries {
  readonly names: Buffer;
  readonly ends: Uint32Array;
  readonly errors: Int32Array;
  readonly known: Uint8Array;
  readonly statuses: Float64Array;
  readonly targets: Readonly<Record<number, Buffer>>;
  readonly xattrs: Readonly<Record<number, readonly Buffer[]>>;
}

interface RawSmallFiles {
  readonly errors: Int32Array;
  readonly flags: Uint8Array;
  readonly bytes: Float64Array;
  readonly statuses: Float64Array;
  readonly digests: Buffer;
}

const native = addon as {
  readonly statusNumbers: number;
  scanFolder(parent: SourceHandle | undefined, name: FilePath): Promise<RawEntries & { handle: SourceHandle }>;
  scanEntry(parent: SourceHandle, name: FilePath): Promise<RawEntries>;
  readSmallFiles(
    parents: readonly SourceHandle[],
    names: readonly Uint8Array[],
    sizes: readonly number[],
    offsets: readonly number[],
    out: Uint8Array,
  ): Promise<RawSmallFiles>;
  openSource(parent: SourceHandle, name: FilePath): Promise<RawOpenSource>;
  sourceStatus(file: SourceHandle): Float64Array;
  closeSource(file: SourceHandle): void;
  readInto(file: SourceHandle, offset: number, out: Uint8Array): Promise<number>;
  dataRanges(file: SourceHandle, from: number, size: number, limit: number): Promise<number[]>;
};

interface RawOpenSource {
  readonly status: Float64Array;
  readonly fresh: boolean;
  readonly handle: SourceHandle;
}

const CHANGED = 1;
const FRESH = 2;

/** What statx(2) says. Times in seconds since 1970 and nanoseconds; a birth time of 0 and 0 is not known. */
export interface SourceStatus {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly major: number;
  readonly minor: number;
  readonly size: number;
  readonly device: number;
  /** The inode number's upper and lower 32 bits. */
  readonly inodeHigh: number;
  readonly inodeLow: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly ctimeSec: number;
  readonly ctimeNsec: number;
  readonly btimeSec: number;
  readonly btimeNsec: number;
}

/** A name in a folder. */
export interface SourceEntry {
  readonly name: Buffer;
  /** errno of what could not be read of it, else 0. */
  readonly error: number;
  /** Undefined where not even that could be read. */
  readonly status: SourceStatus | undefined;
  /** Of a symbolic link. */
  readonly target: Buffer | undefined;
  /** Not of folders: those are read when they are opened. */
  readonly xattrs: readonly { readonly name: Buffer; readonly value: Buffer }[];
}

/** A small file that is wanted, and where its bytes go. */
export interface WantedFile {
  readonly folder: SourceFolder;
  readonly name: Uint8Array;
  /** Bytes it has. */
  readonly size: number;
  /** Where in the buffer its content goes; `size` bytes. */
  readonly offset: number;
}

/** How reading a small file went. */
export interface ReadFile {
  /** errno, else 0. */
  readonly error: number;
  /** It has another size than was said, or was written to while it was read. */
  readonly changed: boolean;
  /** It changed so shortly before that one more change need not show in its times. */
  readonly fresh: boolean;
  /** Bytes read. */
  readonly bytes: number;
  /** After it was read. */
  readonly status: SourceStatus;
  /** SHA-256 of the bytes read. */
  readonly digest: Digest;
}

/** What is in a folder, as flat arrays; not to be written to. Entry 0 is the folder itself, its name empty. */
export interface FlatListing {
  /** The name of entry `i` is the bytes [ends[i - 1], ends[i]). */
  readonly names: Uint8Array;
  readonly ends: Uint32Array;
  /** errno of what could not be read of an entry, else 0. */
  readonly errors: Int32Array;
  /** 1 where there is a status. */
  readonly known: Uint8Array;
  /** `STATUS_NUMBERS` for each entry, in the order of `StatusNumber`. */
  readonly statuses: Float64Array;
  /** Of symbolic links. */
  readonly targets: Readonly<Record<number, Uint8Array>>;
  /** Of entries that have extended attributes: names and values in turn. Not of folders but entry 0. */
  readonly xattrs: Readonly<Record<number, readonly Uint8Array[]>>;
}

/** Where the numbers of a status are, as native/source_binding.cc writes them; see `SourceStatus`. */
export const StatusNumber = {
  ...{ mode: 0, uid: 1, gid: 2, nlink: 3, major: 4, minor: 5, size: 6, device: 7, inodeHigh: 8, inodeLow: 9 },
  ...{ mtimeSec: 10, mtimeNsec: 11, ctimeSec: 12, ctimeNsec: 13, btimeSec: 14, btimeNsec: 15 },
} as const;

export const STATUS_NUMBERS = native.statusNumbers;

const NO_XATTRS: SourceEntry['xattrs'] = [];

/** An open folder. */
export class SourceFolder {
  /** The folder and what is in it, in byte order of names. */
  readonly listing: FlatListing;
  readonly #raw: RawEntries & { readonly handle: SourceHandle };

  private constructor(raw: RawEntries & { readonly handle: SourceHandle }) {
    this.listing = raw;
    this.#raw = raw;
  }

  /** Entry `index` of `listing`; 0 is the folder itself. */
  entryAt(index: number): SourceEntry {
    return entryOf(this.#raw, index);
  }

  /** Opens and reads the folder a path leads to, links followed. */
  static async open(path: FilePath): Promise<SourceFolder> {
    requirePath(path);
    return SourceFolder.#scan(undefined, path);
  }

  static async #scan(parent: SourceHandle | undefined, name: FilePath): Promise<SourceFolder> {
    return new SourceFolder(await native.scanFolder(parent, name));
  }

  /** Opens and reads a folder that is in this one. */
  async subfolder(name: Uint8Array): Promise<SourceFolder> {
    requirePath(name);
    return SourceFolder.#scan(this.#raw.handle, name);
  }

  /** Looks at one name anew. */
  async entry(name: Uint8Array): Promise<SourceEntry> {
    requirePath(name);
    return entryOf(await native.scanEntry(this.#raw.handle, name), 0);
  }

  /** Opens a regular file; one that is none any more is `ESTALE`. */
  async openFile(name: Uint8Array): Promise<SourceFile> {
    requirePath(name);
    const { handle, status, fresh } = await native.openSource(this.#raw.handle, name);
    return new SourceFile(handle, statusAt(status, 0), fresh);
  }

  /** Closes it when nothing that was begun with it is under way any more. Idempotent. */
  close(): void {
    native.closeSource(this.#raw.handle);
  }

  /** Reads small files, all in one go, into `out`, which nobody else uses until this settles. */
  static async readSmallFiles(files: readonly WantedFile[], out: Uint8Array): Promise<ReadFile[]> {
    requireBytes(out, 'out');
    const handles = files.map(({ folder }) => folder.#raw.handle);
    const names = files.map(({ name }) => name);
    const sizes = files.map(({ size }) => size);
    const offsets = files.map(({ offset }) => offset);
    const raw = await native.readSmallFiles(handles, names, sizes, offsets, out);
    return files.map((_, at): ReadFile => {
      const bytes = raw.bytes[at] as number;
      noteHashed(bytes);
      return {
        error: raw.errors[at] as number,
        changed: ((raw.flags[at] as number) & CHANGED) !== 0,
        fresh: ((raw.flags[at] as number) & FRESH) !== 0,
        bytes,
        status: statusAt(raw.statuses, at),
        digest: raw.digests.subarray(at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES),
      };
    });
  }
}

/** An open regular file. */
export class SourceFile {
  readonly #handle: SourceHandle;
  /** When it was opened. */
  readonly opened: SourceStatus;
  /** As in `ReadFile`, when it was opened. */
  readonly fresh: boolean;

  /** For this door only. */
  constructor(handle: SourceHandle, opened: SourceStatus, fresh: boolean) {
    this.#handle = handle;
    this.opened = opened;
    this.fresh = fresh;
  }

  /** As it is now; at once. */
  status(): SourceStatus {
    return statusAt(native.sourceStatus(this.#handle), 0);
  }

  /** Fills `out`, which nobody else uses until this settles; how many bytes: fewer only where the file ends. */
  async readInto(offset: number, out: Uint8Array): Promise<number> {
    requireInteger(offset, 'offset');
    requireBytes(out, 'out');
    return native.readInto(this.#handle, offset, out);
  }

  /**
   * The first runs of data of [from, size), at most `limit`, flat as start, end, start…; what lies between them reads as
   * zeros. `searched` is where to go on; `size` at the end.
   */
  async dataRanges(from: number, size: number, limit: number): Promise<{ searched: number; ranges: number[] }> {
    requireRange(from, size);
    const [searched, ...ranges] = await native.dataRanges(this.#handle, from, size, limit);
    return { searched: searched as number, ranges };
  }

  /** Closes it when nothing that was begun with it is under way any more. Idempotent. */
  close(): void {
    native.closeSource(this.#handle);
  }
}

/** Whether neither content nor attributes of a file changed between the two. */
export function isSameStatus(a: SourceStatus, b: SourceStatus): boolean {
  return (
    a.inodeLow === b.inodeLow &&
    a.inodeHigh === b.inodeHigh &&
    a.device === b.device &&
    a.size === b.size &&
    a.mtimeSec === b.mtimeSec &&
    a.mtimeNsec === b.mtimeNsec &&
    a.ctimeSec === b.ctimeSec &&
    a.ctimeNsec === b.ctimeNsec
  );
}

function entryOf({ names, ends, errors, known, statuses, targets, xattrs }: RawEntries, index: number): SourceEntry {
  const found = xattrs[index];
  return {
    name: names.subarray(ends[index - 1] ?? 0, ends[index]),
    error: errors[index] as number,
    status: known[index] === 1 ? statusAt(statuses, index) : undefined,
    target: targets[index],
    xattrs: found === undefined ? NO_XATTRS : pairsOf(found),
  };
}

function pairsOf(flat: readonly Buffer[]): { name: Buffer; value: Buffer }[] {
  const pairs: { name: Buffer; value: Buffer }[] = [];
  for (let at = 0; at < flat.length; at += 2) pairs.push({ name: flat[at] as Buffer, value: flat[at + 1] as Buffer });
  return pairs;
}

function statusAt(numbers: Float64Array, index: number): SourceStatus {
  const at = index * STATUS_NUMBERS;
  return {
    mode: numbers[at + StatusNumber.mode] as number,
    uid: numbers[at + StatusNumber.uid] as number,
    gid: numbers[at + StatusNumber.gid] as number,
    nlink: numbers[at + StatusNumber.nlink] as number,
    major: numbers[at + StatusNumber.major] as number,
    minor: numbers[at + StatusNumber.minor] as number,
    size: numbers[at + StatusNumber.size] as number,
    device: numbers[at + StatusNumber.device] as number,
    inodeHigh: numbers[at + StatusNumber.inodeHigh] as number,
    inodeLow: numbers[at + StatusNumber.inodeLow] as number,
    mtimeSec: numbers[at + StatusNumber.mtimeSec] as number,
    mtimeNsec: numbers[at + StatusNumber.mtimeNsec] as number,
    ctimeSec: numbers[at + StatusNumber.ctimeSec] as number,
    ctimeNsec: numbers[at + StatusNumber.ctimeNsec] as number,
    btimeSec: numbers[at + StatusNumber.btimeSec] as number,
    btimeNsec: numbers[at + StatusNumber.btimeNsec] as number,
  };
}
