import { sameDigest } from '../../core/digest.js';
import { CairnError, fromSystemError, kindOf } from '../../core/errors.js';
import { indexKindOfName } from '../../index/archive-names.js';
import { type ChunkIndex, checksumFits } from '../../index/chunk-index.js';
import { loadIndex } from '../../index/index-file.js';
import type { ManifestFile } from '../../index/manifest.js';
import { loadManifest } from '../../index/publish.js';
import { decodeBlob } from '../../native/blob.js';
import { readFile } from '../../native/files.js';
import { sha256 } from '../../native/hash.js';
import { type CareContext, requireWanted } from '../job/care-context.js';

/** What is wrong with a snapshot; nothing where it is whole. */
export interface SnapshotFindings {
  readonly group: string;
  /** The name of its folder. */
  readonly time: string;
  readonly problems: readonly string[];
}

/** What a blob may hold (pbs-format §2.1). */
const MAX_BLOB_PLAIN_BYTES = 128 * 1024 * 1024;

/**
 * Verifies the files of a snapshot by their content, chunks apart: its manifest, and checksum and length of what that lists.
 * @param folder the snapshot's, absolute
 * @param use is given each index that is whole
 * @returns what is wrong, in words
 * @throws {CairnError} `interrupted`, and what `use` gives
 */
export async function lookAtFiles(
  context: CareContext,
  folder: string,
  use: (index: ChunkIndex) => Promise<void>,
): Promise<string[]> {
  const problems: string[] = [];
  const manifest = await orReason(() => loadManifest(folder));
  if ('reason' in manifest) return [manifest.reason];
  for (const file of manifest.value.files) {
    requireWanted(context.signal);
    const path = `${folder}/${file.filename}`;
    const isIndex = indexKindOfName(file.filename) !== undefined;
    const whole = await orReason(() => (isIndex ? verifiedIndex(context, path, file) : verifyBlob(path, file)));
    if ('reason' in whole) problems.push(`${file.filename}: ${whole.reason}`);
    else if (whole.value !== undefined) await use(whole.value);
  }
  return problems;
}

/** Tells how many of a snapshot's chunks are bad. */
export function badChunksProblem(count: number): string {
  return `${count} of its chunks ${count === 1 ? 'is' : 'are'} damaged`;
}

/** What is wrong with an index file, in words; undefined where it is whole. @param checksum of its list, as it was recorded */
export async function indexProblem(
  context: CareContext,
  path: string,
  checksum: Uint8Array,
): Promise<string | undefined> {
  const whole = await orReason(async () => {
    const index = await soundIndex(context, path);
    if (!sameDigest(index.checksum, checksum)) throw new CairnError('corrupt', 'its checksum is not the one recorded');
  });
  return 'reason' in whole ? whole.reason : undefined;
}

/** Tells what is wrong with a file; what is not about the file itself is thrown on. */
async function orReason<T>(work: () => Promise<T>): Promise<{ value: T } | { reason: string }> {
  try {
    return { value: await work() };
  } catch (error) {
    if (!['corrupt', 'not-found', 'io'].includes(kindOf(error))) throw error;
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

async function verifyBlob(path: string, { size, checksum, cryptMode }: ManifestFile): Promise<undefined> {
  let raw: Buffer;
  try {
    raw = await readFile(path);
  } catch (error) {
    throw fromSystemError(error, `read ${path}`);
  }
  if (raw.length !== size) throw new CairnError('corrupt', `it has ${raw.length} bytes, its manifest says ${size}`);
  if (!sameDigest(await sha256(raw), checksum))
    throw new CairnError('corrupt', 'its SHA-256 is not that of the manifest');
  if (cryptMode !== 'encrypt') await decodeBlob(raw, MAX_BLOB_PLAIN_BYTES);
}

async function verifiedIndex(
  context: CareContext,
  path: string,
  { size, checksum }: ManifestFile,
): Promise<ChunkIndex> {
  const index = await soundIndex(context, path);
  if (!sameDigest(index.checksum, checksum))
    throw new CairnError('corrupt', 'its checksum is not that of the manifest');
  if (index.contentLength !== size) {
    throw new CairnError('corrupt', `its stream has ${index.contentLength} bytes, its manifest says ${size}`);
  }
  return index;
}

/** The index, of whose file every byte counts. */
async function soundIndex({ pace, signal }: CareContext, path: string): Promise<ChunkIndex> {
  const { index, identity } = await loadIndex(path);
  await pace.spend(identity.fileBytes, signal);
  if (!checksumFits(index)) throw new CairnError('corrupt', 'its list of chunks does not fit its checksum');
  return index;
}
