import { availableParallelism } from 'node:os';
import type { VerificationPosition } from '../../catalog/chunks.js';
import { type BadChunk, type DamagedChunk, DamageMap } from '../damage/damage-map.js';
import { type CareContext, requireWanted } from '../job/care-context.js';
import { healFromLive } from '../repair/repair.js';
import { atOnce } from './at-once.js';
import { ChunkVerifier } from './chunk-verifier.js';
import { knownBad } from './known-bad.js';

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
export interface ScrubReport {
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
 * Verifies chunks, those verified longest ago first. How far it came is in the catalog, so that the next run goes on where
 * this one ended, whatever ended it.
 */
export async function scrub(context: CareContext, options: ScrubOptions): Promise<ScrubReport> {
  const verifier = new ChunkVerifier(context);
  let interrupted = false;
  let known: Awaited<ReturnType<typeof knownBad>> = { bad: [], restored: 0 };
  let damaged: readonly DamagedChunk[] = [];
  let healed = 0;
  try {
    known = await knownBad(context);
    await verifyDue(context, verifier, options);
    await verifier.flush();
    ({ damaged, healed } = await nameAndHeal(context, [...known.bad, ...verifier.bad]));
  } catch (error) {
    if (!context.signal.aborted) throw error;
    interrupted = true;
    await verifier.flush();
  }
  await context.writes.commit();
  const { never, oldestAt } = context.catalog.chunks.verification();
  return {
    chunks: verifier.chunks,
    bytes: verifier.bytes,
    healed: known.restored + healed,
    damaged,
    never,
    oldestAt: oldestAt ?? null,
    interrupted,
  };
}

/** Names what is concerned, and stores anew what live files still or again have. */
export async function nameAndHeal(
  context: CareContext,
  bad: readonly BadChunk[],
): Promise<{ damaged: DamagedChunk[]; healed: number }> {
  if (bad.length === 0) return { damaged: [], healed: 0 };
  await context.writes.settle();
  const map = await DamageMap.of(context, bad);
  const left = await healFromLive(context, map);
  return { damaged: left.map((chunk) => map.describe(chunk)), healed: bad.length - left.length };
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
