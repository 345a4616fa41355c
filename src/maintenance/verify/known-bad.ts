import type { ListedChunk } from '../../catalog/chunks.js';
import type { BadChunk } from '../damage/damage-map.js';
import { type CareContext, requireWanted } from '../job/care-context.js';

const LISTED_AT_ONCE = 500;

/** Chunks the catalog says are bad. */
export interface KnownBad {
  readonly bad: readonly BadChunk[];
  /** How many were found whole again, and noted so. */
  readonly restored: number;
}

/** Looks at every chunk known to be bad once more: somebody may have put it back. */
export async function knownBad(context: CareContext): Promise<KnownBad> {
  const bad: BadChunk[] = [];
  let restored = 0;
  for (const chunk of listBad(context)) {
    requireWanted(context.signal);
    const { digest, length } = chunk;
    const condition = await context.care.examine(digest);
    if (condition.kind === 'whole') {
      restored += 1;
      await context.writes.verified([{ digest, ...condition }], context.clock.now().seconds);
    } else if (condition.kind !== 'encrypted') bad.push({ digest, length, condition: condition.kind });
  }
  return { bad, restored };
}

function* listBad({ catalog }: CareContext): Generator<ListedChunk> {
  for (let after: Uint8Array = Buffer.alloc(0); ; ) {
    const listed = catalog.chunks.listLost('bad', after, LISTED_AT_ONCE);
    yield* listed;
    const last = listed.at(-1);
    if (last === undefined || listed.length < LISTED_AT_ONCE) return;
    after = last.digest;
  }
}
