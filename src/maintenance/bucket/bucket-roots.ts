import pLimit from 'p-limit';
import type { CatalogReader } from '../../catalog/open-reader.js';
import { type Digest, digestHex } from '../../core/digest.js';
import { GROUP_TYPES } from '../../core/group.js';
import type { BucketRoots } from '../../datastore/shared/bucket-collection.js';
import { getIfThere, type SharedObjects } from '../../datastore/shared/shared-objects.js';
import type { ChunkIndex } from '../../index/chunk-index.js';
import { parseIndexNamed } from '../../index/index-file.js';
import { OBJECTS_FOLDER } from '../../index/object-files.js';
import { UNCERTAIN } from '../upload/upload-parts.js';

/** Every folder index files are uploaded to (maintenance/upload), and those of pins. */
const FOLDERS: readonly string[] = [...GROUP_TYPES, 'ns', 'pins', OBJECTS_FOLDER];
const INDEX = /\.[fd]idx$/;
const READ_AT_ONCE = 8;

/** What the bucket's roots are read from. */
export interface RootParts {
  readonly objects: Pick<SharedObjects, 'get' | 'list'>;
  readonly reader: Pick<CatalogReader, 'chunks' | 'uploads' | 'indexFiles'>;
  /** @throws {CairnError} `interrupted` where the job is to end */
  goOn(): void;
}

/**
 * What index files in a shared object store name. Those that this machine has too, as they are there, are not read: it has
 * all their chunks, and keeps them.
 */
export class SharedRoots implements BucketRoots {
  readonly #parts: RootParts;
  readonly #read = new Set<string>();
  readonly #marked = new Set<string>();

  constructor(parts: RootParts) {
    this.#parts = parts;
  }

  async mark(): Promise<void> {
    const { objects, goOn } = this.#parts;
    const names: string[] = [];
    for (const folder of FOLDERS) {
      for await (const name of objects.list(folder)) {
        if (INDEX.test(name) && !this.#read.has(name) && !this.#isHere(name)) names.push(name);
      }
    }
    const limit = pLimit(READ_AT_ONCE);
    const outcomes = await Promise.allSettled(
      names.map((name) =>
        limit(async () => {
          goOn();
          this.#add(await this.#indexOf(name));
          this.#read.add(name);
        }),
      ),
    );
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  has(digest: Digest): boolean {
    const state = this.#parts.reader.chunks.find(digest)?.state ?? 'absent';
    return state !== 'absent' || this.#marked.has(digestHex(digest));
  }

  #isHere(name: string): boolean {
    const { reader } = this.#parts;
    const identity = reader.uploads.fileIdentity(name);
    return identity !== undefined && identity !== UNCERTAIN && reader.indexFiles.find(name) !== undefined;
  }

  /** Withdrawn meanwhile: undefined. */
  async #indexOf(name: string): Promise<ChunkIndex | undefined> {
    const bytes = await getIfThere(this.#parts.objects, name);
    return bytes && parseIndexNamed(name, bytes);
  }

  #add(index: ChunkIndex | undefined): void {
    for (let at = 0; at < (index?.count ?? 0); at += 1) this.#marked.add(digestHex(index!.digest(at)));
  }
}
