import { digestHex } from '../core/digest.js';
import { CairnError } from '../core/errors.js';
import { sha256Sync } from '../native/hash.js';

/** Folder of all objects, relative to the datastore: visible, so that every collector finds the index files in it. */
export const OBJECTS_FOLDER = 'objects';

/** Longest id of an object, in bytes of UTF-8. */
export const MAX_OBJECT_ID_BYTES = 200;

const MAX_NAME_BYTES = 200;
const PLAIN = /[A-Za-z0-9._:@-]/;
const RECORD = /^(.+)\.object$/s;
const INDEX = /^(.+)\.([0-9a-f]{16})\.didx$/s;
const MARK = /^(.+)\.changing$/s;

/** A file that belongs to an object. `name` is that of the object's files without their endings. */
export type ObjectFile =
  | { readonly kind: 'record'; readonly name: string }
  | { readonly kind: 'mark'; readonly name: string }
  | { readonly kind: 'index'; readonly name: string; readonly version: string };

/**
 * Checks an object's id: 1 to 200 bytes of UTF-8, whatever characters.
 * @throws {CairnError} `invalid`
 */
export function checkObjectId(id: string): void {
  const bytes = Buffer.from(id);
  if (bytes.toString() !== id) throw refused(id, 'it is not Unicode text');
  if (bytes.length === 0) throw refused(id, 'it is empty');
  if (bytes.length > MAX_OBJECT_ID_BYTES) {
    throw refused(id, `it has ${bytes.length} bytes, and may have ${MAX_OBJECT_ID_BYTES}`);
  }
}

/**
 * The name an object's files have, without their endings: its id with everything escaped that some file system or object
 * store would not take, `+2F` for a slash; where that gets too long, the id's SHA-256.
 */
export function objectFileName(id: string): string {
  const bytes = Buffer.from(id);
  let name = '';
  for (const [at, byte] of bytes.entries()) {
    const character = String.fromCharCode(byte);
    // A leading dot would hide the file from collectors.
    if (PLAIN.test(character) && !(at === 0 && character === '.')) name += character;
    else name += `+${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return name.length <= MAX_NAME_BYTES ? name : `+sha256-${digestHex(sha256Sync(bytes))}`;
}

/** Where the object's record is, relative to the datastore. */
export function objectRecordPath(id: string): string {
  const name = objectFileName(id);
  return `${folderOf(name)}/${name}.object`;
}

/** Where an empty file is, relative to the datastore, while a change of the object is under way that no other name shows. */
export function objectMarkPath(id: string): string {
  const name = objectFileName(id);
  return `${folderOf(name)}/${name}.changing`;
}

/** Where one version of its index file is, relative to the datastore. @param version 16 hex digits, new for each put */
export function objectIndexPath(id: string, version: string): string {
  const name = objectFileName(id);
  return `${folderOf(name)}/${name}.${version}.didx`;
}

/** What a file below `objects/` is by its name; undefined where it is none of an object's. */
export function parseObjectFile(fileName: string): ObjectFile | undefined {
  const [, record] = RECORD.exec(fileName) ?? [];
  if (record !== undefined) return { kind: 'record', name: record };
  const [, changing] = MARK.exec(fileName) ?? [];
  if (changing !== undefined) return { kind: 'mark', name: changing };
  const [, name, version] = INDEX.exec(fileName) ?? [];
  return name === undefined || version === undefined ? undefined : { kind: 'index', name, version };
}

/** Whether a path relative to the datastore is that of an object's record. */
export function isObjectRecord(path: string): boolean {
  return path.startsWith(`${OBJECTS_FOLDER}/`) && RECORD.test(path);
}

/** Spread over 256 folders, by the name alone. */
function folderOf(name: string): string {
  const [first = 0] = sha256Sync(Buffer.from(name));
  return `${OBJECTS_FOLDER}/${first.toString(16).padStart(2, '0')}`;
}

function refused(id: string, why: string): CairnError {
  return new CairnError('invalid', `Not the id of an object: ${JSON.stringify(id)}: ${why}`);
}
