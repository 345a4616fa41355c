import { availableParallelism } from 'node:os';
import type { VerificationPosition } from '../../catalog/chunks.js';
import { parseSnapshotTime } from '../../core/snapshot-time.js';
import type { DamagedChunk } from '../damage/damage-map.js';
import { type CareContext, requireWanted } from '../job/care-context.js';
import { atOnce } from './at-once.js';
import { ChunkVerifier } from './chunk-verifier.js';
import { lookAtFailed } from './failed-snapshots.js';
import { knownBad } from './known-bad.js';
import { nameAndHeal } from './name-and-heal.js';
import { type StoredFilesReport, verifyStoredFiles } from './stored-files.js';
import { type SnapshotsReport, verifySnapshots } from './verify-snapshots.js';

/** Which chunks to verify, and how fast. */
export interface ScrubOptions {
  /** Chunks not verified for so many days are; 0: all. */
  readonly maxAgeDays: number;
  /**
   * For a daily run: verifies at least the share of all chunks that keeps the promise when every day does as much, so that
   * they are not all due on the same day again.
   */
  readonly spread: boolean;
}

/** What a scrub came to. */
export interface ScrubReport extends StoredFilesReport {
  /** Chunks verified, and bytes of their files read. */
  readonly chunks: number;
  readonly bytes: number;
  /** Chunks known to be bad that were found whole again, or were stored anew from live files. */
  readonly healed: number;
  /** Chunks that are bad, with what needs them. */
  readonly damaged: readonly DamagedChunk[];
  /** Chunks never verified, and when the one verified longest ago was (epoch seconds), or null; all after this run. */
  readonly never: number;
  readonly oldestAt: number | null;
  /** Whether it was given up before its end; the next one goes on there. */
  readonly interrupted: boolean;
}

const SECONDS_PER_DAY = 86_400;
const LISTED_AT_ONCE = 500;

/**
 * Verifies the files of snapshots and objects that name chunks, then chunks, those verified longest ago first. How far it came
 * with these is in the catalog, so that the next run goes on where this one ended, whatever ended it.
 */
export async function scrub(context: CareContext, options: ScrubOptions): Promise<ScrubReport> {
  const verifier = new ChunkVerifier(context);
  let interrupted = false;
  let files: StoredFilesReport = { snapshots: [], objects: [] };
  let again: SnapshotsReport = { snapshots: [], chunks: 0, bytes: 0, healed: 0, damaged: [] };
  let known: Awaited<ReturnType<typeof knownBad>> = { bad: [], restored: 0 };
  let damaged: readonly DamagedChunk[] = [];
  let healed = 0;
  try {
    files = await verifyStoredFiles(context);
    known = await knownBad(context);
    await verifyDue(context, verifier, options);
    await verifier.flush();
    ({ damaged, healed } = await nameAndHeal(context, [...known.bad, ...verifier.bad]));
    again = await verifyRestored(context, damaged);
  } catch (error) {
    if (!context.signal.aborted) throw error;
    interrupted = true;
    await verifier.flush();
  }
  await context.writes.commit();
  const { never, oldestAt } = context.catalog.chunks.verification();
  return {
    chunks: verifier.chunks + again.chunks,
    bytes: verifier.bytes + again.bytes,
    healed: known.restored + healed + again.healed,
    damaged: [...damaged, ...again.damaged],
    snapshots: [...files.snapshots, ...again.snapshots.filter(({ problems }) => problems.length > 0)],
    objects: files.objects,
    never,
    oldestAt: oldestAt ?? null,
    interrupted,
  };
}

/** Verifies snapshots that failed before and seem to have again what they lacked: only that can tell. */
async function verifyRestored(context: CareContext, damaged: readonly DamagedChunk[]): Promise<SnapshotsReport> {
  const failed = await lookAtFailed(context, new Set(damaged.map(({ digest }) => digest)));
  const targets = failed
    .filter(({ problems }) => problems.length === 0)
    .map(({ group, time }) => ({ group, time: parseSnapshotTime(time) }));
  return verifySnapshots(context, { targets });
}

async function verifyDue(
  context: CareContext,
  verifier: ChunkVerifier,
  { maxAgeDays, spread }: ScrubOptions,
): Promise<void> {
  const { catalog, clock, signal } = context;
  const now = clock.now().seconds;
  const due = now - maxAgeDays * SECONDS_PER_DAY + 1;
  const dueChunks = catalog.chunks.countVerifiedBefore(due);
  const before = spread ? now - SECONDS_PER_DAY : due;
  const share = spread ? Math.ceil(catalog.figures().chunks.present.chunks / Math.max(1, maxAgeDays)) : 0;
  const total = Math.min(Math.max(dueChunks, share), catalog.chunks.countVerifiedBefore(Math.max(before, due)));
  for (let from: VerificationPosition | undefined; verifier.chunks < total; ) {
    const limit = Math.min(LISTED_AT_ONCE, total - verifier.chunks);
    const step = catalog.chunks.oldestVerified(Math.max(before, due), from, limit);
    if (step.chunks.length === 0) return;
    await atOnce(availableParallelism(), step.chunks, async ({ digest, length }) => {
      requireWanted(signal);
      await verifier.verify(digest, length);
      context.progress({ step: 'verifying chunks', done: verifier.chunks, total, unit: 'items' });
    });
    from = step.position;
  }
}
