import type { BackedUp, BackupArguments } from '../control/backup-commands.js';
import { CairnError } from '../core/errors.js';
import { type GroupName, parseGroupPath } from '../core/group.js';
import { formatSnapshotTime } from '../core/snapshot-time.js';
import { systemClock } from '../core/time.js';
import { contains } from '../datastore/nesting.js';
import { makeBackup, type StartBackup } from '../snapshot/backup/backup-maker.js';
import { type GroupPlaces, requireGroupForOthers } from './groups-for-others.js';
import { cairnMounts } from './mounts.js';
import type { CommandContext } from './snapshot-handlers.js';

/** What the main thread asks the mount worker about backups: the clients' command as it is. */
export interface BackupWorkerCommands {
  backup: { arguments: BackupArguments; result: BackedUp };
}

const GIVEN_UP =
  'The backup was given up: no snapshot was made; chunks it had stored already go with the next collection';

/** Backups of folders into one datastore, several at once; recorded by the thread this lives on. */
export class BackupService {
  readonly #places: GroupPlaces;
  readonly #startJob: StartBackup;
  readonly #ending = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  constructor(places: GroupPlaces, startJob: StartBackup) {
    this.#places = places;
    this.#startJob = startJob;
  }

  /** Gives up what is under way and resolves when nothing is. */
  async end(): Promise<void> {
    this.#ending.abort(new CairnError('interrupted', 'The backup was given up: the datastore is being unmounted'));
    await Promise.allSettled([...this.#running]);
  }

  /** @throws {CairnError} as `makeBackup`; `invalid` for a source inside the datastore or its mount */
  run(args: BackupArguments, context: CommandContext): Promise<BackedUp> {
    const running = this.#run(args, context);
    this.#running.add(running);
    const done = (): boolean => this.#running.delete(running);
    running.then(done, done);
    return running;
  }

  async #run(args: BackupArguments, { progress, signal }: CommandContext): Promise<BackedUp> {
    const { datastore, live, snapshots } = this.#places;
    const { catalog, paths } = datastore;
    await this.#requireApart(args.source);
    if (!args.dryRun) {
      live.parts.log.requireWorking();
      snapshots.guard.requireOurs(parseGroupPath(args.group));
      await live.parts.room.requireSoon();
    }
    const gaveUp = new AbortController();
    const giveUp = () => gaveUp.abort(new CairnError('interrupted', GIVEN_UP));
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    const step = args.dryRun ? 'looking' : 'backing up';
    const parts = {
      ...{ catalog, clock: systemClock, store: paths.root },
      maker: snapshots.others,
      startJob: this.#startJob,
      requireGroup: (group: GroupName) => requireGroupForOthers(this.#places, group),
    };
    const { report, snapshot } = await makeBackup(parts, {
      ...{ ...args, group: parseGroupPath(args.group) },
      signal: AbortSignal.any([gaveUp.signal, this.#ending.signal]),
      onProgress: (done, total) => progress({ step, done, total, unit: 'bytes' }),
    });
    const { figures, unreadable, changedWhileRead } = report;
    const made = snapshot && {
      ...{ group: args.group, time: formatSnapshotTime(snapshot.time), entries: snapshot.entries },
      ...{ sizeBytes: snapshot.contentBytes, addedBytes: snapshot.addedBytes },
    };
    return { snapshot: made ?? null, figures, problems: [...report.problems], unreadable, changedWhileRead };
  }

  /** The daemon would wait for itself. */
  async #requireApart(source: string): Promise<void> {
    const store = this.#places.datastore.paths.root;
    if (contains(store, source)) throw new CairnError('invalid', `${source} is inside the datastore ${store}`);
    const mounts = (await cairnMounts()).filter((mount) => mount.store === store);
    const mount = mounts.find(({ mountpoint }) => contains(mountpoint, source));
    if (mount === undefined) return;
    const advice = 'a live tree becomes a snapshot with "cairn snapshot create"';
    throw new CairnError('invalid', `${source} is inside the mount of the datastore: ${advice}`);
  }
}
