import { ChunkError } from '../../chunkstore/chunk-error.js';
import { chunkName, type PrefixDigits } from '../../chunkstore/layout.js';
import { checkBlob, usingBlob } from '../../chunkstore/verified-blob.js';
import type { Digest } from '../../core/digest.js';
import { kindOf } from '../../core/errors.js';
import { type GroupName, groupPath } from '../../core/group.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import { readConfig } from '../../datastore/config.js';
import { type ObjectPlaces, openObjects } from '../../datastore/object-store.js';
import { datastorePaths } from '../../datastore/paths.js';
import { listGroups, listNamespaces, listSnapshots } from '../../index/snapshot-folder.js';

/** A finished snapshot to copy from. */
export interface SourceSnapshot {
  readonly group: GroupName;
  /** Epoch seconds. */
  readonly time: number;
  readonly isProtected: boolean;
}

/** Reads chunks: `get` is asked first, `getElsewhere` where what that gave is damaged. */
type ChunkPlaces = Parameters<typeof usingBlob>[0];

/**
 * A datastore to copy from, mounted or not: what is finished in it does not change, so its folder is read as it is, and
 * nothing of it is locked. A snapshot that is forgotten meanwhile may lose chunks: then reading says so.
 */
export class CopySource {
  /** The datastore's folder. */
  readonly store: string;
  readonly #places: ObjectPlaces;
  readonly #chunks: ChunkPlaces;
  readonly #prefixDigits: PrefixDigits;

  private constructor(store: string, places: ObjectPlaces, prefixDigits: PrefixDigits) {
    this.store = store;
    this.#places = places;
    this.#chunks = chunksOf(places);
    this.#prefixDigits = prefixDigits;
  }

  /** @param store real path of the datastore @throws {CairnError} where it is none */
  static async open(store: string): Promise<CopySource> {
    const config = readConfig(datastorePaths(store));
    return new CopySource(store, await openObjects(store, config), config.prefixDigits);
  }

  /** All finished snapshots, by group, oldest first. @throws {CairnError} where a folder cannot be listed */
  async snapshots(): Promise<SourceSnapshot[]> {
    const found: SourceSnapshot[] = [];
    for (const namespace of [[], ...(await listNamespaces(this.store))]) {
      for (const group of await listGroups(this.store, namespace)) {
        for (const { time, finished, isProtected } of await listSnapshots(this.store, group)) {
          if (finished) found.push({ group, time, isProtected });
        }
      }
    }
    return found;
  }

  /**
   * A chunk's blob as it is stored, verified: decoded it has the digest; encrypted, the checksum.
   * @param length its plain length in bytes, as an index states it
   * @throws {ChunkError} where it is absent or damaged
   */
  async readBlob(digest: Digest, length: number): Promise<Buffer> {
    try {
      return await usingBlob(this.#chunks, chunkName(digest, this.#prefixDigits), async (blob) => {
        await checkBlob(digest, blob, length);
        return blob;
      });
    } catch (error) {
      if (kindOf(error) !== 'not-found') throw error;
      throw new ChunkError(digest, 'absent', 'the datastore to copy from has no such chunk', { cause: error });
    }
  }

  close(): void {
    this.#places.close();
  }
}

/** What is in an object store alone is read, but not brought into the folder: it may have no room for it. */
function chunksOf({ backend, objects }: ObjectPlaces): ChunkPlaces {
  if (objects === undefined) return backend;
  const { remote, transfers } = objects;
  return {
    get: async (name) => {
      const bytes = await transfers.lengthHere(name);
      return bytes === undefined ? remote.get(name) : backend.getRange(name, 0, bytes);
    },
    getElsewhere: (name) => remote.get(name),
  };
}

/** The name of a snapshot for people. */
export function shownSnapshot({ group, time }: Pick<SourceSnapshot, 'group' | 'time'>): string {
  return `${groupPath(group)}/${formatSnapshotTime(time)}`;
}
