import type { LiveStore } from '../content/open-live-store.js';
import type { Problem } from '../control/commands.js';
import { type Digest, digestFromHex, digestHex } from '../core/digest.js';
import { CairnError, kindOf } from '../core/errors.js';
import type { Log } from '../core/log.js';
import type { WritableDatastore } from '../datastore/open.js';
import type { DamagedChunk } from '../maintenance/damage/damage-map.js';
import { Busyness } from '../maintenance/job/busyness.js';
import { CareThread } from '../maintenance/job/care-thread.js';
import type { JobProgress } from '../maintenance/job/care-writes.js';
import type { CareJobName, CareOptions, CareReport } from '../maintenance/job/protocol.js';
import type { SnapshotFindings } from '../maintenance/verify/snapshot-files.js';
import type { SnapshotMarks } from '../snapshot/marks.js';
import { CatalogCareWrites } from './care-writes.js';
import { failedSnapshots } from './failed-snapshots.js';
import { type CareFigures, countCare, noCareFigures } from './metrics/job-figures.js';

const SCRIPT = new URL('./care-worker.js', import.meta.url);
/** How often a running job is told whether others are busy, and after how long healing is tried again. */
const TICK_MILLISECONDS = 250;
const TICKS_BETWEEN_HEALINGS = 120;
/** More chunks that readers could not have are left to the next scrub. */
const MAX_SUSPECTS = 10_000;
const MAX_PROBLEMS = 100;
const SHOWN_FILES = 5;

/** What a job is run with. */
export interface CareCallOptions {
  readonly bytesPerSecond?: number | null;
  readonly onProgress?: (progress: JobProgress) => void;
  /** Ends the job at its next step. */
  readonly signal?: AbortSignal;
}

/** What the service works on. */
export interface VerifyParts {
  readonly datastore: WritableDatastore;
  readonly live: LiveStore;
  readonly marks: SnapshotMarks;
  readonly log: Log;
  /** How many requests the mount has had so far. */
  requests(): number;
}

/**
 * Verifies, checks and repairs one datastore, one job at a time on a thread of its own, and knows what is damaged. Lives
 * where the catalog is written.
 */
export class VerifyService {
  readonly #parts: VerifyParts;
  readonly #writes: CatalogCareWrites;
  readonly #damaged = new Map<string, DamagedChunk>();
  readonly #suspects = new Map<string, Digest>();
  #last: Promise<unknown> = Promise.resolve();
  #running: CareThread | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #busyness = new Busyness(0);
  #ticks = 0;
  #healedAt = -1;
  #ended = false;
  readonly #figures = noCareFigures();

  constructor(parts: VerifyParts) {
    this.#parts = parts;
    this.#writes = new CatalogCareWrites(parts.datastore, parts.live, parts.marks);
  }

