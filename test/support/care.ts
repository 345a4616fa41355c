import type { TestContext } from 'node:test';
import { systemClock } from '../../src/core/time.js';
import { CatalogCareWrites } from '../../src/daemon/care-writes.js';
import { ScratchFolder } from '../../src/daemon/scratch-folder.js';
import { openDatastoreReader } from '../../src/datastore/open.js';
import { type CareContext, careContext } from '../../src/maintenance/job/care-context.js';
import { Pace } from '../../src/maintenance/job/pace.js';
import type { CareJobName, CareOptions, CareReport } from '../../src/maintenance/job/protocol.js';
import { runCareJob } from '../../src/maintenance/job/run-care-job.js';
import type { OpenStore } from './open-store.js';

/** Runs a job on the test's own thread, with the writes of the daemon. @param change replaces parts of its context */
export async function runCare<J extends CareJobName>(
  t: TestContext,
  store: OpenStore,
  job: J,
  options: CareOptions<J>,
  change: Partial<CareContext> = {},
): Promise<CareReport<J>> {
  const writes = new CatalogCareWrites(store.datastore, store.live, store.snapshots.marks);
  await writes.settle();
  const datastore = await openDatastoreReader(store.folder);
  const scratch = new ScratchFolder();
  t.after(() => scratch.close());
  try {
    const context = careContext(datastore, {
      ...{ writes, scratch, clock: systemClock, pace: new Pace(undefined) },
      signal: new AbortController().signal,
      progress: () => undefined,
    });
    return await runCareJob({ ...context, ...change }, job, options);
  } finally {
    datastore.close();
  }
}
