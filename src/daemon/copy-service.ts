import type { Copied, CopyArguments } from '../control/copy-commands.js';
import { CairnError } from '../core/errors.js';
import { trackObjects } from '../maintenance/rebuild/track-objects.js';
import { copyInto } from '../snapshot/copy/copy-maker.js';
import type { CopyJobOptions } from '../snapshot/copy/copy-protocol.js';
import { CopyThread } from '../snapshot/copy/copy-thread.js';
import { meansObjects, parseSelection } from '../snapshot/copy/selection.js';
import { type GroupPlaces, requireGroupForOthers } from './groups-for-others.js';
import type { CommandContext } from './snapshot-handlers.js';

const JOB_SCRIPT = new URL('./copy-worker.js', import.meta.url);

/** What the main thread asks the mount worker about copies: the clients' command as it is. */
export interface CopyWorkerCommands {
  copy: { arguments: CopyArguments; result: Copied };
}

/** Where copies are put. */
export interface CopyPlaces extends GroupPlaces {
  /** An object appeared by itself. */
  onObject(id: string): void;
}

/** Copies of other datastores' snapshots and objects into one: made on the mount worker, several at once. */
export class CopyService {
  readonly #places: CopyPlaces;
  /** Of objects one at a time: what is on disk and what the catalog says of it are the same in between. */
  #puttingObjects: Promise<unknown> = Promise.resolve();
  readonly #ending = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  constructor(places: CopyPlaces) {
    this.#places = places;
  }

  /** Gives up what is under way and resolves when nothing is. */
  async end(): Promise<void> {
    this.#ending.abort(new CairnError('interrupted', 'The copy was given up: the datastore is being unmounted'));
    await Promise.allSettled([...this.#running]);
  }

  /** @throws {CairnError} as `copyInto`; `invalid` where both are the same datastore */
  run(args: CopyArguments, context: CommandContext): Promise<Copied> {
    const running = this.#run(args, context);
    this.#running.add(running);
    const done = (): boolean => this.#running.delete(running);
    running.then(done, done);
    return running;
  }

  async #run(args: CopyArguments, { progress, signal }: CommandContext): Promise<Copied> {
    const { datastore, live, snapshots } = this.#places;
    const store = datastore.paths.root;
    if (args.source === store) throw new CairnError('invalid', `${store} is both: name the other datastore`);
    if (!args.dryRun) live.parts.log.requireWorking();
    if (!args.dryRun) await live.parts.room.requireSoon();
    const gaveUp = new AbortController();
    const text = 'The copy was given up; what is copied stays, and copying again goes on from there';
    const giveUp = () => gaveUp.abort(new CairnError('interrupted', text));
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    const parts = {
      ...{ catalog: datastore.catalog, durability: live.durability, store },
      maker: snapshots.others,
      startJob: (options: CopyJobOptions) => new CopyThread(JOB_SCRIPT, options),
      requireGroup: (group: Parameters<typeof requireGroupForOthers>[1]) => requireGroupForOthers(this.#places, group),
      puttingObjects: (work: () => Promise<void>) => this.#putting(work),
      onObject: (id: string) => this.#places.onObject(id),
    };
    const either = AbortSignal.any([gaveUp.signal, this.#ending.signal]);
    if (!args.dryRun && meansObjects(parseSelection(args.select)))
      await this.#putting(() => this.#alignObjects(either));
    const { snapshots: copied, objects } = await copyInto(parts, {
      ...args,
      signal: either,
      onProgress: (what, done, total) => progress({ step: `copying ${what}`, done, total, unit: 'bytes' }),
    });
    return { snapshots: [...copied], objects: { ...objects, failures: [...objects.failures] } };
  }

  #putting(work: () => Promise<void>): Promise<void> {
    const done = this.#puttingObjects.then(work);
    this.#puttingObjects = done.catch(() => undefined);
    return done;
  }

  /** An object that is on disk counts as there: puts that were broken off are ended, or undone, before. */
  async #alignObjects(signal: AbortSignal): Promise<void> {
    const { datastore, live } = this.#places;
    const { catalog, paths } = datastore;
    const commit = (): Promise<void> => live.durability.commitDurably();
    await trackObjects({ store: paths.root, catalog, commit, signal });
  }
}
