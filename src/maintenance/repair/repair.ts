import type { BadChunk, DamagedChunk } from '../damage/damage-map.js';
import { DamageMap } from '../damage/damage-map.js';
import { type CareContext, requireWanted } from '../job/care-context.js';
import { lookAtFailed } from '../verify/failed-snapshots.js';
import { knownBad } from '../verify/known-bad.js';
import type { SnapshotFindings } from '../verify/snapshot-files.js';
import { type Rebuilt, rebuildChunk, storeAnew } from './rebuild.js';
import { FolderFiles, LiveFiles, type SourceFiles } from './source-files.js';

/** How to repair. */
export interface RepairOptions {
  /** Absolute path of a folder laid out as `current/` is; null: only what the store itself has. */
  readonly from: string | null;
  /** Store what was found anew; else only say what would be. */
  readonly apply: boolean;
}

/** What came of one damaged chunk. */
export interface RepairedChunk extends DamagedChunk {
  readonly outcome: 'healed' | 'would-heal' | 'not-healed';
  /** Why it was not, in words; else null. */
  readonly reason: string | null;
}

export interface RepairReport {
  readonly chunks: readonly RepairedChunk[];
  /** Snapshots that failed their last verification, and what they lack after this; nothing: verifying them will tell. */
  readonly snapshots: readonly SnapshotFindings[];
}

/**
 * Plans or makes repairs of all chunks known to be bad: their bytes are looked for in the live trees and the folder given,
 * in just the files that should have them, and only what has the chunk's digest is stored.
 */
export async function repair(context: CareContext, { from, apply }: RepairOptions): Promise<RepairReport> {
  const { bad } = await knownBad(context);
  const sources: SourceFiles[] = [new LiveFiles(context)];
  if (from !== null) sources.push(new FolderFiles(from));
  if (bad.length > 0) await context.writes.settle();
  const map = await DamageMap.of(context, bad);
  const chunks: RepairedChunk[] = [];
  for (const [done, chunk] of bad.entries()) {
    requireWanted(context.signal);
    context.progress({ step: 'repairing', done, total: bad.length, unit: 'items' });
    const rebuilt = await rebuildChunk(chunk, map.usesOf(chunk.digest), sources);
    if (rebuilt.kind === 'bytes' && apply) await storeAnew(context, chunk, rebuilt.bytes);
    const healed = apply ? ('healed' as const) : ('would-heal' as const);
    const outcome = rebuilt.kind === 'bytes' ? healed : ('not-healed' as const);
    chunks.push({ ...map.describe(chunk), outcome, reason: reasonOf(rebuilt) });
  }
  if (apply) await context.writes.commit();
  const left = chunks.filter(({ outcome }) => outcome !== 'healed').map(({ digest }) => digest);
  return { chunks, snapshots: await lookAtFailed(context, new Set(left)) };
}

/** Stores anew what live trees still or again have of damaged chunks. @returns those that stay bad */
export async function healFromLive(context: CareContext, map: DamageMap): Promise<BadChunk[]> {
  const left: BadChunk[] = [];
  const sources = [new LiveFiles(context)];
  for (const chunk of map.chunks) {
    requireWanted(context.signal);
    const rebuilt = await rebuildChunk(chunk, map.usesOf(chunk.digest), sources);
    if (rebuilt.kind === 'bytes') await storeAnew(context, chunk, rebuilt.bytes);
    else left.push(chunk);
  }
  return left;
}

function reasonOf(rebuilt: Rebuilt): string | null {
  if (rebuilt.kind === 'bytes') return null;
  if (rebuilt.shown === undefined) return 'no file that can be read again has its bytes';
  if (rebuilt.kind === 'missing') return `the bytes of ${rebuilt.shown} are not to be had`;
  return `${rebuilt.shown}, or another file in the chunk, has changed since`;
}
