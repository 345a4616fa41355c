import { MembersLook } from '../../datastore/members-look.js';
import type { Spread } from '../../datastore/object-store.js';
import { breathe, type CareContext, requireWanted } from '../job/care-context.js';
import { checkChunkFiles } from './chunk-files.js';
import { type Finding, Findings } from './findings.js';
import { checkJournal } from './journal.js';
import { checkNamedChunks } from './named-chunks.js';
import { checkSnapshots } from './snapshots.js';

export interface CheckOptions {
  /** Reads every index file, lists every chunk file, and compares the catalog's tables with each other. */
  readonly deep: boolean;
}

export interface CheckReport {
  readonly deep: boolean;
  readonly findings: readonly Finding[];
  /** How many there are of each kind; only so many of one are listed. */
  readonly counts: Readonly<Record<string, number>>;
}

/** Compares catalog, index files, snapshots, chunks and journal with each other. Repairs nothing. */
export async function checkStore(context: CareContext, { deep }: CheckOptions): Promise<CheckReport> {
  const findings = new Findings();
  const step = (name: string): void => {
    requireWanted(context.signal);
    context.progress({ step: name, done: 0, unit: 'items' });
  };
  step('checking the catalog');
  const sound = checkDatabase(context, findings, deep);
  if (!sound) return { deep, findings: findings.listed, counts: findings.counts() };
  if (deep) await checkTables(context, findings);
  step('checking snapshots');
  await checkSnapshots(context, findings, deep);
  if (context.spread !== undefined) await checkBackends(context.spread, findings);
  step('checking chunks');
  await checkNamedChunks(context, findings);
  if (deep) await checkChunkFiles(context, findings);
  step('checking the journal');
  await checkJournal(context, findings);
  return { deep, findings: findings.listed, counts: findings.counts() };
}

const REBUILD = 'unmount, then "cairn repair --rebuild-catalog" makes it anew from a copy or the datastore alone';

function checkDatabase({ catalog }: CareContext, findings: Findings, deep: boolean): boolean {
  const lines = catalog.damage(deep ? 'whole' : 'quick');
  for (const message of lines) {
    const about = { severity: 'damage', kind: 'catalog-damaged', path: '.cairn/catalog.db' } as const;
    findings.add({ ...about, message, advice: REBUILD });
  }
  return lines.length === 0;
}

/** What a backend has that is not there was not looked at, whatever is made up for by others. */
async function checkBackends({ members }: Spread, findings: Findings): Promise<void> {
  const look = new MembersLook(members);
  await look.done;
  for (const { id, reason } of look.missing) {
    findings.add({
      ...{ severity: 'damage', kind: 'backend-missing', path: `backend ${id}` },
      message: reason,
      advice: `bring it back, or do without it: "cairn backend remove --lost ${id}", then "cairn repair"`,
    });
  }
}

/** One picture for all tables; the write-ahead log grows as long as it is open. */
async function checkTables({ catalog, signal }: CareContext, findings: Findings): Promise<void> {
  catalog.picture.begin();
  try {
    for (const found of catalog.consistency.disagreements()) {
      for (const { what, where } of found) {
        const about = { severity: 'damage', kind: 'catalog-contradiction', path: '.cairn/catalog.db' } as const;
        findings.add({
          ...about,
          message: `${what}: ${where}`,
          advice: `report this as a bug, and ${REBUILD}`,
        });
      }
      await breathe();
      requireWanted(signal);
    }
  } finally {
    catalog.picture.end();
  }
}
