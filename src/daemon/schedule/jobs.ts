import { CairnError } from '../../core/errors.js';
import { anySeed } from '../care-handlers.js';
import type { MountWorker } from '../mount-worker-client.js';
import { prune } from '../prune-service.js';
import type { Alarm, RunJob } from './scheduler.js';
import { RAISE } from './stored-schedule.js';

/** Every chunk is verified at least so often. */
const VERIFY_WITHIN_DAYS = 30;
const DRILLED_FILES = 20;
/** Timers go by a clock that stops while the machine sleeps: look at the wall clock so often. */
const LOOK_EVERY_MS = 60_000;

/** What can be scheduled, done by the mount worker. */
export function scheduledJobs(store: string, worker: MountWorker): Readonly<Record<string, RunJob>> {
  return {
    gc: async (_group, signal) => {
      const report = await worker.request('gc', { dryRun: false, full: false, graceSeconds: null }, { signal });
      const [problem] = [...report.plan.problems, ...report.problems];
      if (problem !== undefined) throw new CairnError('corrupt', problem);
      return { outcome: 'done', message: `freed ${report.freed.bytes} bytes, set ${report.removed.bytes} aside` };
    },
    verify: async (_group, signal) => {
      const args = { maxAgeDays: VERIFY_WITHIN_DAYS, spread: true, bytesPerSecond: null };
      const { chunks, damaged, snapshots, objects } = await worker.request('verify-chunks', args, { signal });
      const found = [
        damaged.length > 0 && `${damaged.length} chunks`,
        snapshots.length > 0 && `${snapshots.length} snapshots`,
        objects.length > 0 && `index files of ${objects.length} objects`,
      ].filter((text) => text !== false);
      if (found.length > 0) {
        throw new CairnError('corrupt', `Damaged: ${found.join(', ')}; "cairn verify" and "cairn repair" name them`);
      }
      return { outcome: 'done', message: `verified ${chunks} chunks` };
    },
    drill: async (_group, signal) => {
      const args = { files: DRILLED_FILES, seed: anySeed(), bytesPerSecond: null };
      const { files, failures, seed } = await worker.request('verify-restore', args, { signal });
      const [first] = failures;
      if (first !== undefined) {
        const again = `"cairn verify --restore ${DRILLED_FILES} --seed ${seed}" names all`;
        throw new CairnError(
          'corrupt',
          `${failures.length} of ${files} files cannot be restored; ${again}: ${first.path}`,
        );
      }
      if (files === 0) return { outcome: 'skipped', message: 'there is no file in any snapshot' };
      return { outcome: 'done', message: `restored and compared ${files} files` };
    },
    prune: async (group, signal) => {
      const remove = (snapshot: Parameters<Parameters<typeof prune>[0]['remove']>[0]) =>
        worker.request('remove-pruned', snapshot);
      const args = { groups: group === null ? null : [group], keep: null, dryRun: false };
      const { groups, removed } = await prune({ store, progress: () => undefined, signal, remove }, args);
      if (groups.length === 0) return { outcome: 'skipped', message: 'no group has a policy' };
      return { outcome: 'done', message: `removed ${removed} snapshots` };
    },
    [RAISE]: async (group, signal) => {
      const raised = await worker.request('backend-mend', { apply: true, group: group ?? undefined }, { signal });
      const [problem] = raised.problems;
      // Also where a backend is away: until the next snapshot nobody tries again.
      if (problem !== undefined) throw new CairnError('io', problem);
      return { outcome: 'done', message: `gave ${raised.mended} chunks the redundancy of ${group}` };
    },
    snapshot: async (group, signal) => {
      if (group === null) throw new CairnError('invalid', 'A snapshot is of a group');
      const { created } = await worker.request('snapshot-if-changed', { group }, { signal });
      if (created === null) return { outcome: 'skipped', message: 'nothing changed since the last snapshot' };
      return { outcome: 'done', message: `made ${created.time}` };
    },
  };
}

/** The machine's own time. */
export const wallAlarm: Alarm = {
  now: () => Date.now(),
  at: (timeMs, wake) => {
    let timer: NodeJS.Timeout;
    const look = (): void => {
      const left = timeMs - Date.now();
      if (left <= 0) wake();
      else timer = setTimeout(look, Math.min(left, LOOK_EVERY_MS)).unref();
    };
    timer = setTimeout(look, 0).unref();
    return () => clearTimeout(timer);
  },
};
