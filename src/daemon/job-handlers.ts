import type { SpaceMeasured } from '../control/space-commands.js';
import { parseGroupPath } from '../core/group.js';
import type { DoomedSnapshot } from './prune-service.js';
import type { SnapshotService } from './snapshot-service.js';
import type { SpaceService } from './space-service.js';

/** What jobs of the main thread ask the mount worker for. */
export interface JobWorkerCommands {
  space: { arguments: Record<never, never>; result: SpaceMeasured };
  'remove-pruned': { arguments: DoomedSnapshot; result: Record<never, never> };
}

/** The mount worker's side. */
export function jobHandlers(snapshots: SnapshotService, space: SpaceService) {
  return {
    space: () => space.measure(),
    'remove-pruned': async ({ group, time, finished }: DoomedSnapshot) => {
      await snapshots.removePruned(parseGroupPath(group), time, finished);
      return {};
    },
  };
}
