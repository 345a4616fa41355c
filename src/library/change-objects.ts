import { randomBytes } from 'node:crypto';
import { CairnError } from '../core/errors.js';
import type { StoredObject } from '../core/stored-object.js';
import type { BuiltIndex } from '../index/dynamic-index.js';
import { newIndexStamp } from '../index/index-header.js';
import { checkObjectId, objectIndexPath, objectMarkPath, objectRecordPath } from '../index/object-files.js';
import { encodeObjectRecord } from '../index/object-record.js';
import { HoldScope } from '../native/holds.js';
import type { ObjectOperations, ObjectSource, PutOptions, PutResult } from './api.js';
import { chosenCompression } from './compression.js';
import { eitherSignal, requireGoingOn } from './interruption.js';
import { requireObject, shownObject } from './read-objects.js';
import { type StoredContent, storeContent } from './store-content.js';
import type { WriteParts } from './store-parts.js';

/** What all names and values of an object's metadata may have, in bytes. */
const MAX_METADATA_BYTES = 8192;

/** How objects come and go. */
export type ObjectChanges = Pick<ObjectOperations, 'putObject' | 'deleteObject'>;

export function objectChanges(parts: WriteParts): ObjectChanges {
  return {
    putObject: (id, source, options) => put(parts, id, source, options),
    deleteObject: async (id) => {
      requireGoingOn(parts.closing);
      checkObjectId(id);
      await parts.turns.run(id, () => markDeleted(parts, id));
    },
  };
}

async function put(parts: WriteParts, id: string, source: ObjectSource, options: PutOptions = {}): Promise<PutResult> {
  const signal = eitherSignal(parts.closing, options.signal);
  checkObjectId(id);
  const compression = chosenCompression(options.compression);
  const metadata = checkedMetadata(options.metadata ?? {});
  requireGoingOn(signal);
  parts.index.requireWorking();
  const holds = HoldScope.open();
  try {
    const verifyExisting = options.verifyExisting ?? false;
    const content = await storeContent(parts, source, { compression, verifyExisting, holds, signal });
    const object = await parts.turns.run(id, () =>
      publish(parts, id, content, { compression: compression.name, metadata }, signal),
    );
    const newBytes = content.written.reduce((sum, { stored }) => sum + stored, 0);
    return { ...shownObject(object), newChunks: content.written.length, newBytes };
  } finally {
    holds.end();
  }
}

/**
 * Puts an object on disk whose chunks are stored: chunks durable, then the index file, then the record, whose rename is the
 * moment others see the object, then the catalog. The index file it replaces goes last.
 */
async function publish(
  parts: WriteParts,
  id: string,
  content: StoredContent,
  facts: Pick<StoredObject, 'compression' | 'metadata'>,
  signal: AbortSignal,
): Promise<StoredObject> {
  const { chunks, index, files } = parts;
  const created = Date.now();
  const count = content.index.count;
  const built = count === 0 ? undefined : content.index.finish(newIndexStamp(Math.floor(created / 1000)));
  const object: StoredObject = {
    ...{ id, ...facts, created, deleted: undefined, chunks: count, etag: content.etag, sha256: content.sha256 },
    bytes: built?.contentLength ?? 0,
    indexPath: built && objectIndexPath(id, randomBytes(8).toString('hex')),
  };
  await chunks.sync();
  await index.recordChunks(content.written);
  const putBoth = async (): Promise<string | undefined> => {
    await putFiles(parts, object, built, signal);
    const replaced = index.findObject(id)?.indexPath;
    await index.recordObject({ object, ...(built && { index: built }), replaced });
    await index.commit();
    return replaced;
  };
  // No name tells an empty object from the one it replaces.
  const replaced = await (built === undefined ? marked(parts, id, putBoth) : putBoth());
  if (replaced !== undefined) await files.removeAll([replaced]);
  return object;
}

async function putFiles(
  { files }: WriteParts,
  object: StoredObject,
  built: BuiltIndex | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { indexPath } = object;
  try {
    if (built !== undefined && indexPath !== undefined) {
      await files.put(indexPath, built.bytes);
      await files.sync();
    }
    requireGoingOn(signal);
    await putRecord({ files }, object);
  } catch (error) {
    // Left there, the next opening removes it.
    if (indexPath !== undefined) await files.removeAll([indexPath]).catch(() => undefined);
    throw error;
  }
}

async function putRecord({ files }: Pick<WriteParts, 'files'>, object: StoredObject): Promise<void> {
  await files.put(objectRecordPath(object.id), encodeObjectRecord(object));
  await files.sync();
}

/**
 * Runs a change that brings no index file of a new name. Broken off between record and catalog it is told by the mark beside
 * them, which goes when the catalog has it.
 */
async function marked<T>({ files }: Pick<WriteParts, 'files'>, id: string, change: () => Promise<T>): Promise<T> {
  const mark = objectMarkPath(id);
  await files.put(mark, new Uint8Array(0));
  await files.sync();
  const result = await change();
  await files.removeAll([mark]);
  return result;
}

async function markDeleted(parts: WriteParts, id: string): Promise<void> {
  const { index, files } = parts;
  index.requireWorking();
  const before = requireObject(parts, id);
  const object: StoredObject = { ...before, deleted: Date.now(), indexPath: undefined };
  await marked(parts, id, async () => {
    await putRecord(parts, object);
    await index.recordObject({ object, replaced: before.indexPath });
    await index.commit();
  });
  if (before.indexPath !== undefined) await files.removeAll([before.indexPath]);
}

function checkedMetadata(metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  let bytes = 0;
  for (const [name, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') throw new CairnError('invalid', `The metadata ${JSON.stringify(name)} is no text`);
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (bytes <= MAX_METADATA_BYTES) return { ...metadata };
  throw new CairnError('invalid', `The metadata has ${bytes} bytes, and may have ${MAX_METADATA_BYTES}`);
}
