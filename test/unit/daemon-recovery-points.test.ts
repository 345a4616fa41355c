import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CairnError } from '../../src/core/errors.js';
import { silentLog } from '../../src/core/log.js';
import { systemClock } from '../../src/core/time.js';
import { RecoveryPoints } from '../../src/daemon/recovery-points/point-service.js';
import type { UploadContext } from '../../src/daemon/upload-service.js';
import { ofKind } from '../support/catalog.js';
import { TestLiveStore } from '../support/live-store.js';

const waitingBy = (signal: AbortSignal): UploadContext => ({ progress: () => undefined, signal });

test('whoever gives up waiting for a recovery point does not take it from those that wait with him', async (t) => {
  const { datastore, live } = await TestLiveStore.make(t);
  const drains: { readonly context: UploadContext; fail(message: string): void }[] = [];
  let begun = (): void => undefined;
  const points = new RecoveryPoints({
    ...{ datastore, live, shared: undefined, clock: systemClock, log: silentLog, isCollecting: () => false },
    copies: {
      makeIfChanged: async () => undefined,
      newest: { name: 'catalog-1', madeAt: 1, appliedSequence: Number.MAX_SAFE_INTEGER, bytes: 1 },
    },
    uploads: {
      ...{ evictions: 0, keepsWithdrawn: false, livesCopied: () => undefined },
      drain: (context) =>
        new Promise((_, reject) => {
          const fail = (message: string): void => reject(new CairnError('unreachable', message));
          context.signal.addEventListener('abort', () => reject(new CairnError('interrupted', 'Given up')));
          drains.push({ context, fail });
          begun();
        }),
    },
  });
  const nextDrain = (): Promise<void> =>
    new Promise((resolve) => {
      begun = resolve;
    });
  const [patient, impatient] = [new AbortController(), new AbortController()];
  let under = nextDrain();
  const first = assert.rejects(points.make(waitingBy(patient.signal)), /the first one/);
  await under;
  const sync = assert.rejects(points.make(waitingBy(impatient.signal)), ofKind('interrupted'));
  const fsync = assert.rejects(points.make(waitingBy(patient.signal)), /the second one/);
  under = nextDrain();
  drains[0]?.fail('the first one');
  await first;
  await under;
  impatient.abort();
  await sync;
  assert.equal(drains[1]?.context.signal.aborted, false);
  drains[1]?.fail('the second one');
  await fsync;
  await points.end();
});
