import { randomBytes } from 'node:crypto';
import { COMPRESSION_LEVEL } from '../chunk/limits.js';
import { CairnError, fromSystemError } from '../core/errors.js';
import type { GroupName } from '../core/group.js';
import { BLOB_HEADER_BYTES, decodeBlob, encodeBlob } from '../native/blob.js';
import { putFile, readFile, syncFolder } from '../native/files.js';
import { indexKindOfName, isServerFileName, MANIFEST_NAME, temporaryIndexName } from './archive-names.js';
import { type Manifest, manifestText, parseManifest } from './manifest.js';
import { ancestorsOf, findSnapshot, snapshotPath } from './snapshot-folder.js';

const FILE_MODE = 0o644;
/** What a blob may hold (pbs-format §2.1). */
const MAX_BLOB_PLAIN_BYTES = 128 * 1024 * 1024;

/**
 * Puts an index file into a snapshot's folder: written aside as PBS does (`.tmp_didx`), synced, then renamed. All
 * chunks it lists must be durable before.
 * @throws {CairnError} `invalid` for a name that is no index file's, and what writing gives
 */
export async function publishIndex(folder: string, name: string, bytes: Uint8Array): Promise<void> {
  if (indexKindOfName(name) === undefined || !isServerFileName(name)) {
    throw new CairnError('invalid', `Not an index file: ${JSON.stringify(name)}`);
  }
  await put(`${folder}/${name}`, `${folder}/${temporaryIndexName(name)}`, bytes);
}

/**
 * Puts a blob into a snapshot's folder, as it is.
 * @throws {CairnError} `invalid` for a name that is no blob's, and what writing gives
 */
export async function publishBlob(folder: string, name: string, bytes: Uint8Array): Promise<void> {
  if (!name.endsWith('.blob') || !isServerFileName(name) || name === MANIFEST_NAME) {
    throw new CairnError('invalid', `Not a blob: ${JSON.stringify(name)}`);
  }
  const path = `${folder}/${name}`;
  await put(path, `${path}.tmp_${randomBytes(3).toString('hex')}`, bytes);
}

/**
 * Finishes a snapshot: checks that all files the manifest lists are there, puts the manifest into the folder, and
 * sees to it that all folders up to the store survive a power cut.
 * @throws {CairnError} `invalid` where the manifest is of another snapshot or lists what is not there, and what
 *   writing gives
 */
export async function publishManifest(store: string, group: GroupName, manifest: Manifest): Promise<void> {
  const folder = snapshotPath(store, group, manifest.time);
  if (manifest.type !== group.type || manifest.id !== group.id) {
    throw new CairnError('invalid', `The manifest of ${manifest.type}/${manifest.id} does not belong into ${folder}`);
  }
  const present = (await findSnapshot(store, group, manifest.time))?.files ?? [];
  const missing = manifest.files.find(({ filename }) => !present.includes(filename));
  if (missing !== undefined)
    throw new CairnError('invalid', `The manifest lists ${missing.filename}, not in ${folder}`);
  await putManifest(folder, manifest);
  try {
    for (const ancestor of [store, ...ancestorsOf(store, folder)].reverse()) await syncFolder(ancestor);
  } catch (error) {
    throw fromSystemError(error, `sync ${folder}`);
  }
}

/**
 * Writes the manifest of a snapshot that has one anew (notes, verify state). Who reads, changes and writes it back
 * must keep others from doing so meanwhile.
 * @throws {CairnError} what writing gives
 */
export async function putManifest(folder: string, manifest: Manifest): Promise<void> {
  const text = manifestText(manifest);
  const blob = Buffer.allocUnsafe(text.length + BLOB_HEADER_BYTES);
  const length = await encodeBlob(text, blob, COMPRESSION_LEVEL);
  const path = `${folder}/${MANIFEST_NAME}`;
  await put(path, `${path}.tmp_${randomBytes(3).toString('hex')}`, blob.subarray(0, length));
}

/**
 * Reads a snapshot's manifest.
 * @throws {CairnError} `not-found` where it is unfinished, `corrupt` where the manifest is malformed, and what
 *   reading gives
 */
export async function loadManifest(folder: string): Promise<Manifest> {
  const path = `${folder}/${MANIFEST_NAME}`;
  try {
    return await decodeManifest(await readFile(path));
  } catch (error) {
    if (error instanceof CairnError) throw new CairnError(error.kind, `${path}: ${error.message}`, { cause: error });
    throw fromSystemError(error, `read ${path}`);
  }
}

/** A manifest out of the bytes of its file. @throws {CairnError} `corrupt` */
export async function decodeManifest(blob: Buffer): Promise<Manifest> {
  return parseManifest(await decodeBlob(blob, MAX_BLOB_PLAIN_BYTES));
}

async function put(path: string, temporaryPath: string, bytes: Uint8Array): Promise<void> {
  try {
    await putFile(path, temporaryPath, bytes, { mode: FILE_MODE, sync: true });
  } catch (error) {
    throw fromSystemError(error, `write ${path}`);
  }
}
