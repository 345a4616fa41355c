import { Collection } from './collection.js';
import type { GcParts } from './gc-parts.js';
import { type GcReport, nothing } from './plan.js';
import { Planner, preparationOf } from './planner.js';
import { filesToRepack } from './repacking.js';

/**
 * One collection (design §3, GC): plans, and unless it is a dry run takes what nobody needs into quarantine and deletes
 * what has been there for long enough. May end at any `goOn` without harm; what was taken by then stays listed in the
 * quarantine.
 * @throws {CairnError} where anything says that the mark may not be whole: nothing was removed then
 */
export async function collect(parts: GcParts): Promise<GcReport> {
  const { clock, options } = parts;
  const startedAt = clock.nowSeconds();
  const started = performance.now();
  const did = options.dryRun ? await planOnly(parts) : await new Collection(parts).run();
  return { ...did, dryRun: options.dryRun, startedAt, seconds: (performance.now() - started) / 1000 };
}

async function planOnly(parts: GcParts): Promise<Omit<GcReport, 'dryRun' | 'startedAt' | 'seconds'>> {
  const { ask, reader } = parts;
  await ask('settle', null);
  const planner = new Planner(parts);
  const marked = await planner.mark(async () => {
    await ask('begin-moment', null);
    reader.picture.begin();
    await ask('end-moment', null);
  });
  let files = 0;
  for (const inos of filesToRepack(reader, marked.roots.packs)) files += inos.length;
  const { plan, roots } = await planner.plan(marked, preparationOf(marked.roots, files));
  roots.dispose();
  return { plan, removed: nothing(), freed: nothing(), inUse: 0, problems: [], problemCount: 0, left: null };
}
