import { rm } from 'node:fs/promises';
import { catalogCondition } from '../../catalog/copy-catalog.js';
import { openCatalog } from '../../catalog/open.js';
import { listSegments } from '../../content/journal/journal.js';
import { claimedSequence, RECORD_FIXED_BYTES } from '../../content/journal/record.js';
import { segmentName } from '../../content/journal/segment.js';
import { CairnError, kindOf } from '../../core/errors.js';
import { groupPath } from '../../core/group.js';
import type { DatastorePaths } from '../../datastore/paths.js';
import { readRange } from '../../native/files.js';
import { type CatalogCopy, listCatalogCopies, unpackCatalogCopy } from '../catalog-copies/copy-files.js';

/** The copy of the catalog to begin with. */
export interface ChosenCopy {
  readonly copy: CatalogCopy;
  /** Whether the journal goes on where it ends, so that nothing is lost. */
  readonly journalFits: boolean;
  /** The groups in it, by path, with the time of the newest finished snapshot it knows; null: none. */
  readonly groups: ReadonlyMap<string, number | null>;
}

/** A copy that cannot be used, and why. */
export interface UnusableCopy {
  readonly name: string;
  readonly reason: string;
}

export interface CopyChoice {
  readonly chosen: ChosenCopy | undefined;
  readonly unusable: readonly UnusableCopy[];
}

/**
 * The newest copy that is whole; every one is unpacked and looked at, beside the catalog.
 * @param journal the folder of the journal that will be applied to it
 */
export async function chooseCopy(paths: DatastorePaths, journal: string): Promise<CopyChoice> {
  const unusable: UnusableCopy[] = [];
  for (const copy of await listCatalogCopies(paths.catalogCopies)) {
    try {
      const groups = await whileUnpacked(paths, copy, groupsIn);
      return { chosen: { copy, groups, journalFits: await journalFits(journal, copy) }, unusable };
    } catch (error) {
      if (kindOf(error) !== 'corrupt') throw error;
      unusable.push({ name: copy.name, reason: (error as Error).message });
    }
  }
  return { chosen: undefined, unusable };
}

async function whileUnpacked<T>(
  paths: DatastorePaths,
  copy: CatalogCopy,
  work: (path: string) => Promise<T>,
): Promise<T> {
  const path = `${paths.catalog}.looked-at`;
  const remove = async (): Promise<void> => {
    for (const suffix of ['', '-wal', '-shm']) await rm(`${path}${suffix}`, { force: true });
  };
  await remove();
  try {
    await unpackCatalogCopy(paths.catalogCopies, copy, path);
    return await work(path);
  } finally {
    await remove();
  }
}

async function groupsIn(path: string): Promise<Map<string, number | null>> {
  const condition = await catalogCondition(path);
  if (condition.kind !== 'whole') {
    throw new CairnError('corrupt', condition.kind === 'damaged' ? condition.reasons.join('; ') : 'it is empty');
  }
  // For writing: it may be of an older schema.
  const catalog = openCatalog(path);
  try {
    const groups = catalog.groups.list().map(({ id, name }) => {
      const newest = catalog.snapshots.list(id).find(({ state }) => state === 'finished');
      return [groupPath(name), newest?.time ?? null] as const;
    });
    return new Map(groups);
  } finally {
    catalog.close();
  }
}

/** Whether no record is missing between the end of a copy and what there is of the journal. */
async function journalFits(journal: string, { appliedSequence }: CatalogCopy): Promise<boolean> {
  let first: number | undefined;
  try {
    for (const segment of await listSegments(journal)) {
      first ??= claimedSequence(await readRange(`${journal}/${segmentName(segment)}`, 0, RECORD_FIXED_BYTES));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  return first !== undefined && first <= appliedSequence + 1;
}
