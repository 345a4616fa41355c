import type { Refreshed } from '../../control/refresh-commands.js';
import { CairnError } from '../../core/errors.js';
import type { GcContext } from '../gc-service.js';
import type { RefreshService } from './refresh-service.js';

/** What the main thread asks the mount worker about other machines' snapshots: the clients' command as it is. */
export interface RefreshWorkerCommands {
  refresh: { arguments: Record<never, never>; result: Refreshed };
}

/** The mount worker's side. @param service undefined where no object store is shared */
export function refreshHandlers(service: RefreshService | undefined): {
  refresh(args: Record<never, never>, context: GcContext): Promise<Refreshed>;
} {
  return {
    refresh: async (_args, context) => {
      if (service !== undefined) return service.run(context);
      throw new CairnError('unsupported', 'No other machine can use what is behind this datastore');
    },
  };
}
