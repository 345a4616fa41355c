import type { CommandArguments } from '../control/commands.js';
import type { PruneArguments } from '../control/prune-commands.js';
import type { RequestContext } from '../control/server.js';
import type { MountWorker } from './mount-worker-client.js';
import { prune } from './prune-service.js';
import type { ScheduleService } from './schedule/schedule-service.js';

/** What the main thread does about settings and by them. */
export function settingsHandlers(store: string, worker: MountWorker, schedule: ScheduleService) {
  return {
    prune: (args: PruneArguments, { progress, signal }: RequestContext) =>
      prune({ store, progress, signal, remove: (snapshot) => worker.request('remove-pruned', snapshot) }, args),
    'settings-change': async (change: CommandArguments<'settings-change'>) => {
      await schedule.change(change);
      return {};
    },
    'schedule-list': () => ({ schedule: schedule.list() }),
    'schedule-run': ({ job, group }: CommandArguments<'schedule-run'>) => schedule.run(job, group),
  };
}
