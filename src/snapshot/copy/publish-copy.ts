import { groupPath } from '../../core/group.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import { publishBlob, publishIndex, publishManifest } from '../../index/publish.js';
import { createSnapshotFolder, markProtected } from '../../index/snapshot-folder.js';
import type { PublishedSnapshot } from '../create/job-protocol.js';
import { publishedIndex } from '../create/published-index.js';
import { METADATA_NAME, PAYLOAD_NAME, WHOLE_NAME } from '../snapshot-files.js';
import type { SourceSnapshot } from './copy-source.js';
import type { SnapshotContents } from './snapshot-contents.js';

/**
 * Puts a copied snapshot's folder on disk, its files as they are, the manifest last; durable when it resolves. Its chunks are
 * durable and known before.
 * @param store the datastore's folder
 * @throws {CairnError} `exists` where a folder of this name is there, and what writing gives
 */
export async function publishCopy(
  store: string,
  { group, time, isProtected }: SourceSnapshot,
  { manifest, indexes, blobs }: SnapshotContents,
): Promise<Omit<PublishedSnapshot, 'work'>> {
  const folder = await createSnapshotFolder(store, group, time);
  for (const { name, bytes } of indexes) await publishIndex(folder, name, bytes);
  for (const { name, bytes } of blobs) await publishBlob(folder, name, bytes);
  if (isProtected) await markProtected(folder);
  await publishManifest(store, group, manifest);
  const path = `${groupPath(group)}/${formatSnapshotTime(time)}`;
  const names = manifest.files.map(({ filename }) => filename);
  const { notes } = manifest.unprotected;
  return {
    indexes: indexes.map(({ name, bytes, index }) => publishedIndex(`${path}/${name}`, index, bytes)),
    written: [],
    files: manifest.files.map(({ filename, size }) => ({ name: filename, bytes: size })),
    contentBytes: manifest.files.reduce((sum, { size }) => sum + size, 0),
    entries: 0,
    marks: { isProtected, notes: typeof notes === 'string' ? notes : '' },
    holdsTree: names.includes(WHOLE_NAME) || (names.includes(METADATA_NAME) && names.includes(PAYLOAD_NAME)),
  };
}
