import { CairnError, fromSystemError, kindOf } from '../../core/errors.js';
import type { StoredObject } from '../../core/stored-object.js';
import { listIfThere } from '../../datastore/list-if-there.js';
import { readIfThere } from '../../datastore/read-if-there.js';
import { type ChunkIndex, checksumFits } from '../../index/chunk-index.js';
import { parseIndexNamed } from '../../index/index-file.js';
import { OBJECTS_FOLDER, objectRecordPath, parseObjectFile } from '../../index/object-files.js';
import { parseObjectRecord } from '../../index/object-record.js';
import { readFile } from '../../native/files.js';

/** All of an object but its chunks. */
export interface ObjectContents {
  readonly object: StoredObject;
  /** Undefined where the object is empty. */
  readonly index: { readonly bytes: Buffer; readonly index: ChunkIndex } | undefined;
}

/**
 * Records of objects, also of deleted ones: paths relative to the datastore.
 * @param ids whose; `all`: all there are
 * @throws {CairnError} `not-found` where there is no object of an id that is named, and what listing gives
 */
export async function chooseObjects(store: string, ids: 'all' | readonly string[]): Promise<string[]> {
  if (ids === 'all') return listRecords(store);
  for (const id of ids) {
    const object = await readObjectRecord(store, objectRecordPath(id));
    if (object === undefined) throw new CairnError('not-found', `There is no object ${JSON.stringify(id)} to copy`);
  }
  return ids.map(objectRecordPath);
}

/**
 * What the record says of an object that is there; undefined where there is none any more, or never was.
 * @throws {CairnError} `corrupt`, and what reading gives
 */
export async function readObjectRecord(store: string, recordPath: string): Promise<StoredObject | undefined> {
  const bytes = await readIfThere(`${store}/${recordPath}`);
  if (bytes === undefined) return undefined;
  const object = parseObjectRecord(recordPath, bytes);
  return object.deleted === undefined ? object : undefined;
}

/**
 * Reads an object's record and index file; undefined where it has gone. One that is put again meanwhile is read again.
 * @throws {CairnError} `corrupt` where the index file is not what the record says, `not-found` where it is missing
 */
export async function loadObject(store: string, recordPath: string): Promise<ObjectContents | undefined> {
  for (let missing: string | undefined; ; ) {
    const object = await readObjectRecord(store, recordPath);
    if (object === undefined) return undefined;
    try {
      return { object, index: await loadIndexOf(store, recordPath, object) };
    } catch (error) {
      // Whoever puts it again takes the index file of before away.
      if (kindOf(error) !== 'not-found' || object.indexPath === missing) throw error;
      missing = object.indexPath;
    }
  }
}

async function loadIndexOf(store: string, recordPath: string, object: StoredObject): Promise<ObjectContents['index']> {
  const { indexPath, bytes: size, chunks } = object;
  if (indexPath === undefined) {
    if (size === 0 && chunks === 0) return undefined;
    throw new CairnError('corrupt', `${store}/${recordPath} names no index file, and the object has ${size} bytes`);
  }
  const path = `${store}/${indexPath}`;
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fromSystemError(error, `read ${path}`);
  });
  const index = parseIndexNamed(path, bytes);
  if (checksumFits(index) && index.contentLength === size && index.count === chunks) return { bytes, index };
  throw new CairnError('corrupt', `${path} is not the index file of its object's record`);
}

async function listRecords(store: string): Promise<string[]> {
  const found: string[] = [];
  for (const folder of await listIfThere(`${store}/${OBJECTS_FOLDER}`)) {
    if (folder.type !== 'folder') continue;
    const path = `${OBJECTS_FOLDER}/${folder.name.toString()}`;
    for (const { name, type } of await listIfThere(`${store}/${path}`)) {
      const fileName = name.toString();
      if (type === 'file' && parseObjectFile(fileName)?.kind === 'record') found.push(`${path}/${fileName}`);
    }
  }
  return found.sort();
}
