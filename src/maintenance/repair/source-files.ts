import { LRUCache } from 'lru-cache';
import type { Extent } from '../../catalog/extent.js';
import { isRegularFile } from '../../catalog/inode.js';
import { ChunkError } from '../../chunkstore/chunk-error.js';
import { digestHex } from '../../core/digest.js';
import { fromSystemError } from '../../core/errors.js';
import { parseGroupPath } from '../../core/group.js';
import { readRange } from '../../native/files.js';
import type { UsedFile } from '../damage/chunk-use.js';
import type { CareContext } from '../job/care-context.js';

/** Where the bytes of damaged chunks may be found once more. */
export interface SourceFiles {
  /** The bytes [offset, offset + length) of the file, or undefined where they cannot be had from here. */
  read(file: UsedFile, length: number): Promise<Uint8Array | undefined>;
}

/** Files below a folder that is laid out as `current/` is. */
export class FolderFiles implements SourceFiles {
  readonly #folder: Buffer;

  /** @param folder its absolute path */
  constructor(folder: string) {
    this.#folder = Buffer.from(`${folder}/`);
  }

  async read({ path, offset }: UsedFile, length: number): Promise<Uint8Array | undefined> {
    try {
      const bytes = await readRange(Buffer.concat([this.#folder, path]), offset, length);
      return bytes.length === length ? bytes : undefined;
    } catch (error) {
      const { kind } = fromSystemError(error, '');
      if (ABSENT.has(kind)) return undefined;
      throw fromSystemError(error, `read ${this.#folder}${path}`);
    }
  }
}

/** Nothing of that name, or nothing with bytes, or not ours to read: another source may do. */
const ABSENT: ReadonlySet<string> = new Set(['not-found', 'not-a-directory', 'is-a-directory', 'access-denied']);

const CACHE_BYTES = 32 * 1024 * 1024;

/** The live trees of the store itself, as the last commit has them: what was written again since the damage. */
export class LiveFiles implements SourceFiles {
  readonly #context: CareContext;
  readonly #cache = new LRUCache<string, Uint8Array>({
    maxSize: CACHE_BYTES,
    sizeCalculation: ({ length }) => Math.max(1, length),
  });

  constructor(context: CareContext) {
    this.#context = context;
  }

  async read(file: UsedFile, length: number): Promise<Uint8Array | undefined> {
    const { catalog } = this.#context;
    const inode = this.#inodeOf(file);
    if (inode === undefined || !isRegularFile(inode.mode) || file.offset + length > inode.size) return undefined;
    const bytes = Buffer.alloc(length);
    for (const extent of catalog.extents.overlapping(inode.ino, file.offset, file.offset + length)) {
      if (!(await this.#copy(extent, file.offset, bytes))) return undefined;
    }
    return bytes;
  }

  #inodeOf({ group, path }: UsedFile): ReturnType<CareContext['catalog']['inodes']['find']> {
    const { catalog } = this.#context;
    let ino = catalog.groups.findByName(parseGroupPath(group))?.currentIno;
    for (let start = 0; ino !== undefined && start <= path.length; ) {
      const slash = path.indexOf(0x2f, start);
      const end = slash < 0 ? path.length : slash;
      ino = catalog.names.lookup(ino, path.subarray(start, end));
      start = end + 1;
    }
    return ino === undefined ? undefined : catalog.inodes.find(ino);
  }

  /** Copies what the extent has of the bytes that start at `offset` of the file; false where it cannot be read. */
  async #copy(extent: Extent, offset: number, into: Buffer): Promise<boolean> {
    if (extent.kind === 'journal') return false;
    const chunk = await this.#chunk(extent.digest);
    if (chunk === undefined) return false;
    const start = Math.max(extent.offset, offset);
    const end = Math.min(extent.offset + extent.length, offset + into.length);
    const at = extent.at + (start - extent.offset);
    into.set(chunk.subarray(at, at + end - start), start - offset);
    return true;
  }

  async #chunk(digest: Uint8Array): Promise<Uint8Array | undefined> {
    const cached = this.#cache.get(digestHex(digest));
    if (cached !== undefined) return cached;
    try {
      const bytes = await this.#context.chunks.read(digest);
      this.#cache.set(digestHex(digest), bytes);
      return bytes;
    } catch (error) {
      if (error instanceof ChunkError) return undefined;
      throw error;
    }
  }
}
