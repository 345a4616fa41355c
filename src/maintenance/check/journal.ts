import { fromSystemError } from '../../core/errors.js';
import { listFolder } from '../../native/files.js';
import type { CareContext } from '../job/care-context.js';
import type { Findings } from './findings.js';

/** Whether every journal segment is there that files have bytes in. */
export async function checkJournal({ catalog, paths }: CareContext, findings: Findings): Promise<void> {
  const needed = catalog.journalRefs.segments();
  let there: Set<string>;
  try {
    there = new Set((await listFolder(paths.journal)).map(({ name }) => name.toString()));
  } catch (error) {
    throw fromSystemError(error, `list ${paths.journal}`);
  }
  for (const segment of needed) {
    // Asked once more: it may have gone meanwhile, when nothing needed it any more.
    if (there.has(String(segment)) || !catalog.journalRefs.usesSegment(segment)) continue;
    findings.add({
      severity: 'damage',
      kind: 'missing-journal-segment',
      path: `.cairn/journal/${segment}`,
      message: 'files written last have bytes in a journal segment that is not there',
      advice: 'write the files changed last again (rsync -aI), or restore them from a snapshot',
    });
  }
}
