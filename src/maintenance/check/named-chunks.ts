import { ChunkSet } from '../../catalog/chunk-set.js';
import type { ExtentPosition } from '../../catalog/chunk-sets.js';
import { digestHex } from '../../core/digest.js';
import { breathe, type CareContext, requireWanted } from '../job/care-context.js';
import type { Findings } from './findings.js';

const ROWS_PER_STEP = 50_000;
const LISTED_AT_ONCE = 500;
const LOST = ['absent', 'bad', 'quarantined'] as const;

const ADVICE =
  'run "cairn repair" to see which files are concerned, then write them again (rsync -aI) or "cairn repair --from DIR"';

/** Whether the catalog itself says that a chunk is not there which a snapshot or a live file names. */
export async function checkNamedChunks(context: CareContext, findings: Findings): Promise<void> {
  const { catalog, signal } = context;
  const lost = LOST.reduce((sum, state) => sum + catalog.figures().chunks[state].chunks, 0);
  if (lost === 0) return;
  // What was written again a moment ago has healed them once it is in chunks and committed.
  await context.writes.settle();
  const named = await namedChunks(context);
  try {
    for (const state of LOST) {
      for (let after: Uint8Array | undefined = Buffer.alloc(0); after !== undefined; ) {
        requireWanted(signal);
        const listed = catalog.chunks.listLost(state, after, LISTED_AT_ONCE);
        for (const { digest } of listed) {
          if (!catalog.sets.has(named, digest) || catalog.chunks.find(digest)?.state !== state) continue;
          const about = { severity: 'damage', kind: `${state}-chunk`, path: digestHex(digest) } as const;
          findings.add({ ...about, message: `a chunk that snapshots or live files name is ${state}`, advice: ADVICE });
        }
        after = listed.length < LISTED_AT_ONCE ? undefined : listed.at(-1)?.digest;
        await breathe();
      }
    }
  } finally {
    named.dispose();
  }
}

/** Chunks named by index files whose sets are whole, and by live files. */
export async function namedChunks({ catalog, signal }: Pick<CareContext, 'catalog' | 'signal'>): Promise<ChunkSet> {
  const union = catalog.sets.union();
  const named = union.kind === 'whole' ? union.value : new ChunkSet();
  for (let from: ExtentPosition | undefined; from?.done !== true; ) {
    from = catalog.sets.addLive(named, from, ROWS_PER_STEP);
    await breathe();
    requireWanted(signal);
  }
  return named;
}
