import type { UploadTotals } from '../catalog/uploads.js';
import type { LiveStore } from '../content/open-live-store.js';
import type { Problem } from '../control/commands.js';
import type { Progress } from '../control/messages.js';
import type { UploadStatus } from '../control/upload-commands.js';
import { CairnError, kindOf } from '../core/errors.js';
import type { Log } from '../core/log.js';
import type { WritableDatastore } from '../datastore/open.js';
import type { Session } from '../datastore/shared/membership.js';
import { unpackDigests } from '../maintenance/gc/packed-digests.js';
import type { JobProgress } from '../maintenance/job/job-messages.js';
import { type AskHandlers, runOwnedJob } from '../maintenance/job/job-owner.js';
import type { UploadAsks, UploadJobOptions, UploadReport } from '../maintenance/upload/upload-protocol.js';
import { unlessGivenUp } from './given-up.js';
import type { SharedStore } from './shared/shared-store.js';
import { UnitChanges, unsharedChanges } from './shared/unit-changes.js';
import { UploadPasses } from './upload-passes.js';

const JOB_SCRIPT = new URL('./upload-worker.js', import.meta.url);
/** How often it is looked whether there is much to upload, and whether there is anything. */
const LOOK_MS = 500;
const LOOK_FOR_LITTLE_MS = 2_000;
/** So much is uploaded while more is being written: what takes long begins early. */
const MUCH_BYTES = 32 * 1024 * 1024;
/** Without chunks to upload the files of snapshots are compared so often; notes and marks change without chunks. */
const COMPARE_MS = 60_000;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 60_000;

const PASSING: ReadonlySet<string> = new Set(['not-ready', 'stale']);

/** Who waits for uploads. */
export interface UploadContext {
  progress(progress: Progress): void;
  readonly signal: AbortSignal;
}

/** Brings what is written to the object store behind a datastore, on the thread of its catalog's writer; one job at a time. */
export class UploadService {
  readonly #datastore: WritableDatastore;
  readonly #live: LiveStore;
  readonly #log: Log;
  readonly #title: string;
  readonly #shared: SharedStore | undefined;
  readonly #ending = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<UploadReport> | undefined;
  readonly #listeners = new Set<(progress: Progress) => void>();
  /** By the steady clock, in milliseconds, as all times that are waited for: the wall clock may be set. */
  #nextAt = Number.NEGATIVE_INFINITY;
  #comparedAt = Number.NEGATIVE_INFINITY;
  #lookedForLittleAt = Number.NEGATIVE_INFINITY;
  #pauseMs = FIRST_PAUSE_MS;
  #completeAt: number | null = null;
  #error: string | null = null;
  /** Since when the queue has not been empty, or this mount began. */
  #behindSince = Date.now() / 1000;
  #failures = 0;
  readonly #uploaded = { chunks: 0, bytes: 0 };

  /** Nothing of the live trees is only in the object store, and there only in snapshots. */
  #mayWithdraw = false;
  #evictions = 0;
  #isHeldUp = false;
  #toRemove = 0;
  readonly #passes = new UploadPasses();
  /** What was queued when the pass began that runs. */
  #passBytes = 0;

  private constructor(
    datastore: WritableDatastore,
    live: LiveStore,
    log: Log,
    { title, shared }: { title: string; shared: SharedStore | undefined },
  ) {
    this.#datastore = datastore;
    this.#live = live;
    this.#log = log;
    this.#title = title;
    this.#shared = shared;
  }

  /** Undefined where a datastore has no object store, or other machines may use that and this process did not join them. */
  static of(datastore: WritableDatastore, live: LiveStore, log: Log, shared?: SharedStore): UploadService | undefined {
    const { objects } = datastore;
    if (objects?.shared !== undefined && shared === undefined) return undefined;
    return objects && new UploadService(datastore, live, log, { title: objects.title, shared });
  }

