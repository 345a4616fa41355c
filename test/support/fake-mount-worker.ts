import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { CairnError } from '../../src/core/errors.js';
import { noCareFigures, noGcFigures } from '../../src/daemon/metrics/job-figures.js';
import { WorkerEndpoint, type WorkerHandlers } from '../../src/daemon/worker-endpoint.js';
import type { MountWorkerOptions } from '../../src/daemon/worker-protocol.js';

/**
 * A mount worker that mounts nothing. The last component of its "group" says how it is to behave: `good`; `no-start`
 * fails before it is ready; `in-use` can only be unmounted lazily; `crash` throws at a sync; `slow` waits at a sync
 * until it is cancelled; `outside` is unmounted by somebody else at a sync; `unclean` can be unmounted at the
 * third attempt only.
 */
const behaviour = (workerData as MountWorkerOptions).group?.split('/').at(-1) ?? 'good';
if (parentPort === null) throw new Error('This is the program of a worker');
const endpoint = new WorkerEndpoint(parentPort);

let attempts = 0;

const TOTALS = { chunks: 14, plainBytes: 30, storedBytes: 15 };
const CHUNKS = { present: TOTALS, absent: TOTALS, bad: TOTALS, quarantined: TOTALS };

const handlers: Partial<WorkerHandlers> = {
  status: () => ({
    dirtyBytes: 5,
    oldestUnsyncedSeconds: 0.5,
    uploads: null,
    oldestVerifiedAt: 7,
    catalogCopies: { count: 2, bytes: 300, newestAt: 8 },
    problems: [{ kind: 'test', message: 'A problem' }],
    requests: { LOOKUP: 6 },
    catalog: { inodes: 8, allocatedBytes: 9, journalBytes: 10, chunks: CHUNKS },
    objects: { objects: 16, bytes: 17 },
    gc: { ...noGcFigures(), deletedChunks: 11, lastEndedAt: 12 },
    care: { ...noCareFigures(), healedChunks: 13 },
    backends: [
      {
        ...{ id: 'd0', failing: true, totalBytes: null, availableBytes: 18, errors: 19 },
        ...{ pieces: 24, pieceBytes: null },
        ...{ piecesWritten: 20, bytesWritten: 21, piecesRead: 22, bytesRead: 23 },
      },
    ],
    chunks: { loads: 1, inserts: 2, reuses: 3, plainBytes: 4, encodedBytes: 5, uncompressed: 1 },
  }),
  sync: async (_, context) => {
    context.progress({ step: 'writing out', done: 1, total: 2, unit: 'bytes' });
    if (behaviour === 'crash') setImmediate(() => JSON.parse('no JSON'));
    if (behaviour === 'outside') endpoint.ended();
    if (behaviour === 'slow') await once(context.signal, 'abort');
    if (behaviour === 'crash' || behaviour === 'outside') await new Promise(() => undefined);
    return {};
  },
  unmount: ({ lazy }) => {
    attempts += 1;
    if (behaviour === 'unclean' && attempts < 3) throw new CairnError('io', 'The disk is broken');
    if (behaviour === 'in-use' && !lazy) throw new CairnError('busy', 'Somebody works in it');
    setImmediate(() => endpoint.ended());
    return {};
  },
  'snapshot-create': ({ group }) => ({
    group,
    time: '2026-11-20T10:00:00Z',
    entries: 3,
    sizeBytes: 2,
    addedBytes: 1,
    recutFiles: 0,
  }),
  backup: ({ group }) => ({
    ...{ snapshot: { group, time: '2026-11-20T10:00:00Z', entries: 3, sizeBytes: 2, addedBytes: 1 }, unreadable: 0 },
    figures: {
      ...{ files: 1, newFiles: 1, changedFiles: 0, unchangedFiles: 0, folders: 1, others: 0, links: 0 },
      ...{ contentBytes: 2, readBytes: 2, excluded: 0 },
    },
    problems: [{ path: 'a\nlog\u001b[2J', kind: 'changed', message: 'changed while it was read' }],
    changedWhileRead: 1,
  }),
  'backend-mend': () => ({
    ...{ objects: 1, whole: 0, mended: 0, degraded: 1, lost: 0, unknown: 0, missing: 1, strays: 0, removedPieces: 0 },
    ...{ backends: [], missingPieces: [], damaged: [], problems: ['The backend d0 does not answer'], complete: false },
  }),
  'snapshot-list': () => ({ snapshots: [] }),
};

if (behaviour === 'no-start') endpoint.fatal(new CairnError('not-ready', 'There is no /dev/fuse'));
else {
  endpoint.log('info', 'the worker runs', { behaviour });
  endpoint.ready(handlers as WorkerHandlers);
}
