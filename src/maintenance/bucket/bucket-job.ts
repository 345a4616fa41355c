import { setTimeout as pause } from 'node:timers/promises';
import type { MessagePort } from 'node:worker_threads';
import { chunkOfName } from '../../chunkstore/layout.js';
import { CairnError } from '../../core/errors.js';
import { openDatastoreReader } from '../../datastore/open.js';
import { type BucketChunk, BucketCollection, type BucketReport } from '../../datastore/shared/bucket-collection.js';
import { requireLastEpoch } from '../../datastore/shared/machine-epochs.js';
import type { SharedObjects } from '../../datastore/shared/shared-objects.js';
import { Watch } from '../../datastore/shared/watch.js';
import { JobPort } from '../job/job-port.js';
import type { BucketAsks, BucketJobOptions, BucketJobReport } from './bucket-protocol.js';
import { type RootParts, SharedRoots } from './bucket-roots.js';

/** Chunks of one round: who answers it gets them in one object of 32 bytes each. */
const AT_ONCE = 100_000;
const REST_MS = 250;

/** The job's side of a collection of the object store. */
export async function serveBucketJob(options: BucketJobOptions, port: MessagePort): Promise<void> {
  const owner = new JobPort<BucketAsks>(port);
  await owner.serve(async () => {
    const datastore = await openDatastoreReader(options.store);
    try {
      const { objects, catalog } = datastore;
      if (objects?.shared === undefined) throw new CairnError('invalid', 'The object store is not shared');
      return await collectBucket(options, owner, {
        ...{ store: options.store, objects: objects.shared, listing: objects.listing, reader: catalog },
        goOn: () => owner.goOn(),
      });
    } finally {
      datastore.close();
    }
  });
}

/** Collects in rounds until there is nothing more to delete. */
async function collectBucket(
  options: BucketJobOptions,
  owner: JobPort<BucketAsks>,
  parts: RootParts & { readonly objects: SharedObjects },
): Promise<BucketJobReport> {
  const { objects } = parts;
  const sum = { condemned: 0, kept: 0, deleted: 0 };
  for (;;) {
    const { condemned, kept, deleted } = await collectionOf(options, owner, parts, objects).run();
    sum.condemned += condemned;
    sum.kept += kept;
    sum.deleted += deleted;
    if (condemned < AT_ONCE || deleted === 0) return sum;
  }
}

function collectionOf(
  { machine, epoch, host, leaseSeconds, settleSeconds }: BucketJobOptions,
  owner: JobPort<BucketAsks>,
  parts: RootParts,
  objects: SharedObjects,
): { run(): Promise<BucketReport> } {
  const now = (): number => performance.now() / 1000;
  return new BucketCollection({
    objects,
    lease: { machine, epoch, check: () => requireLastEpoch(objects, machine, epoch) },
    identity: { id: machine, host },
    watch: new Watch(objects, now, leaseSeconds),
    now,
    settleSeconds,
    rest: async () => {
      owner.goOn();
      await owner.ask('beat', null);
      await pause(REST_MS);
    },
    roots: () => new SharedRoots(parts),
    chunks: () => chunksThere(objects),
    atOnce: AT_ONCE,
    progress: (step, done, total) => owner.progress({ step, done, total, unit: 'items' }),
  });
}

async function* chunksThere(objects: SharedObjects): AsyncGenerator<BucketChunk> {
  for await (const name of objects.list('.chunks')) {
    const digest = chunkOfName(name);
    if (digest !== undefined) yield { digest, name };
  }
}
