import type { Readable } from 'node:stream';
import { LRUCache } from 'lru-cache';
import { digestHex } from '../core/digest.js';
import { CairnError, kindOf } from '../core/errors.js';
import type { StoredObject } from '../core/stored-object.js';
import { type ChunkIndex, checksumFits } from '../index/chunk-index.js';
import { parseIndexNamed } from '../index/index-file.js';
import { checkObjectId } from '../index/object-files.js';
import type { ListOptions, ObjectInfo, ObjectOperations } from './api.js';
import { eitherSignal, requireGoingOn } from './interruption.js';
import { nothing, rangeWithin, readIndexed } from './read-content.js';
import type { ReadParts } from './store-parts.js';

const ROWS_AT_ONCE = 500;
/** What parsed index files may take, so that many ranges of one object read its index once. */
const INDEX_CACHE_BYTES = 64 * 1024 * 1024;
const INDEX_HEADER_BYTES = 4096;
const INDEX_ENTRY_BYTES = 40;

/** How objects are read. */
export type ObjectReads = Pick<ObjectOperations, 'getObject' | 'getObjectData' | 'getObjectRange' | 'listObjects'>;

export function objectReads(parts: ReadParts): ObjectReads {
  const open = objectOpener(parts);
  const read = async (id: string, offset: number, length: number, signal?: AbortSignal): Promise<Readable> => {
    requireGoingOn(eitherSignal(parts.closing, signal));
    checkObjectId(id);
    const { object, index } = await open(id);
    const range = rangeWithin(object.bytes, offset, length);
    return index === undefined ? nothing() : readIndexed(parts, index, range, signal);
  };
  return {
    getObject: async (id) => {
      requireGoingOn(parts.closing);
      checkObjectId(id);
      return shownObject(requireObject(parts, id));
    },
    getObjectData: (id, options) => read(id, 0, Number.MAX_SAFE_INTEGER, options?.signal),
    getObjectRange: (id, offset, length, options) => read(id, offset, length, options?.signal),
    listObjects: (options) => listObjects(parts, options),
  };
}

/** @throws {CairnError} `not-found` where there is none, or it was deleted */
export function requireObject({ index }: Pick<ReadParts, 'index'>, id: string): StoredObject {
  const object = index.findObject(id);
  if (object === undefined) throw new CairnError('not-found', `There is no object ${JSON.stringify(id)}`);
  if (object.deleted === undefined) return object;
  const when = new Date(object.deleted).toISOString();
  throw new CairnError('not-found', `The object ${JSON.stringify(id)} was deleted at ${when}`);
}

export function shownObject(object: StoredObject): ObjectInfo {
  const { id, bytes, etag, sha256, compression, created, chunks, metadata } = object;
  return {
    ...{ id, size: bytes, compression, chunks, metadata },
    etag: Buffer.from(etag).toString('hex'),
    sha256: digestHex(sha256),
    created: new Date(created),
  };
}

interface OpenObject {
  readonly object: StoredObject;
  /** Undefined where the object is empty. */
  readonly index: ChunkIndex | undefined;
}

function objectOpener({ index: rows, files }: ReadParts): (id: string) => Promise<OpenObject> {
  const indexes = new LRUCache<string, ChunkIndex>({
    maxSize: INDEX_CACHE_BYTES,
    sizeCalculation: ({ count }) => INDEX_HEADER_BYTES + count * INDEX_ENTRY_BYTES,
  });
  const load = async (path: string): Promise<ChunkIndex> => {
    const known = indexes.get(path);
    if (known !== undefined) return known;
    const index = parseIndexNamed(path, await files.get(path));
    if (!checksumFits(index)) throw new CairnError('corrupt', `${path}: its checksum does not fit`);
    indexes.set(path, index);
    return index;
  };
  return async (id) => {
    for (let before: StoredObject | undefined; ; ) {
      const object = requireObject({ index: rows }, id);
      const { indexPath } = object;
      if (indexPath === undefined) return { object, index: undefined };
      try {
        return { object, index: await load(indexPath) };
      } catch (error) {
        // It was replaced between the look at its row and that at its file, or the file is lost.
        if (kindOf(error) !== 'not-found') throw error;
        if (before?.indexPath === indexPath) throw lost(id, indexPath, error);
        before = object;
      }
    }
  };
}

function lost(id: string, path: string, cause: unknown): CairnError {
  return new CairnError('corrupt', `The index file ${path} of the object ${JSON.stringify(id)} is missing`, { cause });
}

async function* listObjects(
  { index, closing }: ReadParts,
  { prefix = '', after, signal }: ListOptions = {},
): AsyncGenerator<ObjectInfo, void, void> {
  const either = eitherSignal(closing, signal);
  const start = Buffer.from(prefix);
  let from = after === undefined ? start : behind(after);
  if (Buffer.compare(from, start) < 0) from = start;
  for (;;) {
    requireGoingOn(either);
    const objects = index.listObjects(from, ROWS_AT_ONCE);
    for (const object of objects) {
      if (!object.id.startsWith(prefix)) return;
      yield shownObject(object);
    }
    const last = objects.at(-1);
    if (last === undefined || objects.length < ROWS_AT_ONCE) return;
    from = behind(last.id);
  }
}

/** The first bytes behind an id's in the order of bytes. */
function behind(id: string): Buffer {
  return Buffer.concat([Buffer.from(id), Buffer.alloc(1)]);
}
