import { checkStore } from '../check/check-store.js';
import { repair } from '../repair/repair.js';
import { copyIndexes } from '../spread/copy-indexes.js';
import { mendStore } from '../spread/mend-store.js';
import { restoreDrill } from '../verify/restore-drill.js';
import { scrub } from '../verify/scrub.js';
import { verifySnapshots } from '../verify/verify-snapshots.js';
import { verifySuspects } from '../verify/verify-suspects.js';
import type { CareContext } from './care-context.js';
import type { CareJobName, CareOptions, CareReport } from './protocol.js';

type Runners = {
  readonly [J in CareJobName]: (context: CareContext, options: CareOptions<J>) => Promise<CareReport<J>>;
};

const RUNNERS: Runners = {
  scrub,
  snapshots: verifySnapshots,
  suspects: verifySuspects,
  drill: restoreDrill,
  repair,
  'copy-indexes': copyIndexes,
  mend: mendStore,
  check: checkStore,
};

/** Runs a job to its end on the calling thread. @throws {CairnError} what the job gives */
export function runCareJob<J extends CareJobName>(
  context: CareContext,
  job: J,
  options: CareOptions<J>,
): Promise<CareReport<J>> {
  return (RUNNERS[job] as Runners[J])(context, options);
}
