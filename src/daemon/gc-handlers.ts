import type { GcReport, GcRequest, GcStatus, GcUndeleted } from '../control/gc-commands.js';
import type { GcContext, GcService } from './gc-service.js';

/** What the main thread asks the mount worker about collection: the clients' commands as they are. */
export interface GcWorkerCommands {
  gc: { arguments: GcRequest; result: GcReport };
  'gc-status': { arguments: Record<never, never>; result: GcStatus };
  'gc-undelete': { arguments: { readonly digests: string[] | null }; result: GcUndeleted };
}

type HandlersOf<Context> = {
  readonly [C in keyof GcWorkerCommands]: (
    args: GcWorkerCommands[C]['arguments'],
    context: Context,
  ) => Promise<GcWorkerCommands[C]['result']>;
};

/**
 * The mount worker's side; a store that is not mounted is served by the same.
 * @param collection what collects
 */
export function gcHandlers(service: GcService, collection: Pick<GcService, 'run'> = service): HandlersOf<GcContext> {
  return {
    gc: (request, context) => collection.run(request, context),
    'gc-status': async () => service.status(),
    'gc-undelete': ({ digests }, context) => service.undelete(digests, context),
  };
}

/** The main thread's side: every command goes to the mount worker. */
export function passGcCommands<Context>(
  request: <C extends keyof GcWorkerCommands>(
    command: C,
    args: GcWorkerCommands[C]['arguments'],
    context: Context,
  ) => Promise<GcWorkerCommands[C]['result']>,
): HandlersOf<Context> {
  return {
    gc: (args, context) => request('gc', args, context),
    'gc-status': (args, context) => request('gc-status', args, context),
    'gc-undelete': (args, context) => request('gc-undelete', args, context),
  };
}
