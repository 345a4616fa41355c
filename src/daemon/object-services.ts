import { setTimeout as pause } from 'node:timers/promises';
import type { LiveStore } from '../content/open-live-store.js';
import type { Problem } from '../control/commands.js';
import type { UploadStatus } from '../control/upload-commands.js';
import { kindOf } from '../core/errors.js';
import type { Log } from '../core/log.js';
import { systemClock } from '../core/time.js';
import type { WritableDatastore } from '../datastore/open.js';
import type { CatalogCopies } from './catalog-copies/copy-service.js';
import { relieveFullDisk } from './full-disk.js';
import type { GcService } from './gc-service.js';
import { RecoveryPoints } from './recovery-points/point-service.js';
import { Presence } from './recovery-points/presence.js';
import { collectObjectStore } from './shared/bucket-gc.js';
import type { SharedStore } from './shared/shared-store.js';
import { type UploadContext, UploadService } from './upload-service.js';

/** As a request to the object store has it (backend/s3). */
const DEFAULT_GIVE_UP_SECONDS = 60;
const TRY_AGAIN_MS = 1000;
/** How long the end of a mount waits for the object store to hear of it. */
const LEAVE_MS = 5000;
/** How often it is looked whether chunks beyond the bound are to go. */
const LOOK_MS = 5000;
const UNATTENDED: UploadContext = { progress: () => undefined, signal: new AbortController().signal };

/** What it takes to serve an object store. */
export interface ObjectParts {
  readonly datastore: WritableDatastore;
  readonly live: LiveStore;
  readonly copies: CatalogCopies;
  readonly gc: GcService;
  readonly log: Log;
}

interface OwnParts {
  readonly uploads: UploadService;
  readonly points: RecoveryPoints;
  readonly presence: Presence;
  readonly live: LiveStore;
  readonly log: Log;
  readonly shared: SharedStore | undefined;
}

/** What a mount does for the object store behind its datastore, and what fsync waits for. */
export class ObjectServices {
  readonly #uploads: UploadService;
  readonly #points: RecoveryPoints;
  readonly #presence: Presence;
  readonly #live: LiveStore;
  readonly #log: Log;
  readonly #shared: SharedStore | undefined;
  #timer: NodeJS.Timeout | undefined;
  #relieving: Promise<void> | undefined;
  readonly #giveUpMs: number;

  private constructor({ uploads, points, presence, live, log, shared }: OwnParts, giveUpMs: number) {
    this.#uploads = uploads;
    this.#points = points;
    this.#presence = presence;
    this.#live = live;
    this.#log = log;
    this.#shared = shared;
    this.#giveUpMs = giveUpMs;
  }

  /** Undefined where a datastore has no object store. A collection waits for it from now on. */
  static of(
    { datastore, live, copies, gc, log }: ObjectParts,
    shared: SharedStore | undefined,
  ): ObjectServices | undefined {
    const uploads = UploadService.of(datastore, live, log, shared);
    if (datastore.objects === undefined || uploads === undefined) return undefined;
    const presence = new Presence(datastore.objects.remote, datastore.paths, systemClock, log);
    const isCollecting = () => gc.isRemoving;
    const points = new RecoveryPoints({
      datastore,
      live,
      copies,
      uploads,
      shared,
      clock: systemClock,
      log,
      isCollecting,
    });
    if (shared !== undefined) {
      shared.onRejoin(() => points.remake());
      // What a copy of the catalog names is not removed while it becomes a point.
      gc.onBegin((context) => points.idle(context.signal));
      gc.onEnd((context) => collectObjectStore({ datastore, shared, uploads, points }, context));
    } else {
      // With a new point the one before is not needed any more, nor what only that names.
      gc.onBegin(async (context) => {
        await uploads.drain(context);
        await points.make(context);
      });
    }
    relieveFullDisk(datastore, live, log, () => uploads.evictForRoom());
    boundQueue(datastore, live, () => uploads.queued().bytes);
    const giveUpSeconds = datastore.config.s3?.giveUpSeconds ?? DEFAULT_GIVE_UP_SECONDS;
    return new ObjectServices({ uploads, points, presence, live, log, shared }, giveUpSeconds * 1000);
  }

