import { availableParallelism } from 'node:os';
import { type Digest, digestHex, sameDigest } from '../../core/digest.js';
import { CairnError, fromSystemError, kindOf } from '../../core/errors.js';
import { type GroupName, groupPath, parseGroupPath } from '../../core/group.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import { indexKindOfName } from '../../index/archive-names.js';
import { type ChunkIndex, checksumFits } from '../../index/chunk-index.js';
import { loadIndex } from '../../index/index-file.js';
import type { ManifestFile } from '../../index/manifest.js';
import { loadManifest } from '../../index/publish.js';
import { listSnapshots, snapshotPath } from '../../index/snapshot-folder.js';
import { decodeBlob } from '../../native/blob.js';
import { readFile } from '../../native/files.js';
import { sha256 } from '../../native/hash.js';
import type { DamagedChunk } from '../damage/damage-map.js';
import { type CareContext, requireWanted } from '../job/care-context.js';
import { atOnce } from './at-once.js';
import { ChunkVerifier } from './chunk-verifier.js';
import { nameAndHeal } from './scrub.js';

/** A snapshot, or all finished ones of a group. */
export interface SnapshotTarget {
  /** Path of the group. */
  readonly group: string;
  /** Epoch seconds; null: all. */
  readonly time: number | null;
}

export interface VerifySnapshotsOptions {
  readonly targets: readonly SnapshotTarget[];
}

/** What is wrong with a snapshot; nothing where it is whole. */
export interface SnapshotFindings {
  readonly group: string;
  /** The name of its folder. */
  readonly time: string;
  readonly problems: readonly string[];
}

export interface SnapshotsReport {
  readonly snapshots: readonly SnapshotFindings[];
  readonly chunks: number;
  readonly bytes: number;
  readonly healed: number;
  readonly damaged: readonly DamagedChunk[];
}

/** What a blob may hold (pbs-format §2.1). */
const MAX_BLOB_PLAIN_BYTES = 128 * 1024 * 1024;

/** What was found in one snapshot before anything was healed. */
interface Looked {
  readonly group: GroupName;
  readonly time: number;
  readonly startedAt: number;
  readonly problems: string[];
  /** In hex. */
  readonly badChunks: Set<string>;
}

/**
 * Verifies whole snapshots: manifest, checksums and lengths of their files, and every chunk, each once. The outcome goes
 * into the manifest, as PBS has it, and into the catalog.
 * @throws {CairnError} `not-found` for a snapshot that is none, `interrupted`: the outcome of none is noted then
 */
export async function verifySnapshots(
  context: CareContext,
  { targets }: VerifySnapshotsOptions,
): Promise<SnapshotsReport> {
  const verifier = new ChunkVerifier(context);
  const outcomes = new Map<string, Promise<boolean>>();
  const looked: Looked[] = [];
  for (const { group, time } of await resolved(context, targets)) {
    looked.push(await look(context, verifier, outcomes, group, time));
  }
  await verifier.flush();
  const { damaged, healed } = await nameAndHeal(context, verifier.bad);
  const stillBad = new Set(damaged.map(({ digest }) => digest));
  const snapshots: SnapshotFindings[] = [];
  for (const { group, time, startedAt, problems, badChunks } of looked) {
    const bad = [...badChunks].filter((digest) => stillBad.has(digest)).length;
    if (bad > 0) problems.push(`${bad} of its chunks ${bad === 1 ? 'is' : 'are'} damaged`);
    const state = problems.length === 0 ? 'ok' : 'failed';
    await context.writes.snapshotVerified({ group, time, state, startedAt });
    snapshots.push({ group: groupPath(group), time: formatSnapshotTime(time), problems });
  }
  await context.writes.commit();
  return { snapshots, chunks: verifier.chunks, bytes: verifier.bytes, healed, damaged };
}

async function resolved(
  { store }: CareContext,
  targets: readonly SnapshotTarget[],
): Promise<{ group: GroupName; time: number }[]> {
  const found: { group: GroupName; time: number }[] = [];
  for (const target of targets) {
    const group = parseGroupPath(target.group);
    const snapshots = await listSnapshots(store, group);
    const wanted = snapshots.filter(({ time, finished }) => (target.time === null ? finished : time === target.time));
    if (wanted.length === 0 && target.time !== null) {
      const name = `${target.group}/${formatSnapshotTime(target.time)}`;
      throw new CairnError('not-found', `There is no snapshot ${name}`);
    }
    found.push(...wanted.map(({ time }) => ({ group, time })));
  }
  return found;
}

async function look(
  context: CareContext,
  verifier: ChunkVerifier,
  outcomes: Map<string, Promise<boolean>>,
  group: GroupName,
  time: number,
): Promise<Looked> {
  const looked: Looked = {
    ...{ group, time, startedAt: context.clock.now().seconds },
    ...{ problems: [], badChunks: new Set<string>() },
  };
  const folder = snapshotPath(context.store, group, time);
  for (const file of await filesOf(folder, looked)) {
    requireWanted(context.signal);
    if (indexKindOfName(file.filename) === undefined) {
      await told(looked, file.filename, () => verifyBlob(`${folder}/${file.filename}`, file));
      continue;
    }
    const index = await told(looked, file.filename, () => verifiedIndex(`${folder}/${file.filename}`, file));
    if (index !== undefined) await verifyChunks(context, verifier, outcomes, index, looked);
  }
  return looked;
}

async function filesOf(folder: string, looked: Looked): Promise<readonly ManifestFile[]> {
  const manifest = await told(looked, undefined, () => loadManifest(folder));
  return manifest?.files ?? [];
}

/** Notes what is wrong; what is not about the snapshot itself is thrown on. */
async function told<T>(looked: Looked, file: string | undefined, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!['corrupt', 'not-found', 'io'].includes(kindOf(error))) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    looked.problems.push(file === undefined ? reason : `${file}: ${reason}`);
    return undefined;
  }
}

async function verifyBlob(path: string, { size, checksum, cryptMode }: ManifestFile): Promise<void> {
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

async function verifiedIndex(path: string, { size, checksum }: ManifestFile): Promise<ChunkIndex> {
  const { index } = await loadIndex(path);
  if (!checksumFits(index)) throw new CairnError('corrupt', 'its list of chunks does not fit its checksum');
  if (!sameDigest(index.checksum, checksum))
    throw new CairnError('corrupt', 'its checksum is not that of the manifest');
  if (index.contentLength !== size) {
    throw new CairnError('corrupt', `its stream has ${index.contentLength} bytes, its manifest says ${size}`);
  }
  return index;
}

async function verifyChunks(
  context: CareContext,
  verifier: ChunkVerifier,
  outcomes: Map<string, Promise<boolean>>,
  index: ChunkIndex,
  { badChunks }: Looked,
): Promise<void> {
  await atOnce(availableParallelism(), Array.from({ length: index.count }).keys(), async (position) => {
    requireWanted(context.signal);
    const digest: Digest = Uint8Array.from(index.digest(position));
    const key = digestHex(digest);
    let outcome = outcomes.get(key);
    if (outcome === undefined) {
      outcome = verifier.verify(digest, index.end(position) - index.start(position));
      outcomes.set(key, outcome);
    }
    if (!(await outcome)) badChunks.add(key);
    context.progress({ step: 'verifying chunks', done: position + 1, total: index.count, unit: 'items' });
  });
}
