import type { LiveStore } from '../../content/open-live-store.js';
import type { Problem } from '../../control/commands.js';
import { CairnError, kindOf } from '../../core/errors.js';
import type { Log } from '../../core/log.js';
import type { Clock } from '../../core/time.js';
import { machineOf } from '../../datastore/machine.js';
import type { WritableDatastore } from '../../datastore/open.js';
import { runOwnedJob } from '../../maintenance/job/job-owner.js';
import type { ChangeAsks } from '../../maintenance/upload/shared-changes.js';
import type { CatalogCopies } from '../catalog-copies/copy-service.js';
import { JoinedWork } from '../joined-work.js';
import type { SharedStore } from '../shared/shared-store.js';
import { UnitChanges, unsharedChanges } from '../shared/unit-changes.js';
import type { UploadContext, UploadService } from '../upload-service.js';
import type { PublishedPoint } from './publish-point.js';
import type { PublishOptions } from './publish-worker.js';

const SCRIPT = new URL('./publish-worker.js', import.meta.url);
const INTERVAL_SECONDS = 3600;
/** How often the time is looked at. */
const LOOK_MILLISECONDS = 60_000;

/** What is told of recovery points in the status. */
export interface PointFigures {
  /** When the live trees were as the newest one of this mount has them, seconds since 1970; null: there is none yet. */
  readonly newestAt: number | null;
  readonly error: string | null;
}

/** What points are made with. */
export interface PointParts {
  readonly datastore: WritableDatastore;
  readonly live: Pick<LiveStore, 'durability' | 'parts'>;
  readonly copies: Pick<CatalogCopies, 'makeIfChanged' | 'newest'>;
  readonly uploads: Pick<UploadService, 'drain' | 'evictions' | 'keepsWithdrawn' | 'livesCopied'>;
  /** Where other machines may use the object store too. */
  readonly shared: SharedStore | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether a collection runs: what it removes a copy made before may name. */
  isCollecting(): boolean;
}

/**
 * Puts what brings the live trees back into the object store: every hour in which something was committed, before a
 * collection, and before the mount ends. On the thread of the catalog's writer.
 */
export class RecoveryPoints {
  readonly #parts: PointParts;
  readonly #making = new JoinedWork<void>((context) => this.#make(context));
  #timer: NodeJS.Timeout | undefined;
  #published: PublishedPoint['name'] | undefined;
  /** When that was, by the clock: its name may be from the future. */
  #publishedAt = Number.NEGATIVE_INFINITY;
  #error: string | null = null;

  constructor(parts: PointParts) {
    this.#parts = parts;
  }

  /** What was made may not count any more: the next one is made whether there were changes or not. */
  remake(): void {
    this.#published = undefined;
    this.#publishedAt = Number.NEGATIVE_INFINITY;
  }

  /** Makes points by itself from now on. */
  start(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_MILLISECONDS);
    this.#timer.unref();
  }

  /** Whether what is promised to be durable is so only with a point (`durability` of the config). */
  get isWanted(): boolean {
    return this.#parts.datastore.config.durability === 'backend';
  }

  figures(): PointFigures {
    return { newestAt: this.#published?.madeAt ?? null, error: this.#error };
  }

  /** What an operator should know. */
  problems(): Problem[] {
    if (this.#error === null) return [];
    return [{ kind: 'recovery-point', message: `The live trees cannot be copied to the object store: ${this.#error}` }];
  }

  /**
   * Makes a point of what was committed before the call, unless there is one. Callers share it: it is given up when all of
   * them gave up.
   * @throws {CairnError} what the object store failed with, `no-space` where the catalog cannot be copied; `interrupted`
   *   as soon as the caller gave up
   */
  make(context: UploadContext): Promise<void> {
    return this.#making.run(context);
  }

  /** Resolves when what is being made is done. @throws {CairnError} `interrupted` as soon as the signal is aborted */
  idle(signal: AbortSignal): Promise<void> {
    return this.#making.idle(signal);
  }

  /** Gives up what runs; resolves when nothing does. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    await this.#making.end();
  }

  #look(): void {
    const { clock, live, datastore, log } = this.#parts;
    const age = clock.now().seconds - this.#publishedAt;
    const isFresh = age >= 0 && age < INTERVAL_SECONDS;
    const isChanged = this.#published?.appliedSequence !== datastore.catalog.transactions.appliedSequence();
    if (this.#making.isRunning || isFresh || !isChanged || this.#parts.isCollecting()) return;
    if (live.parts.log.failure !== undefined) return;
    const context = { progress: () => undefined, signal: new AbortController().signal };
    this.make(context).catch((error: unknown) => log.debug({ error }, 'No recovery point was made'));
  }

  async #make(context: UploadContext): Promise<void> {
    const { datastore, live, copies, uploads, log } = this.#parts;
    if (live.parts.log.failure !== undefined) return;
    const letSegmentsGo = live.durability.keepSegments();
    try {
      await live.durability.commitDurably();
      const sequence = datastore.catalog.transactions.appliedSequence();
      if (this.#published?.appliedSequence === sequence && !uploads.keepsWithdrawn) return;
      const { evictions } = uploads;
      await copies.makeIfChanged();
      const { newest } = copies;
      if (newest === undefined || newest.appliedSequence < sequence) {
        throw new CairnError('no-space', 'The catalog could not be copied');
      }
      await uploads.drain(context);
      this.#published = await this.#publish(newest.name, context);
      this.#publishedAt = this.#parts.clock.now().seconds;
      this.#error = null;
      uploads.livesCopied(evictions);
    } catch (error) {
      if (kindOf(error) !== 'interrupted') {
        const message = error instanceof Error ? error.message : String(error);
        if (message !== this.#error) log.warn({ error }, 'No recovery point could be made; it is tried again');
        this.#error = message;
      }
      throw error;
    } finally {
      letSegmentsGo();
    }
  }

  async #publish(copy: string, context: UploadContext): Promise<PublishedPoint['name']> {
    const { datastore, shared } = this.#parts;
    const session = await shared?.ensure(context.signal);
    const changes = session && new UnitChanges(session);
    const machine = await machineOf(datastore.paths);
    const options: PublishOptions = { store: datastore.paths.root, machine, copy, isShared: shared !== undefined };
    try {
      const { name } = (await runOwnedJob<ChangeAsks>({
        script: SCRIPT,
        options,
        handlers: changes?.handlers ?? unsharedChanges,
        signal: context.signal,
        onProgress: ({ total = 0, ...at }) => context.progress({ ...at, total }),
      })) as PublishedPoint;
      return name;
    } finally {
      changes?.close();
    }
  }
}
