import { type Digest, digestHex, sameDigest } from '../../core/digest.js';
import { CairnError, fromSystemError, kindOf } from '../../core/errors.js';
import { indexKindOfName } from '../../index/archive-names.js';
import { type ChunkIndex, checksumFits } from '../../index/chunk-index.js';
import { parseIndexNamed } from '../../index/index-file.js';
import type { Manifest, ManifestFile } from '../../index/manifest.js';
import { loadManifest } from '../../index/publish.js';
import { snapshotPath } from '../../index/snapshot-folder.js';
import { readFile } from '../../native/files.js';
import { sha256 } from '../../native/hash.js';
import type { SourceSnapshot } from './copy-source.js';
import type { DigestSet } from './digest-set.js';

/** What a client said while it made a backup: no manifest lists it (pbs-format §5). */
const CLIENT_LOG = 'client.log.blob';

/** A file of a snapshot, whole. */
export interface SnapshotFileBytes {
  readonly name: string;
  readonly bytes: Buffer;
}

/** All of a snapshot but its chunks; what its manifest says of it was found true. */
export interface SnapshotContents {
  readonly manifest: Manifest;
  readonly indexes: readonly (SnapshotFileBytes & { readonly index: ChunkIndex })[];
  readonly blobs: readonly SnapshotFileBytes[];
}

/**
 * Reads the files of a finished snapshot.
 * @param store the datastore's folder
 * @throws {CairnError} `corrupt` where a file is not what the manifest says, `not-found` where the snapshot has gone
 */
export async function loadContents(store: string, { group, time }: SourceSnapshot): Promise<SnapshotContents> {
  const folder = snapshotPath(store, group, time);
  const manifest = await loadManifest(folder);
  if (manifest.type !== group.type || manifest.id !== group.id || manifest.time !== time) {
    throw new CairnError('corrupt', `${folder}: the manifest is that of another snapshot`);
  }
  const indexes: { name: string; bytes: Buffer; index: ChunkIndex }[] = [];
  const blobs: SnapshotFileBytes[] = [];
  for (const file of manifest.files) {
    const bytes = await read(`${folder}/${file.filename}`);
    if (indexKindOfName(file.filename) === undefined) {
      await checkBlobFile(folder, file, bytes);
      blobs.push({ name: file.filename, bytes });
    } else indexes.push({ name: file.filename, bytes, index: checkedIndex(folder, file, bytes) });
  }
  const log = await readIfThere(`${folder}/${CLIENT_LOG}`);
  if (log !== undefined) blobs.push({ name: CLIENT_LOG, bytes: log });
  return { manifest, indexes, blobs };
}

/** A chunk as index files list it. */
export interface ListedChunk {
  /** A view into its index. */
  readonly digest: Digest;
  /** Plain length in bytes. */
  readonly length: number;
}

/** The chunks of a snapshot or object, those in `seen` left out; all of them are in it from then on. */
export function* chunksOf(
  { indexes }: { readonly indexes: readonly { readonly index: ChunkIndex }[] },
  seen: DigestSet,
): Generator<ListedChunk> {
  for (const { index } of indexes) {
    for (let position = 0; position < index.count; position += 1) {
      const digest = index.digest(position);
      if (seen.add(digest)) yield { digest, length: index.end(position) - index.start(position) };
    }
  }
}

/** Whether two manifests are of the same snapshot: they list the same files. */
export function listSameFiles(a: Manifest, b: Manifest): boolean {
  const shown = ({ files }: Manifest): string =>
    JSON.stringify(files.map(({ filename, size, checksum }) => [filename, size, digestHex(checksum)]).sort());
  return shown(a) === shown(b);
}

function checkedIndex(folder: string, file: ManifestFile, bytes: Buffer): ChunkIndex {
  const path = `${folder}/${file.filename}`;
  const index = parseIndexNamed(path, bytes);
  const isWhole = checksumFits(index) && sameDigest(index.checksum, file.checksum) && index.contentLength === file.size;
  if (isWhole) return index;
  throw new CairnError('corrupt', `${path} is not the index file its manifest lists`);
}

async function checkBlobFile(folder: string, { filename, size, checksum }: ManifestFile, bytes: Buffer): Promise<void> {
  if (bytes.length === size && sameDigest(await sha256(bytes), checksum)) return;
  throw new CairnError('corrupt', `${folder}/${filename} is not the file its manifest lists`);
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw fromSystemError(error, `read ${path}`);
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await read(path);
  } catch (error) {
    if (kindOf(error) !== 'not-found') throw error;
    return undefined;
  }
}
