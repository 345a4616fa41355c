import type { RemoteFile } from '../../catalog/uploads.js';
import { MANIFEST_NAME, PROTECTED_NAME } from '../../index/archive-names.js';
import type { JsonObject } from '../../index/canonical-json.js';
import { FETCHING } from '../upload/upload-parts.js';
import type { ListedSnapshot } from './listed-snapshots.js';
import type { RefreshParts } from './refresh-parts.js';

const TAG = 'tag ';

/** Another machine's manifest is noted by what the object store calls its bytes: those here may get marks of their own. */
export function notedManifest({ folder, tag }: Pick<ListedSnapshot, 'folder' | 'tag'>): RemoteFile {
  return { path: `${folder}/${MANIFEST_NAME}`, identity: fetchedIdentity(tag) };
}

/** The identity of another machine's manifest, by what the object store calls its bytes. */
export function fetchedIdentity(tag: string): string {
  return `${TAG}${tag}`;
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
 * @param unprotected what no signature covers of the manifest there; null: it is as here
 * @returns whether anything is different now
 */
export async function fetchMarks(
  parts: Pick<RefreshParts, 'ask'>,
  snapshot: ListedSnapshot,
  unprotected: JsonObject | null,
): Promise<boolean> {
  const { group, time } = snapshot;
  const marker = markerOf(snapshot);
  const isProtected = snapshot.files.includes(marker);
  const put = [notedManifest(snapshot), ...(isProtected ? [{ path: marker, identity: '' }] : [])];
  return parts.ask('mark', { group, time, unprotected, isProtected, put, removed: isProtected ? [] : [marker] });
}

function markerOf({ folder }: ListedSnapshot): string {
  return `${folder}/${PROTECTED_NAME}`;
}
