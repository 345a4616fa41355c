import type { CommandArguments } from '../control/commands.js';
import type { PruneArguments } from '../control/prune-commands.js';
import type { RequestContext } from '../control/server.js';
import { datastorePaths } from '../datastore/paths.js';
import { changeSettings } from '../datastore/settings.js';
import type { MountWorker } from './mount-worker-client.js';
import { prune } from './prune-service.js';

/** What the main thread does about settings and by them. */
export function settingsHandlers(store: string, worker: MountWorker) {
  let last: Promise<unknown> = Promise.resolve();
  return {
    prune: (args: PruneArguments, { progress, signal }: RequestContext) =>
      prune({ store, progress, signal, remove: (snapshot) => worker.request('remove-pruned', snapshot) }, args),
    'settings-change': async (change: CommandArguments<'settings-change'>) => {
      const changed = last.then(() => changeSettings(datastorePaths(store), change));
      last = changed.catch(() => undefined);
      await changed;
      return {};
    },
  };
}
