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
import { type UploadContext, UploadService } from './upload-service.js';

/** As a request to the object store has it (backend/s3). */
const DEFAULT_GIVE_UP_SECONDS = 60;
const TRY_AGAIN_MS = 1000;
const UNATTENDED: UploadContext = { progress: () => undefined, signal: new AbortController().signal };

/** What a mount does for the object store behind its datastore, and what fsync waits for. */
export class ObjectServices {
  readonly #uploads: UploadService;
  readonly #points: RecoveryPoints;
  readonly #presence: Presence;
  readonly #live: LiveStore;
  readonly #log: Log;
  readonly #giveUpMs: number;

  private constructor(
    { uploads, points, presence }: { uploads: UploadService; points: RecoveryPoints; presence: Presence },
    live: LiveStore,
    log: Log,
    giveUpMs: number,
  ) {
    this.#uploads = uploads;
    this.#points = points;
    this.#presence = presence;
    this.#live = live;
    this.#log = log;
    this.#giveUpMs = giveUpMs;
  }

  /** Undefined where a datastore has no object store. A collection waits for it from now on. */
  static of(
    datastore: WritableDatastore,
    live: LiveStore,
    copies: CatalogCopies,
    gc: GcService,
    log: Log,
  ): ObjectServices | undefined {
    const uploads = UploadService.of(datastore, live, log);
    if (datastore.objects === undefined || uploads === undefined) return undefined;
    const presence = new Presence(datastore.objects.remote, datastore.paths, systemClock, log);
    const isCollecting = () => gc.status().running;
    const points = new RecoveryPoints({ datastore, live, copies, uploads, clock: systemClock, log, isCollecting });
    // With a new point the one before is not needed any more, nor what only that names.
    gc.onBegin(async (context) => {
      await uploads.drain(context);
      await points.make(context);
    });
    relieveFullDisk(datastore, live, log, () => uploads.evictForRoom());
    boundQueue(datastore, live, () => uploads.queued().bytes);
    const giveUpSeconds = datastore.config.s3?.giveUpSeconds ?? DEFAULT_GIVE_UP_SECONDS;
    return new ObjectServices({ uploads, points, presence }, live, log, giveUpSeconds * 1000);
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
    this.#uploads.start();
    this.#points.start();
    this.#presence.start();
  }

  /** Uploads all that was committed before the call. @throws {CairnError} as `UploadService.drain` */
  async drain(context: UploadContext): Promise<void> {
    await this.#uploads.drain(context);
    if (this.#points.isWanted) await this.#points.make(context);
  }

  /** What an object store that cannot be had does not get now it gets with the next mount. @throws {CairnError} `interrupted` */
  async leave(context: UploadContext): Promise<void> {
    try {
      await this.#uploads.drain(context);
      await this.#points.make(context);
    } catch (error) {
      if (kindOf(error) === 'interrupted') throw error;
      this.#log.warn({ error }, 'Not everything could be uploaded; the next mount goes on with it');
    }
  }

  status(): UploadStatus {
    return { ...this.#uploads.status(), recoveryPointAt: this.#points.figures().newestAt };
  }

  /** What an operator should know. */
  problems(): Problem[] {
    return [...this.#uploads.problems(), ...this.#points.problems()];
  }

  /** Gives up what runs; resolves when nothing does. */
  async end(): Promise<void> {
    await Promise.all([this.#points.end(), this.#uploads.end(), this.#presence.end()]);
  }
}

/** Writers keep the bound on what waits to be uploaded, if there is one. */
function boundQueue({ config }: WritableDatastore, live: LiveStore, queuedBytes: () => number): void {
  const { queueBytes, whenFull } = config;
  if (queueBytes === undefined) return;
  const refusal = whenFull === 'enospc' ? `${queueBytes} bytes wait to be uploaded, as many as may` : undefined;
  live.parts.budget.boundBy({ isFull: () => queuedBytes() >= queueBytes, refusal });
}