  /** Uploads by itself from now on. */
  start(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  /**
   * Uploads all that was committed before the call, and does not wait for what comes after.
   * @throws {CairnError} what the object store failed with; `corrupt` where chunks are missing
   */
  async drain({ progress, signal }: UploadContext): Promise<void> {
    // A store that takes no changes could not note what was uploaded.
    if (this.#live.parts.log.failure !== undefined) return;
    await this.#live.durability.commitDurably();
    this.#listeners.add(progress);
    try {
      // The pass that runs may have begun before the commit.
      const served = this.#passes.next();
      this.#run().catch(() => undefined);
      await unlessGivenUp(served, signal, 'Given up; uploading goes on in the background');
    } finally {
      this.#listeners.delete(progress);
    }
  }

  /** Evicts some of what is in the object store too. @returns whether there was anything; false where it cannot be asked */
  async evictForRoom(): Promise<boolean> {
    try {
      const report = await this.#start(true);
      const { evictedBytes } = report;
      this.#noteEvicted(report);
      if (evictedBytes > 0) this.#log.info({ evictedBytes }, 'The disk is nearly full: chunks were evicted');
      return evictedBytes > 0;
    } catch (error) {
      this.#log.warn({ error }, 'The disk is nearly full, and no chunks can be evicted');
      return false;
    }
  }

  /** How often chunks were evicted. */
  get evictions(): number {
    return this.#evictions;
  }

  /** The live trees are in the object store as they were after so many evictions. */
  livesCopied(evictions: number): void {
    this.#mayWithdraw = evictions === this.#evictions;
  }

  /** Whether what is here passes its bound until the live trees are copied to the object store. */
  get isHeldUp(): boolean {
    return this.#isHeldUp;
  }

  /** Whether snapshots stay in the object store until the live trees are copied there. */
  get keepsWithdrawn(): boolean {
    return this.#toRemove > 0;
  }

  /** How much waits to be uploaded. */
  queued(): UploadTotals {
    return this.#datastore.catalog.uploads.totals();
  }

  status(): Omit<UploadStatus, 'recoveryPointAt' | 'shared'> {
    const { chunks, bytes } = this.queued();
    const { queueBytes = null, whenFull = 'wait', durability = 'local' } = this.#datastore.config;
    return {
      ...{ objects: this.#title, chunks, bytes, queueBytes, whenFull, durability },
      ...{ running: this.#running !== undefined, completeAt: this.#completeAt, error: this.#error },
      ...{
        behindSince: chunks === 0 ? null : this.#behindSince,
        failures: this.#failures,
        uploaded: { ...this.#uploaded },
      },
      nextTryAt: this.#error === null ? null : (Date.now() + this.#nextAt - performance.now()) / 1000,
    };
  }

  /** What an operator should know. */
  problems(): Problem[] {
    if (this.#error === null) return [];
    return [{ kind: 'upload', message: `Uploading to ${this.#title} failed: ${this.#error}` }];
  }

  /** Gives up what runs; resolves when nothing does. What is not uploaded yet is by the next mount. */
  async end(): Promise<void> {
    this.#ending.abort();
    clearInterval(this.#timer);
    await this.#running?.catch(() => undefined);
  }

  #look(): void {
    if (this.#running !== undefined || this.#live.parts.log.failure !== undefined) return;
    const { chunks, bytes } = this.queued();
    const now = performance.now();
    if (chunks === 0) this.#behindSince = Date.now() / 1000;
    if (bytes < MUCH_BYTES && now < this.#lookedForLittleAt + LOOK_FOR_LITTLE_MS) return;
    this.#lookedForLittleAt = now;
    const isDue = now >= this.#nextAt && (chunks > 0 || now >= this.#comparedAt + COMPARE_MS);
    if (isDue) this.#run().catch(() => undefined);
  }

  #run(): Promise<UploadReport> {
    this.#running ??= this.#commit()
      .then(() => this.#job())
      .finally(() => this.#commit())
      .catch((error: unknown) => {
        this.#passes.fail(error);
        throw error;
      })
      .finally(() => {
        this.#running = undefined;
        if (this.#ending.signal.aborted)
          this.#passes.fail(new CairnError('interrupted', 'The datastore is being closed'));
        // They came when it was as good as over.
        else if (this.#passes.isWanted) this.#run().catch(() => undefined);
      });
    return this.#running;
  }

  /** A job reads what was committed: without this it would find nothing of what is new, and put again what was put. */
  async #commit(): Promise<void> {
    if (this.#live.parts.log.failure === undefined) await this.#live.durability.commitDurably();
  }

  async #job(): Promise<UploadReport> {
    try {
      const report = await this.#start(false);
      const failure = failureOf(report);
      if (failure !== undefined) throw failure;
      return report;
    } catch (error) {
      if (kindOf(error) !== 'interrupted') this.#failed(error);
      throw error;
    }
  }

  /** @param onlyEvict uploads nothing, and evicts although the bound holds */
  async #start(onlyEvict: boolean): Promise<UploadReport> {
    const shared = this.#shared;
    const session = onlyEvict ? undefined : await shared?.ensure(this.#ending.signal);
    const changes = session && new UnitChanges(session);
    const options: UploadJobOptions = {
      ...{ store: this.#datastore.paths.root, onlyEvict, isShared: shared !== undefined },
      ...{ machine: shared?.machine ?? '', mayWithdraw: this.#mayWithdraw },
    };
    if (!onlyEvict) this.#beginPass();
    try {
      return (await runOwnedJob<UploadAsks>({
        ...{ script: JOB_SCRIPT, options, signal: this.#ending.signal },
        handlers: { ...this.#handlers(session), ...(changes?.handlers ?? unsharedChanges) },
        onProgress: (at) => this.#tell(at),
      })) as UploadReport;
    } finally {
      changes?.close();
    }
  }

  #beginPass(): void {
    this.#passBytes = this.queued().bytes;
    this.#passes.begin();
  }

  #endPass(report: UploadReport): void {
    this.#uploaded.chunks += report.chunks;
    this.#uploaded.bytes += report.bytes;
    const failure = failureOf(report);
    if (!report.isCut) {
      this.#noteEvicted(report);
      this.#toRemove = report.filesToRemove;
      if (failure === undefined) {
        this.#error = null;
        this.#completeAt = Date.now() / 1000;
        this.#comparedAt = performance.now();
        this.#pauseMs = FIRST_PAUSE_MS;
      }
    }
    this.#passes.end(failure);
  }

  #noteEvicted({ evictedBytes, isHeldUp }: UploadReport): void {
    if (evictedBytes > 0) {
      this.#evictions += 1;
      this.#mayWithdraw = false;
    }
    this.#isHeldUp = isHeldUp;
  }

  #tell(at: JobProgress): void {
    const progress = at.unit === 'bytes' ? { ...at, total: Math.max(at.done, this.#passBytes) } : at;
    for (const listener of this.#listeners) listener(progress);
  }

  #failed(error: unknown): void {
    this.#failures += 1;
    const message = error instanceof Error ? error.message : String(error);
    // What ends by itself, and soon.
    const isPassing = PASSING.has(kindOf(error));
    if (message !== this.#error)
      this.#log[isPassing ? 'debug' : 'warn']({ error }, 'Uploading failed; it is tried again');
    this.#error = message;
    this.#comparedAt = Number.NEGATIVE_INFINITY;
    this.#nextAt = performance.now() + this.#pauseMs;
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2);
  }

  /** @param session under which all of the job is done, where others may use the object store */
  #handlers(session: Session | undefined): Omit<AskHandlers<UploadAsks>, 'begin-change' | 'end-change'> {
    const { uploads } = this.#datastore.catalog;
    return {
      usable: (digests) => {
        const current = requireCurrent(session);
        return unpackDigests(digests).map((digest) => current.answers.mayUse(digest));
      },
      'take-group': (group) => {
        const current = requireCurrent(session);
        return this.#shared?.writers.mayWrite(current, group) ?? true;
      },
      ended: async (ended) => {
        await this.#turn();
        if (session !== undefined) requireCurrent(session);
        uploads.end(ended);
        return this.#passes.isInTheWay;
      },
      files: async ({ put, removed }) => {
        await this.#turn();
        if (session !== undefined) requireCurrent(session);
        uploads.noteFiles(put, removed);
        return null;
      },
      again: async (report) => {
        this.#endPass(report);
        const isMuch = report.chunks > 0 && this.queued().bytes >= MUCH_BYTES;
        if (!this.#passes.isWanted && !isMuch) return null;
        await this.#commit();
        this.#beginPass();
        return { mayWithdraw: this.#mayWithdraw };
      },
      commit: async () => {
        if (session !== undefined) await this.#live.durability.commitDurably();
        else await this.#live.durability.commitWith({ before: () => undefined, after: () => Promise.resolve() });
        return null;
      },
    };
  }

  async #turn(): Promise<void> {
    await this.#live.parts.log.backgroundTurn();
    this.#live.parts.log.requireWorking();
  }
}

/** @throws {CairnError} `stale` where it is over: what was found out in it proves nothing any more */
function requireCurrent(session: Session | undefined): Session {
  if (session?.isCurrent === true) return session;
  throw new CairnError('stale', 'Other machines took this one for dead meanwhile; it joins again');
}

/** Why not everything is uploaded that was to be. */
function failureOf({ missing, waiting }: UploadReport): CairnError | undefined {
  if (missing > 0) return new CairnError('corrupt', missingChunks(missing));
  return waiting > 0 ? new CairnError('not-ready', waitingChunks(waiting)) : undefined;
}

function missingChunks(count: number): string {
  return `${count} chunks are neither in the datastore's folder nor in the object store: run "cairn verify"`;
}

function waitingChunks(count: number): string {
  return `${count} chunks are put when the collection of the object store has ended`;
}
