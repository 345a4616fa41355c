import type { ChunkExtent, Extent } from '../../catalog/extent.js';
import { type Inode, STORAGE_PACKED, type Storage } from '../../catalog/inode.js';
import type { CatalogReader } from '../../catalog/open-reader.js';
import { PACKED_LIMIT_BYTES } from '../../chunk/limits.js';
import { type FindPiece, packFiles } from '../../content/packing/pack-files.js';
import type { PackingParts } from '../../content/packing/packing-parts.js';
import { isUnfit, recutFile } from '../../content/packing/recut.js';
import { CairnError } from '../../core/errors.js';
import type { PictureFiles } from './picture-files.js';

const BATCH_FILES = 1000;
const BATCH_BYTES = 8 * 1024 * 1024;

/**
 * Makes files of a picture such that an index can list their pieces as they are: small ones packed, large ones in whole
 * chunks. Most are; what was written just before the picture is not.
 */
export class FileFitter {
  readonly #reader: CatalogReader;
  readonly #files: PictureFiles;
  readonly #parts: PackingParts;
  readonly #findPiece: FindPiece;
  #recutFiles = 0;

  /** @param reader shows the picture @param findPiece knows what may be used again now */
  constructor(reader: CatalogReader, files: PictureFiles, parts: PackingParts, findPiece: FindPiece) {
    this.#reader = reader;
    this.#files = files;
    this.#parts = parts;
    this.#findPiece = findPiece;
  }

  /** Files cut anew for their cloned ranges, so far. */
  get recutFiles(): number {
    return this.#recutFiles;
  }

  storage(inode: Readonly<Inode>): Storage {
    return this.#files.storage(inode);
  }

  /** Packs and cuts, in batches, the group's files that have bytes in the journal. */
  async fitGroup(groupId: number): Promise<void> {
    for (let after = 0; ; ) {
      const listed = this.#reader.journalRefs.files(after, BATCH_FILES);
      const last = listed.at(-1);
      if (last === undefined) return;
      after = last.ino;
      const inodes = listed
        .map(({ ino }) => this.#reader.inodes.find(ino))
        .filter((inode) => inode !== undefined && inode.group === groupId && inode.nlink > 0);
      await this.#packSmall(inodes as Readonly<Inode>[]);
    }
  }

  /** The file's pieces by offset if all can be listed as they are, else undefined. */
  fitting(inode: Readonly<Inode>): readonly ChunkExtent[] | undefined {
    const extents = [...this.#files.all(inode.ino)];
    return this.#fits(inode, extents) ? extents : undefined;
  }

  /** Packs or cuts the file; its pieces then. */
  async fit(inode: Readonly<Inode>): Promise<readonly ChunkExtent[]> {
    if (isSmall(inode)) await packFiles(this.#parts, [inode], () => undefined);
    else {
      if (this.#isRagged(inode)) this.#recutFiles += 1;
      await this.#recut(inode);
    }
    const extents = this.fitting(inode);
    if (extents === undefined) throw new CairnError('io', `Inode ${inode.ino} cannot be brought into whole chunks`);
    return extents;
  }

  /** Each swap raises the version in the live tree, where the next one must find it so. */
  async #recut(inode: Readonly<Inode>): Promise<void> {
    let { version } = inode;
    for (let from: number | undefined = 0; from !== undefined; ) {
      const next: number | undefined = await recutFile(this.#parts, { ...inode, version }, { from });
      if (next !== undefined) version += 1;
      // A cut may leave less of an old chunk in front of it: the last look is at the whole file.
      from = next === undefined && from > 0 ? 0 : next;
    }
  }

  #isRagged(inode: Readonly<Inode>): boolean {
    for (const extent of this.#files.all(inode.ino)) {
      if (extent.kind === 'chunk' && isUnfit(extent, inode.size)) return true;
    }
    return false;
  }

  #fits(inode: Readonly<Inode>, extents: readonly Extent[]): extents is readonly ChunkExtent[] {
    if (this.storage(inode) === STORAGE_PACKED) return extents.length === 1 && extents[0]?.kind === 'chunk';
    return !isSmall(inode) && !extents.some((extent) => isUnfit(extent, inode.size));
  }

  async #packSmall(inodes: readonly Readonly<Inode>[]): Promise<void> {
    const sorted = inodes
      .filter(isSmall)
      .map((inode) => ({ inode, path: Buffer.from(this.#reader.names.pathOf(inode.ino) ?? '') }))
      .sort((a, b) => Buffer.compare(a.path, b.path));
    let batch: Readonly<Inode>[] = [];
    let bytes = 0;
    for (const [index, { inode }] of sorted.entries()) {
      batch.push(inode);
      bytes += inode.size;
      if (bytes < BATCH_BYTES && index < sorted.length - 1) continue;
      await packFiles(this.#parts, batch, this.#findPiece);
      batch = [];
      bytes = 0;
    }
  }
}

function isSmall(inode: Readonly<Inode>): boolean {
  return inode.size < PACKED_LIMIT_BYTES;
}
