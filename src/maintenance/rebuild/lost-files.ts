import type { CatalogReader } from '../../catalog/open-reader.js';
import { listSegments } from '../../content/journal/journal.js';
import { kindOf } from '../../core/errors.js';
import { DamageMap } from '../damage/damage-map.js';
import { breathe, type CareContext, requireWanted } from '../job/care-context.js';
import { knownBad } from '../verify/known-bad.js';

/** Names that are told. */
const MAX_NAMES = 10_000;
const FILES_AT_ONCE = 1000;

export interface LostFiles {
  /** Paths in the mount, sorted. */
  readonly paths: readonly string[];
  /** How many more there are. */
  readonly more: number;
}

/**
 * The files, of live trees and snapshots, that need a chunk that is nowhere, or bytes of the journal that are gone.
 * @throws {CairnError} `interrupted`, and what looking gives
 */
export async function lostFiles(context: CareContext): Promise<LostFiles> {
  const names = new Set<string>();
  let more = 0;
  const add = (name: string): void => {
    if (names.size < MAX_NAMES) names.add(name);
    else if (!names.has(name)) more += 1;
  };
  for await (const path of withoutJournal(context)) add(path);
  const { bad } = await knownBad(context);
  const map = await DamageMap.of(context, bad);
  for (const chunk of bad) {
    const { files, moreFiles } = map.describe(chunk);
    for (const file of files) add(file);
    more += moreFiles;
  }
  return { paths: [...names].sort(), more };
}

/** Live files with bytes in segments of the journal that are not there. */
async function* withoutJournal({ catalog, paths, signal }: CareContext): AsyncGenerator<string> {
  const there = new Set(await listSegments(paths.journal));
  const missing = catalog.journalRefs.segments().filter((segment) => !there.has(segment));
  if (missing.length === 0) return;
  for (let after = 0; ; ) {
    requireWanted(signal);
    const files = catalog.journalRefs.files(after, FILES_AT_ONCE);
    for (const { ino } of files) {
      if (usesAny(catalog, ino, missing)) yield pathOf(catalog, ino);
    }
    await breathe();
    const last = files.at(-1);
    if (last === undefined) return;
    after = last.ino;
  }
}

function usesAny({ extents }: Pick<CatalogReader, 'extents'>, ino: number, segments: readonly number[]): boolean {
  for (const extent of extents.all(ino)) {
    if (extent.kind === 'journal' && segments.includes(extent.segment)) return true;
  }
  return false;
}

function pathOf({ names }: Pick<CatalogReader, 'names'>, ino: number): string {
  try {
    const path = names.pathOf(ino);
    return path === undefined ? `inode ${ino}` : Buffer.from(path).toString();
  } catch (error) {
    if (kindOf(error) !== 'corrupt') throw error;
    return `inode ${ino}`;
  }
}
