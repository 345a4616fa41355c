import { createHash } from 'node:crypto';
import type { RemoteFile } from '../../catalog/uploads.js';
import { kindOf } from '../../core/errors.js';
import { readIfThere } from '../../datastore/read-if-there.js';
import { getIfThere } from '../../datastore/shared/shared-objects.js';
import { MANIFEST_NAME, PROTECTED_NAME } from '../../index/archive-names.js';
import type { JsonObject } from '../../index/canonical-json.js';
import { decodeManifest } from '../../index/publish.js';
import { FETCHING } from '../upload/upload-parts.js';
import type { ListedSnapshot } from './listed-snapshots.js';
import type { RefreshParts } from './refresh-parts.js';

const TAG = 'tag ';

/** Another machine's manifest is noted by what the object store calls its bytes: those here may get marks of their own. */
export function notedManifest({ folder, tag }: Pick<ListedSnapshot, 'folder' | 'tag'>): RemoteFile {
  return { path: `${folder}/${MANIFEST_NAME}`, identity: `${TAG}${tag}` };
}

/** Whether a manifest's identity says that it came from another machine, or was about to. */
export function isFetched(identity: string): boolean {
  return identity === FETCHING || identity.startsWith(TAG);
}

/** Whether notes, protection or verification of a snapshot that is here may have been changed by the machine it is of. */
export function mayBeMarkedAnew({ reader }: Pick<RefreshParts, 'reader'>, snapshot: ListedSnapshot): boolean {
  const { path, identity } = notedManifest(snapshot);
  if (snapshot.tag !== '' && reader.uploads.fileIdentity(path) !== identity) return true;
  const marker = markerOf(snapshot);
  return snapshot.files.includes(marker) !== (reader.uploads.fileIdentity(marker) !== undefined);
}

/**
 * Brings them in.
 * @returns whether anything is different now
 */
export async function fetchMarks(parts: RefreshParts, snapshot: ListedSnapshot): Promise<boolean> {
  const { group, time } = snapshot;
  const marker = markerOf(snapshot);
  const isProtected = snapshot.files.includes(marker);
  const unprotected = (await unprotectedOf(parts, snapshot)) ?? null;
  const put = [notedManifest(snapshot), ...(isProtected ? [{ path: marker, identity: '' }] : [])];
  return parts.ask('mark', { group, time, unprotected, isProtected, put, removed: isProtected ? [] : [marker] });
}

/** What no signature covers of the manifest there; undefined where it is as here, has gone, or cannot be read. */
async function unprotectedOf(parts: RefreshParts, snapshot: ListedSnapshot): Promise<JsonObject | undefined> {
  const { path, identity } = notedManifest(snapshot);
  if (snapshot.tag === '' || parts.reader.uploads.fileIdentity(path) === identity) return undefined;
  const here = await readIfThere(`${parts.store}/${path}`);
  if (here !== undefined && createHash('md5').update(here).digest('hex') === snapshot.tag) return undefined;
  const there = await getIfThere(parts.objects, path);
  if (there === undefined) return undefined;
  try {
    return (await decodeManifest(there)).unprotected;
  } catch (error) {
    if (kindOf(error) === 'corrupt') return undefined;
    throw error;
  }
}

function markerOf({ folder }: ListedSnapshot): string {
  return `${folder}/${PROTECTED_NAME}`;
}
