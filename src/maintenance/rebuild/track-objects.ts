import type { Catalog } from '../../catalog/open.js';
import { CairnError, fromSystemError } from '../../core/errors.js';
import type { StoredObject } from '../../core/stored-object.js';
import { listIfThere } from '../../datastore/list-if-there.js';
import { OBJECTS_FOLDER, objectRecordPath, parseObjectFile } from '../../index/object-files.js';
import { parseObjectRecord } from '../../index/object-record.js';
import { readFile, removeFiles } from '../../native/files.js';
import { breathe, requireWanted } from '../job/care-context.js';
import type { UnreadableIndex } from './track-indexes.js';

const ROWS_AT_ONCE = 500;

/** What objects are tracked with: a datastore nobody else puts objects into. */
export interface TrackObjectsContext {
  /** The datastore's folder. */
  readonly store: string;
  readonly catalog: Pick<Catalog, 'objects' | 'indexFiles'>;
  /** Makes what the catalog was told durable. */
  commit(): Promise<void>;
  readonly signal: AbortSignal;
}

/** What came of it. */
export interface TrackedObjects {
  /** Objects whose rows were not what the disk says. */
  readonly changed: number;
  /** Index files that no record names: of puts that were broken off. They are removed. */
  readonly leftovers: number;
  /** Records that cannot be believed. */
  readonly unreadable: readonly UnreadableIndex[];
}

/** Files of one object. */
interface Files {
  record: boolean;
  /** A change was under way that no name shows. */
  mark: string | undefined;
  readonly indexes: string[];
}

/** As much of a row as names on disk can be compared with. */
type Row = Pick<StoredObject, 'id' | 'indexPath' | 'deleted'>;

/** How a put that was broken off left its file. */
const UNFINISHED = /\.tmp_[A-Za-z0-9]{6}$/;

/**
 * Brings the objects of the catalog in line with those on disk, and removes what broken off puts and deletions have left.
 * Every put has an index file of its own name, and what has none (a deletion, an empty object) a mark while it is under way, so
 * names alone tell which objects have to be looked at: those whose put or deletion was interrupted before the catalog had it.
 * What it writes is committed, and then the marks go.
 * @throws {CairnError} where a folder cannot be listed, `interrupted`
 */
export async function trackObjects(context: TrackObjectsContext): Promise<TrackedObjects> {
  const { store, catalog, signal } = context;
  const unreadable: UnreadableIndex[] = [];
  const counts = { changed: 0, leftovers: 0 };
  const marks: string[] = [];
  const named = await rowsByRecord(catalog);
  for (const folder of await listIfThere(`${store}/${OBJECTS_FOLDER}`)) {
    requireWanted(signal);
    if (folder.type !== 'folder') continue;
    const path = `${OBJECTS_FOLDER}/${folder.name.toString()}`;
    for (const [name, files] of await filesOf(store, path)) {
      const record = `${path}/${name}.object`;
      const row = named.get(record);
      if (row !== undefined && fits(row, files)) named.delete(record);
      else await look(context, record, files, row, { unreadable, counts, named, marks });
    }
    await breathe();
  }
  // Of what is left no record is on disk.
  for (const row of named.values()) {
    forget(catalog, row);
    counts.changed += 1;
  }
  if (counts.changed > 0) await context.commit();
  await removeFiles(marks.map((path) => `${store}/${path}`));
  return { ...counts, unreadable };
}

interface Outcome {
  readonly unreadable: UnreadableIndex[];
  readonly counts: { changed: number; leftovers: number };
  readonly named: Map<string, Row>;
  /** Those whose objects were looked at. */
  readonly marks: string[];
}

async function look(
  { store, catalog }: TrackObjectsContext,
  recordPath: string,
  files: Files,
  row: Row | undefined,
  { unreadable, counts, named, marks }: Outcome,
): Promise<void> {
  named.delete(recordPath);
  let record: StoredObject | undefined;
  try {
    record = files.record ? parseObjectRecord(recordPath, await readFile(`${store}/${recordPath}`)) : undefined;
  } catch (error) {
    if (!(error instanceof CairnError)) throw fromSystemError(error, `read ${store}/${recordPath}`);
    // Its index files stay, and keep their chunks.
    unreadable.push({ path: recordPath, reason: error.message });
    return;
  }
  // The file itself may be gone already.
  if (row?.indexPath !== undefined && row.indexPath !== record?.indexPath) catalog.indexFiles.remove(row.indexPath);
  if (record !== undefined) catalog.objects.put(record);
  else if (row !== undefined) forget(catalog, row);
  counts.changed += 1;
  if (files.mark !== undefined) marks.push(files.mark);
  const leftovers = files.indexes.filter((path) => path !== record?.indexPath);
  counts.leftovers += leftovers.length;
  for (const path of leftovers) catalog.indexFiles.remove(path);
  await removeFiles(leftovers.map((path) => `${store}/${path}`));
}

function forget({ objects, indexFiles }: TrackObjectsContext['catalog'], row: Row): void {
  objects.remove(row.id);
  if (row.indexPath !== undefined) indexFiles.remove(row.indexPath);
}

function fits({ indexPath, deleted }: Row, { record, mark, indexes }: Files): boolean {
  const wanted = indexPath === undefined || deleted !== undefined ? [] : [indexPath];
  return record && mark === undefined && indexes.length === wanted.length && indexes[0] === wanted[0];
}

/** All rows, by the paths of their records. */
async function rowsByRecord({ objects }: TrackObjectsContext['catalog']): Promise<Map<string, Row>> {
  const rows = new Map<string, Row>();
  const add = ({ id, indexPath, deleted }: Row): void => {
    rows.set(objectRecordPath(id), { id, indexPath, deleted });
  };
  for (let from: Buffer = Buffer.alloc(0); ; ) {
    const some = objects.list(from, ROWS_AT_ONCE);
    some.forEach(add);
    const last = some.at(-1);
    if (last === undefined) break;
    from = Buffer.concat([Buffer.from(last.id), Buffer.alloc(1)]);
    await breathe();
  }
  for (const row of objects.listDeleted(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)) add(row);
  return rows;
}

async function filesOf(store: string, folder: string): Promise<Map<string, Files>> {
  const found = new Map<string, Files>();
  for (const { name: bytes, type } of await listIfThere(`${store}/${folder}`)) {
    const fileName = bytes.toString();
    if (type === 'file' && UNFINISHED.test(fileName)) await removeFiles([`${store}/${folder}/${fileName}`]);
    const file = type === 'file' ? parseObjectFile(fileName) : undefined;
    if (file === undefined) continue;
    const files = found.get(file.name) ?? { record: false, mark: undefined, indexes: [] };
    found.set(file.name, files);
    if (file.kind === 'record') files.record = true;
    else if (file.kind === 'mark') files.mark = `${folder}/${fileName}`;
    else files.indexes.push(`${folder}/${fileName}`);
  }
  return found;
}
