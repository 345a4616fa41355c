import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import pLimit from 'p-limit';
import type { CatalogReader } from '../../catalog/open-reader.js';
import { type Digest, digestHex } from '../../core/digest.js';
import { GROUP_TYPES } from '../../core/group.js';
import type { ObjectStore } from '../../datastore/object-store.js';
import { readIfThere } from '../../datastore/read-if-there.js';
import type { BucketRoots } from '../../datastore/shared/bucket-collection.js';
import { getIfThere, type SharedObjects } from '../../datastore/shared/shared-objects.js';
import { MANIFEST_NAME } from '../../index/archive-names.js';
import type { ChunkIndex } from '../../index/chunk-index.js';
import { parseIndexNamed } from '../../index/index-file.js';
import { OBJECTS_FOLDER } from '../../index/object-files.js';
import { fetchedIdentity, isFetched } from '../refresh/fetch-marks.js';
import { UNCERTAIN } from '../upload/upload-parts.js';
import { groupOfFile } from '../upload/written-groups.js';

/** Every folder index files are uploaded to (maintenance/upload), and those of pins. */
const FOLDERS: readonly string[] = [...GROUP_TYPES, 'ns', 'pins', OBJECTS_FOLDER];
const INDEX = /\.[fd]idx$/;
const READ_AT_ONCE = 8;

/** What the bucket's roots are read from. */
export interface RootParts {
  /** The datastore's folder. */
  readonly store: string;
  readonly objects: Pick<SharedObjects, 'get'>;
  readonly listing: ObjectStore['listing'];
  readonly reader: Pick<CatalogReader, 'chunks' | 'uploads' | 'indexFiles'>;
  /** @throws {CairnError} `interrupted` where the job is to end */
  goOn(): void;
}

/**
 * What index files in a shared object store name. Those that this machine has too are not read where their snapshot's manifest
 * is there as it was noted or is here: it has all their chunks, and keeps them.
 */
export class SharedRoots implements BucketRoots {
  readonly #parts: RootParts;
  readonly #read = new Set<string>();
  readonly #marked = new Set<string>();

  constructor(parts: RootParts) {
    this.#parts = parts;
  }

  async mark(): Promise<void> {
    const { listing, goOn } = this.#parts;
    const names: string[] = [];
    for (const folder of FOLDERS) {
      const tags = new Map<string, string>();
      for await (const { name, tag } of listing.objects(folder)) {
        if (INDEX.test(name) || name.endsWith(`/${MANIFEST_NAME}`)) tags.set(name, tag);
      }
      names.push(...(await this.#toRead(tags)));
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

  /** @param tags what the object store calls the bytes of index files and manifests, by name */
  async #toRead(tags: ReadonlyMap<string, string>): Promise<string[]> {
    const { reader } = this.#parts;
    const isAsHere = new Map<string, boolean>();
    const names: string[] = [];
    for (const name of tags.keys()) {
      if (!INDEX.test(name) || this.#read.has(name)) continue;
      const identity = reader.uploads.fileIdentity(name);
      const isKnown = identity !== undefined && identity !== UNCERTAIN && reader.indexFiles.find(name) !== undefined;
      const manifest = groupOfFile(name) && `${dirname(name)}/${MANIFEST_NAME}`;
      if (manifest !== undefined && isKnown && !isAsHere.has(manifest)) {
        isAsHere.set(manifest, await this.#isAsHere(manifest, tags.get(manifest)));
      }
      if (!isKnown || (manifest !== undefined && isAsHere.get(manifest) !== true)) names.push(name);
    }
    return names;
  }

  /** Whether a manifest is as this machine put it there or brought it from there. Names may have been used again. */
  async #isAsHere(path: string, tag: string | undefined): Promise<boolean> {
    const { reader, store } = this.#parts;
    const identity = reader.uploads.fileIdentity(path);
    if (tag === undefined || identity === undefined || identity === UNCERTAIN) return false;
    if (isFetched(identity)) return identity === fetchedIdentity(tag);
    const here = await readIfThere(`${store}/${path}`);
    return here !== undefined && createHash('md5').update(here).digest('hex') === tag;
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
