import type { StoredObject } from '../../core/stored-object.js';
import { objectRecordPath } from '../../index/object-files.js';
import type { StoreFile, StoreFiles, UploadParts } from './upload-parts.js';

const ROWS_AT_ONCE = 500;

/**
 * The files of all objects, each index file before the record that names it. What was deleted has its record alone.
 * @throws {CairnError} where a file cannot be looked at
 */
export async function listObjectFiles(parts: UploadParts): Promise<Pick<StoreFiles, 'ready' | 'waiting'>> {
  const ready: StoreFile[] = [];
  const waiting = new Set<string>();
  for (const object of allObjects(parts)) {
    const paths = object.indexPath === undefined ? [] : [object.indexPath];
    paths.push(objectRecordPath(object.id));
    const isTracked = object.indexPath === undefined || parts.reader.indexFiles.find(object.indexPath) !== undefined;
    for (const path of paths) {
      const facts = await parts.factsOf(`${parts.store}/${path}`);
      if (facts === undefined) continue;
      if (isTracked) ready.push({ path, identity: facts.identity });
      else waiting.add(path);
    }
  }
  return { ready, waiting };
}

function* allObjects({ reader }: UploadParts): Generator<StoredObject> {
  for (let from: Buffer = Buffer.alloc(0); ; ) {
    const some = reader.objects.list(from, ROWS_AT_ONCE);
    yield* some;
    const last = some.at(-1);
    if (last === undefined) break;
    from = Buffer.concat([Buffer.from(last.id), Buffer.alloc(1)]);
  }
  yield* reader.objects.listDeleted(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
}
