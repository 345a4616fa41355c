import type { Progress } from '../control/messages.js';
import {
  type SnapshotCommandArguments,
  type SnapshotCommandName,
  type SnapshotCommandResult,
  snapshotCommands,
} from '../control/snapshot-commands.js';
import { parseGroupPath } from '../core/group.js';
import { parseTreeName } from '../core/tree-name.js';
import type { CloneService } from './clone-service.js';
import type { SnapshotService } from './snapshot-service.js';

/** What the main thread asks the mount worker about snapshots: the clients' commands as they are. */
export type SnapshotWorkerCommands = {
  [C in SnapshotCommandName]: { arguments: SnapshotCommandArguments<C>; result: SnapshotCommandResult<C> };
};

/** Whoever asks: what he is told meanwhile, and when he gives up. */
export interface CommandContext {
  progress(progress: Progress): void;
  readonly signal: AbortSignal;
}

/** What is done for each command, given its context. */
type HandlersOf<Context> = {
  readonly [C in SnapshotCommandName]: (
    args: SnapshotCommandArguments<C>,
    context: Context,
  ) => Promise<SnapshotCommandResult<C>>;
};

/** The mount worker's side; a store that is not mounted is served by the same. */
export function snapshotHandlers(snapshots: SnapshotService, clones: CloneService): HandlersOf<CommandContext> {
  return {
    'tree-clone': ({ source, group, ...args }, { signal, progress }) =>
      clones.clone({
        ...{ ...args, source: parseTreeName(source), group: parseGroupPath(group), signal },
        onEntry: (done) => progress({ step: 'cloning', done, unit: 'items' }),
      }),
    'snapshot-create': ({ group }, { signal }) => snapshots.create(parseGroupPath(group), undefined, signal),
    'snapshot-list': async ({ group }) => ({ snapshots: await snapshots.list(group) }),
    'snapshot-forget': async ({ snapshot }) => {
      await snapshots.forgetNamed(parseTreeName(snapshot));
      return {};
    },
    'snapshot-protect': async ({ snapshot, protected: isProtected }) => {
      snapshots.guard.requireOurs(parseTreeName(snapshot).group);
      await snapshots.marks.protect(parseTreeName(snapshot), isProtected);
      return {};
    },
    'catalog-commit': async () => {
      await snapshots.commitAll();
      return {};
    },
    'snapshot-note': async ({ snapshot, text }) => {
      snapshots.guard.requireOurs(parseTreeName(snapshot).group);
      await snapshots.marks.note(parseTreeName(snapshot), text);
      return {};
    },
  };
}

/** The main thread's side: every command goes to the mount worker. */
export function passSnapshotCommands<Context>(
  request: (command: SnapshotCommandName, args: never, context: Context) => Promise<unknown>,
): HandlersOf<Context> {
  const names = Object.keys(snapshotCommands) as SnapshotCommandName[];
  const passing = names.map((name) => [name, (args: never, context: Context) => request(name, args, context)]);
  return Object.fromEntries(passing) as HandlersOf<Context>;
}
