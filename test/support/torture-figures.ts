import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { outputOf } from './commands.js';

/** The checkout: compiled tests lie in dist/test/support. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const TABLE = `${ROOT}test/torture/figures.tsv`;

/**
 * Appends what a long run tried and survived to the committed table: one line of day, commit (with `+` where files
 * differ from it), name of the run, seed and counts. To be called when all of it was judged good.
 */
export function recordFigures(name: string, seed: number, counts: Readonly<Record<string, number>>): void {
  const changed = outputOf('git', ['-C', ROOT, 'status', '--porcelain', '--', 'src', 'native', 'test']);
  const commit = outputOf('git', ['-C', ROOT, 'rev-parse', '--short', 'HEAD']).trim();
  const isClean = changed.split('\n').every((line) => line === '' || line.endsWith('test/torture/figures.tsv'));
  const shown = Object.entries(counts).map(([what, count]) => `${what}=${count}`);
  if (!existsSync(TABLE)) writeFileSync(TABLE, 'day\tcommit\trun\tseed\tcounts\n');
  const day = new Date().toISOString().slice(0, 10);
  appendFileSync(TABLE, `${[day, isClean ? commit : `${commit}+`, name, seed, shown.join(' ')].join('\t')}\n`);
}

/** How many seconds a run of free length takes: `CAIRN_MINUTES`, or what the issue demands. */
export function tortureSeconds(demandedMinutes: number): number {
  return 60 * Number(process.env.CAIRN_MINUTES ?? demandedMinutes);
}