  /**
   * All changes made before the call are as durable as the datastore promises.
   * @throws {CairnError} what the local disk, or for its time to give up the object store, failed with
   */
  async barrier(): Promise<void> {
    await this.#live.durability.barrier();
    await this.#promised(() => this.#points.make(UNATTENDED));
  }

  /** A snapshot that was made is as durable as the datastore promises. @throws {CairnError} */
  snapshotMade(): Promise<void> {
    return this.#promised(() => this.drain(UNATTENDED));
  }

  /** Only with `durability` of `backend` anything is promised of the object store. */
  async #promised(work: () => Promise<void>): Promise<void> {
    if (!this.#points.isWanted) return;
    const deadline = performance.now() + this.#giveUpMs;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const mayHelp = ['unreachable', 'throttled', 'io'].includes(kindOf(error));
        if (!mayHelp || performance.now() + TRY_AGAIN_MS >= deadline) throw error;
        await pause(TRY_AGAIN_MS);
      }
    }
  }

  start(): void {
    this.#shared?.start();
    this.#uploads.start();
    this.#points.start();
    this.#presence.start();
    this.#timer = setInterval(() => this.#relieve(), LOOK_MS);
    this.#timer.unref();
  }

  /** What is here passes its bound, and nothing but a recovery point allows to evict it. */
  #relieve(): void {
    if (!this.#uploads.isHeldUp || this.#relieving !== undefined) return;
    this.#relieving = this.drain(UNATTENDED)
      .catch((error: unknown) => this.#log.debug({ error }, 'Chunks beyond the bound stay here for now'))
      .finally(() => {
        this.#relieving = undefined;
      });
  }

  /** Uploads all that was committed before the call. @throws {CairnError} as `UploadService.drain` */
  async drain(context: UploadContext): Promise<void> {
    await this.#uploads.drain(context);
    if (!this.#points.isWanted && !this.#uploads.isHeldUp) return;
    await this.#points.make(context);
    if (this.#uploads.keepsWithdrawn || this.#uploads.isHeldUp) await this.#uploads.drain(context);
  }

  /** What an object store that cannot be had does not get now it gets with the next mount. @throws {CairnError} `interrupted` */
  async leave(context: UploadContext): Promise<void> {
    try {
      await this.#uploads.drain(context);
      await this.#points.make(context);
      if (this.#uploads.keepsWithdrawn) await this.#uploads.drain(context);
    } catch (error) {
      if (kindOf(error) === 'interrupted') throw error;
      this.#log.warn({ error }, 'Not everything could be uploaded; the next mount goes on with it');
    }
  }

  status(): UploadStatus {
    const recoveryPointAt = this.#points.figures().newestAt;
    return { ...this.#uploads.status(), recoveryPointAt, shared: this.#shared?.status() ?? null };
  }

  /** Where that cannot be told now, other machines find it out. */
  async #leaveOthers(): Promise<void> {
    const gone = this.#shared?.leave().catch((error: unknown) => {
      this.#log.debug({ error }, 'Other machines could not be told that this one leaves');
    });
    const timeout = new AbortController();
    await Promise.race([gone, pause(LEAVE_MS, undefined, { signal: timeout.signal }).catch(() => undefined)]);
    timeout.abort();
  }

  /** What an operator should know. */
  problems(): Problem[] {
    return [...this.#uploads.problems(), ...this.#points.problems(), ...(this.#shared?.problems() ?? [])];
  }

  /** Gives up what runs; resolves when nothing does. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([this.#points.end(), this.#uploads.end(), this.#presence.end()]);
    await this.#relieving;
    await this.#leaveOthers();
  }
}

/** Writers keep the bound on what waits to be uploaded, if there is one. */
function boundQueue({ config }: WritableDatastore, live: LiveStore, queuedBytes: () => number): void {
  const { queueBytes, whenFull } = config;
  if (queueBytes === undefined) return;
  const refusal = whenFull === 'enospc' ? `${queueBytes} bytes wait to be uploaded, as many as may` : undefined;
  live.parts.budget.boundBy({ isFull: () => queuedBytes() >= queueBytes, refusal });
}
