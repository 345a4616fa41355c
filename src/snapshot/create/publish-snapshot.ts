import { groupPath } from '../../core/group.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import { ATTRIBUTES_NAME } from '../../index/archive-names.js';
import type { JsonObject } from '../../index/canonical-json.js';
import type { BuiltIndex } from '../../index/dynamic-index.js';
import { parseDynamicIndex } from '../../index/dynamic-index.js';
import { buildManifest, type ManifestFile } from '../../index/manifest.js';
import { publishIndex, publishManifest } from '../../index/publish.js';
import { createSnapshotFolder } from '../../index/snapshot-folder.js';
import { METADATA_NAME, PAYLOAD_NAME } from '../snapshot-files.js';
import type { PublishedSnapshot, SnapshotJobOptions, WrittenChunk } from './job-protocol.js';
import { publishedIndex } from './published-index.js';

/** The streams of a snapshot as index files, not yet on disk. Their chunks are durable. */
export interface BuiltStreams {
  readonly entries: number;
  readonly metadata: BuiltIndex;
  readonly attributes: BuiltIndex;
  readonly payload: BuiltIndex;
}

/**
 * Puts a snapshot's folder on disk: index files first, the manifest last; durable when it resolves.
 * @param options with what the unprotected part of the manifest says, if anything
 */
export async function publishSnapshot(
  options: Pick<SnapshotJobOptions, 'store' | 'group' | 'time'> & { readonly unprotected?: JsonObject },
  built: BuiltStreams,
  written: readonly WrittenChunk[],
): Promise<Omit<PublishedSnapshot, 'work'>> {
  const { store, group, time, unprotected = {} } = options;
  const parts: readonly (readonly [string, BuiltIndex])[] = [
    [METADATA_NAME, built.metadata],
    [PAYLOAD_NAME, built.payload],
    [ATTRIBUTES_NAME, built.attributes],
  ];
  const folder = await createSnapshotFolder(store, group, time);
  for (const [name, index] of parts) await publishIndex(folder, name, index.bytes);
  const files: ManifestFile[] = parts.map(([filename, { contentLength, checksum }]) => ({
    filename,
    cryptMode: 'none',
    size: contentLength,
    checksum,
  }));
  await publishManifest(store, group, buildManifest({ type: group.type, id: group.id, time, files, unprotected }));
  const path = `${groupPath(group)}/${formatSnapshotTime(time)}`;
  return {
    indexes: parts.map(([name, index]) =>
      publishedIndex(`${path}/${name}`, parseDynamicIndex(index.bytes), index.bytes),
    ),
    written,
    files: parts.map(([name, { contentLength }]) => ({ name, bytes: contentLength })),
    contentBytes: parts.reduce((sum, [, { contentLength }]) => sum + contentLength, 0),
    entries: built.entries,
  };
}
