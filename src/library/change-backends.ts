import { CairnError } from '../core/errors.js';
import type { Log } from '../core/log.js';
import type { OpenUnmounted } from '../daemon/unmounted-store.js';
import { VerifyService } from '../daemon/verify-service.js';
import { type BackendConfig, backendConfig } from '../datastore/backend-config.js';
import { BackendsChanger } from '../datastore/backends-changer.js';
import type { MendReport } from '../maintenance/spread/mend-store.js';
import type { BackendChanges, MendResult, NewBackend } from './api.js';
import { eitherSignal } from './interruption.js';
import type { OpenWork } from './open-work.js';

/** How the backends of a datastore are changed and looked after; closing the store waits for it. */
export function backendChanges(opened: OpenUnmounted, work: OpenWork, log: Log): BackendChanges {
  const { datastore, live, snapshots } = opened;
  const { paths, spread } = datastore;
  const changer = new BackendsChanger({ paths, spread });
  const mend = async (apply: boolean, signal: AbortSignal): Promise<MendReport> => {
    const service = new VerifyService({ datastore, live, marks: snapshots.marks, log, requests: () => 0 });
    try {
      return (await service.run('mend', { apply }, { signal, onProgress: () => undefined })) as MendReport;
    } finally {
      await service.end();
    }
  };
  return {
    addBackend: work.during(async (backend) => changer.change({ kind: 'add', backend: checkedBackend(backend) })),
    drainBackend: work.during((id, draining = true) => changer.change({ kind: 'drain', id, draining })),
    removeBackend: work.during((id, options) => changer.change({ kind: 'remove', id, lost: options?.lost ?? false })),
    setRedundancy: work.during((redundancy) => changer.change({ kind: 'redundancy', redundancy })),
    mendBackends: work.during(async (options) => {
      const apply = options?.dryRun !== true;
      const { conversion } = changer;
      const report = await mend(apply, eitherSignal(work.signal, options?.signal));
      if (apply && report.complete) await changer.endConversion(conversion);
      return shown(report);
    }),
  };
}

/** A backend with all its settings. @throws {CairnError} `invalid` */
export function checkedBackend(backend: NewBackend): BackendConfig {
  const defined = Object.fromEntries(Object.entries(backend).filter(([, value]) => value !== undefined));
  const parsed = backendConfig.safeParse(defined);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0] ?? { path: [], message: 'not understood' };
  throw new CairnError('invalid', `Not a backend: ${[...path, message].join(': ')}`);
}

/** A store in memory has one backend and keeps it. */
export function noBackendChanges(): BackendChanges {
  const refuse = async (): Promise<never> => {
    throw new CairnError('unsupported', 'A store in memory has one backend');
  };
  return {
    ...{ addBackend: refuse, drainBackend: refuse, removeBackend: refuse },
    ...{ setRedundancy: refuse, mendBackends: refuse },
  };
}

function shown({ objects, mended, degraded, lost, missing, unknown, problems, complete }: MendReport): MendResult {
  return { chunks: objects, mended, degraded, lost: lost + missing, unknown, problems, complete };
}
