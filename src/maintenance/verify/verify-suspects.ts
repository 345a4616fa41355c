import { availableParallelism } from 'node:os';
import type { Digest } from '../../core/digest.js';
import type { DamagedChunk } from '../damage/damage-map.js';
import { type CareContext, requireWanted } from '../job/care-context.js';
import { atOnce } from './at-once.js';
import { ChunkVerifier } from './chunk-verifier.js';
import { nameAndHeal } from './name-and-heal.js';

export interface SuspectsOptions {
  readonly digests: readonly Digest[];
}

export interface SuspectsReport {
  readonly damaged: readonly DamagedChunk[];
  readonly healed: number;
}

/** Verifies the chunks that a reader could not have. */
export async function verifySuspects(context: CareContext, { digests }: SuspectsOptions): Promise<SuspectsReport> {
  const verifier = new ChunkVerifier(context);
  await atOnce(availableParallelism(), digests, async (digest) => {
    requireWanted(context.signal);
    await verifier.verify(digest, context.catalog.chunks.find(digest)?.length ?? 0);
  });
  await verifier.flush();
  const report = await nameAndHeal(context, verifier.bad);
  await context.writes.commit();
  return report;
}
