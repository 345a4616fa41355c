import { availableParallelism } from 'node:os';
import { type Digest, digestHex } from '../../core/digest.js';
import { CairnError, kindOf } from '../../core/errors.js';
import { type GroupName, groupPath, parseGroupPath } from '../../core/group.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import type { ChunkIndex } from '../../index/chunk-index.js';
import { listSnapshots, snapshotPath } from '../../index/snapshot-folder.js';
import type { DamagedChunk } from '../damage/damage-map.js';
import { type CareContext, requireWanted } from '../job/care-context.js';
import { atOnce } from './at-once.js';
import { ChunkVerifier } from './chunk-verifier.js';
import { nameAndHeal } from './name-and-heal.js';
import { badChunksProblem, lookAtFiles, type SnapshotFindings } from './snapshot-files.js';

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

export interface SnapshotsReport {
  readonly snapshots: readonly SnapshotFindings[];
  readonly chunks: number;
  readonly bytes: number;
  readonly healed: number;
  readonly damaged: readonly DamagedChunk[];
}

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
 * @throws {CairnError} `not-found` for a group or snapshot that is none, `interrupted`: the outcome of none is noted then
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
    if (bad > 0) problems.push(badChunksProblem(bad));
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
    const snapshots = await snapshotsOf(store, group);
    const wanted = snapshots.filter(({ time, finished }) => (target.time === null ? finished : time === target.time));
    if (wanted.length === 0 && target.time !== null) {
      const name = `${target.group}/${formatSnapshotTime(target.time)}`;
      throw new CairnError('not-found', `There is no snapshot ${name}`);
    }
    found.push(...wanted.map(({ time }) => ({ group, time })));
  }
  return found;
}

/** @throws {CairnError} `not-found` where there is no such group */
async function snapshotsOf(store: string, group: GroupName): ReturnType<typeof listSnapshots> {
  try {
    return await listSnapshots(store, group);
  } catch (error) {
    if (kindOf(error) !== 'not-found') throw error;
    throw new CairnError('not-found', `There is no group ${groupPath(group)}`, { cause: error });
  }
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
  const use = (index: ChunkIndex): Promise<void> => verifyChunks(context, verifier, outcomes, index, looked);
  looked.problems.push(...(await lookAtFiles(context, snapshotPath(context.store, group, time), use)));
  return looked;
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