  /** Names what is damaged from earlier days, and from now on heals it when its content is written again. */
  start(): void {
    this.#timer = setInterval(() => this.#tick(), TICK_MILLISECONDS);
    this.#timer.unref();
    this.#parts.datastore.chunks.onDamage(({ digest }) => this.suspect(digest));
    if (this.#badChunks() > 0) this.#inBackground('repair', { from: null, apply: true });
  }

  /**
   * Runs a job when those before it have ended.
   * @throws {CairnError} `read-only` for jobs that write where nothing can be; `interrupted`; what the job gives
   */
  run<J extends CareJobName>(job: J, options: CareOptions<J>, call: CareCallOptions = {}): Promise<CareReport<J>> {
    const running = this.#last.then(() => this.#run(job, options, call));
    this.#last = running.catch(() => undefined);
    return running;
  }

  /** A reader could not have this chunk: it is looked at soon. */
  suspect(digest: Digest): void {
    if (this.#ended || this.#suspects.size >= MAX_SUSPECTS || this.#parts.live.parts.log.failure !== undefined) return;
    const state = this.#parts.datastore.catalog.chunks.find(digest)?.state;
    const key = digestHex(digest);
    if (state === 'absent' || state === 'quarantined' || this.#damaged.has(key)) return;
    this.#suspects.set(key, Uint8Array.from(digest));
    if (this.#suspects.size === 1) this.#inBackground('suspects', undefined);
  }

  /** Has backends get what snapshots consist of besides chunks, in the background. */
  copyIndexes(): void {
    if (!this.#ended) this.#inBackground('copy-indexes', {});
  }

  /** What was verified and repaired since the mount began. */
  get figures(): Readonly<CareFigures> {
    return this.#figures;
  }

  /** What an operator should know, one line per damaged chunk and snapshot. */
  problems(): Problem[] {
    return [...this.#damagedChunks(), ...this.#failedSnapshots()];
  }

  #failedSnapshots(): Problem[] {
    try {
      return failedSnapshots(this.#parts.datastore.catalog);
    } catch (error) {
      if (!(error instanceof CairnError)) throw error;
      // A catalog that cannot be read is told of by who changes it.
      return [];
    }
  }

  #damagedChunks(): Problem[] {
    const { chunks } = this.#parts.datastore.catalog;
    for (const key of this.#damaged.keys()) {
      if (chunks.find(digestFromHex(key))?.state !== 'bad') this.#damaged.delete(key);
    }
    const named = [...this.#damaged.values()].slice(0, MAX_PROBLEMS).map(problemOf);
    const more = this.#badChunks() - named.length;
    if (more <= 0) return named;
    const which = named.length === 0 ? `${more}` : `${more} more`;
    const message = `${which} chunks are damaged: "cairn repair" names the files concerned`;
    return [...named, { kind: 'damaged-chunks', message }];
  }

  /** Ends what runs and takes no more; resolves when nothing is under way. */
  async end(): Promise<void> {
    this.#ended = true;
    clearInterval(this.#timer);
    this.#running?.cancel();
    await this.#last;
  }

  async #run<J extends CareJobName>(job: J, options: CareOptions<J>, call: CareCallOptions): Promise<CareReport<J>> {
    this.#refuseGivenUp(call.signal);
    await this.#commitBefore(job);
    this.#refuseGivenUp(call.signal);
    const store = this.#parts.datastore.paths.root;
    const task = { store, bytesPerSecond: call.bytesPerSecond ?? null, job, options };
    const thread = new CareThread(SCRIPT, task, this.#writes, (progress) => call.onProgress?.(progress));
    const cancel = (): void => thread.cancel();
    call.signal?.addEventListener('abort', cancel, { once: true });
    thread.busy = this.#busyness.busy;
    this.#running = thread;
    try {
      const report = (await thread.report) as CareReport<J>;
      countCare(this.#figures, job, report);
      this.#learn(report);
      // Repairs look at what is known, each time something may have been put back.
      if (job !== 'repair') this.#tellOfSnapshots(report);
      return report;
    } finally {
      this.#running = undefined;
      call.signal?.removeEventListener('abort', cancel);
    }
  }

  #refuseGivenUp(signal: AbortSignal | undefined): void {
    if (this.#ended || signal?.aborted) throw new CairnError('interrupted', 'Given up');
  }

  /** Jobs read what is committed. A check looks at a store that cannot commit any more, too. */
  async #commitBefore(job: CareJobName): Promise<void> {
    const { log, live } = this.#parts;
    if (job !== 'check') live.parts.log.requireWorking();
    try {
      await this.#writes.commit();
    } catch (error) {
      if (job !== 'check') throw error;
      log.warn({ error }, 'What is checked is the last commit, as none can be made now');
    }
  }

  #learn(report: object): void {
    const chunks = 'damaged' in report ? report.damaged : 'chunks' in report ? report.chunks : undefined;
    if (!Array.isArray(chunks)) return;
    for (const chunk of chunks as DamagedChunk[]) {
      const isNew = !this.#damaged.has(chunk.digest);
      this.#damaged.set(chunk.digest, chunk);
      if (isNew) this.#parts.log.error({ files: chunk.files.slice(0, SHOWN_FILES) }, problemOf(chunk).message);
    }
  }

  #tellOfSnapshots(report: object): void {
    if (!('snapshots' in report) || !Array.isArray(report.snapshots)) return;
    for (const { group, time, problems } of report.snapshots as SnapshotFindings[]) {
      if (problems.length > 0) this.#parts.log.error({ problems }, `Snapshot ${group}/${time} is damaged`);
    }
  }

  #inBackground<J extends CareJobName>(job: J, options: CareOptions<J> | undefined): void {
    const ready = this.#last.then((): Promise<unknown> => {
      if (options !== undefined) return this.#run(job, options, {});
      const digests = [...this.#suspects.values()];
      this.#suspects.clear();
      return this.#run('suspects', { digests }, {});
    });
    this.#last = ready.catch((error: unknown) => {
      if (kindOf(error) !== 'interrupted') this.#parts.log.warn({ error }, 'Damaged chunks cannot be looked after');
    });
  }

  #tick(): void {
    const requests = this.#parts.requests();
    this.#busyness.look(requests);
    if (this.#running !== undefined) this.#running.busy = this.#busyness.busy;
    this.#ticks += 1;
    if (this.#ticks % TICKS_BETWEEN_HEALINGS === 0) this.#heal();
  }

  /** Once more, if anything was written since: what was damaged may be there again. */
  #heal(): void {
    const { log } = this.#parts.live.parts;
    if (this.#running !== undefined || log.failure !== undefined || this.#badChunks() === 0) return;
    if (log.lastSequence === this.#healedAt) return;
    this.#healedAt = log.lastSequence;
    this.#inBackground('repair', { from: null, apply: true });
  }

  #badChunks(): number {
    return this.#parts.datastore.catalog.chunks.totals('bad').chunks;
  }
}

function problemOf({ digest, condition, files, moreFiles }: DamagedChunk): Problem {
  const state = { absent: 'missing', corrupt: 'corrupt', unreadable: 'unreadable' }[condition];
  const more = files.length - SHOWN_FILES + moreFiles;
  const shown = files.slice(0, SHOWN_FILES).join(', ') + (more > 0 ? ` and ${more} more` : '');
  const concerns = files.length === 0 ? 'nothing that is known needs it' : `damaged by that: ${shown}`;
  const advice = 'write these files again (rsync -aI) or run "cairn repair --from FOLDER"';
  return {
    kind: 'damaged-chunk',
    message: `Chunk ${digest.slice(0, 16)}… is ${state}; ${concerns}${files.length === 0 ? '' : `: ${advice}`}`,
  };
}
