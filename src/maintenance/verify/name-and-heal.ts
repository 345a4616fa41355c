import { type BadChunk, type DamagedChunk, DamageMap } from '../damage/damage-map.js';
import type { CareContext } from '../job/care-context.js';
import { healFromLive } from '../repair/repair.js';

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
