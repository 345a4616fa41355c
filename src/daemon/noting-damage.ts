import { type Digest, digestHex } from '../core/digest.js';
import type { Log } from '../core/log.js';
import type { UnmountedStore } from './unmounted-store.js';
import { VerifyService } from './verify-service.js';

/**
 * Does some work in a datastore that is not mounted. Chunks it could not have are verified when it has ended, as a mount does
 * with those its readers could not have.
 * @throws {CairnError} what the work gives
 */
export async function notingDamage<T>(
  { datastore, live, snapshots }: UnmountedStore,
  log: Log,
  work: () => Promise<T>,
): Promise<T> {
  const missed = new Map<string, Digest>();
  datastore.chunks.onDamage(({ digest }) => missed.set(digestHex(digest), Uint8Array.from(digest)));
  try {
    return await work();
  } finally {
    if (missed.size > 0) {
      const service = new VerifyService({ datastore, live, marks: snapshots.marks, log, requests: () => 0 });
      await service
        .run('suspects', { digests: [...missed.values()] })
        .catch((error: unknown) => log.warn({ error }, 'Damaged chunks cannot be noted'));
      await service.end();
    }
  }
}
