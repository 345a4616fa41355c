import { chunkFolders } from '../chunkstore/layout.js';
import { Quarantine, type QuarantinedChunk } from '../chunkstore/quarantine.js';
import { CatalogChunkStates } from '../content/catalog-chunk-states.js';
import type { LiveStore } from '../content/open-live-store.js';
import type { Problem } from '../control/commands.js';
import type { BucketOutcome, GcReport, GcRequest, GcStatus, GcUndeleted, LastGc } from '../control/gc-commands.js';
import type { Progress } from '../control/messages.js';
import { digestHex } from '../core/digest.js';
import { CairnError, kindOf } from '../core/errors.js';
import type { Log } from '../core/log.js';
import type { WritableDatastore } from '../datastore/open.js';
import { clockWasSet } from '../maintenance/gc/clock-reading.js';
import { GcOwner } from '../maintenance/gc/gc-owner.js';
import type { GcAsks, GcJobOptions } from '../maintenance/gc/gc-protocol.js';
import type { GcReport as DoneReport, QuarantineLeft } from '../maintenance/gc/plan.js';
import { runOwnedJob } from '../maintenance/job/job-owner.js';
import { type FileLock, lockFile, lockHolder } from '../native/locks.js';
import { type GcRecord, problemsOf, readClocks, readGcRecord, writeGcRecord } from './gc-record.js';
import { countGc, type GcFigures, noGcFigures } from './metrics/job-figures.js';

const JOB_SCRIPT = new URL('./gc-worker.js', import.meta.url);
const DEFAULT_GRACE_SECONDS = 24 * 3600;
/**
 * After its first collection, which lists all folders of chunks, a process lists this part of them in each. Chunk files
 * that the catalog knows nothing of come from crashes, so from before the process began, or from a few errors.
 */
const LISTED_PART = 16;

/** Who wants a collection, and how far it is. */
export interface GcContext {
  progress(progress: Progress): void;
  readonly signal: AbortSignal;
}

/** Collection of garbage in one datastore, on the thread of its catalog's writer. One runs at a time. */
export class GcService {
  readonly #datastore: WritableDatastore;
  readonly #live: LiveStore;
  readonly #log: Log;
  readonly #states: CatalogChunkStates;
  readonly #requests: () => number;
  readonly #ending = new AbortController();
  #before: (context: GcContext) => Promise<void> = () => Promise.resolve();
  #after: (context: GcContext) => Promise<BucketOutcome | null> = () => Promise.resolve(null);
  #running: Promise<GcReport> | undefined;
  #step: string | undefined;
  #isRemoving = false;
  /** How many folders of chunks have been listed; undefined: not all of them once. */
  #listed: number | undefined;
  #last: GcRecord | undefined;
  /** What the last collection left in quarantine, and how many chunks the catalog had there then. */
  #left: { readonly quarantine: QuarantineLeft; readonly quarantined: number } | undefined;
  readonly #figures = noGcFigures();

  /** @param requests how many requests the mount has had so far */
  constructor(datastore: WritableDatastore, live: LiveStore, log: Log, requests = () => 0) {
    this.#datastore = datastore;
    this.#live = live;
    this.#log = log;
    this.#requests = requests;
    const { catalog, chunks } = datastore;
    this.#states = new CatalogChunkStates({ catalog, chunks, durability: live.durability, log: live.parts.log });
  }

  /** What has to be done before chunks are removed; where it fails nothing is. */
  onBegin(before: (context: GcContext) => Promise<void>): void {
    this.#before = before;
  }

  /** What is done when chunks were removed here: the object store others use too is collected. */
  onEnd(after: (context: GcContext) => Promise<BucketOutcome | null>): void {
    this.#after = after;
  }

  /** Reads how the last collection ended, whoever ran it. */
  async load(): Promise<void> {
    this.#last = await readGcRecord(this.#datastore.paths.gcRecord);
  }

  /**
   * Collects, or only plans.
   * @throws {CairnError} `busy` while one is running, or another process writes to the datastore; `not-ready` where
   *   something says that the mark may not be whole, when nothing was removed; `interrupted` where it was given up
   */
  run(request: GcRequest, context: GcContext): Promise<GcReport> {
    if (this.#running !== undefined) {
      return Promise.reject(new CairnError('busy', 'A collection is running already: see "cairn gc status"'));
    }
    const report = this.#run(request, context).finally(() => {
      this.#running = undefined;
      this.#step = undefined;
    });
    this.#running = report;
    return report;
  }

  /** Whether chunks may be removed from here now. */
  get isRemoving(): boolean {
    return this.#isRemoving;
  }

  status(): GcStatus {
    const { chunks, storedBytes } = this.#datastore.catalog.chunks.totals('quarantined');
    return {
      running: this.#running !== undefined,
      step: this.#step ?? null,
      last: shownLast(this.#last),
      quarantined: { chunks, bytes: storedBytes },
      graceSeconds: this.#graceSeconds(null),
    };
  }

  /** What was collected since the mount began. */
  get figures(): Readonly<GcFigures> {
    return this.#figures;
  }

  /** What an operator should know. */
  problems(): Problem[] {
    return this.#last === undefined ? [] : problemsOf(this.#last);
  }

  /**
   * Brings chunks back from quarantine, the newest of each digest.
   * @param digests in hex; null: all
   * @throws {CairnError} what the first chunk failed with that could not be brought back
   */
  async undelete(digests: readonly string[] | null, { progress, signal }: GcContext): Promise<GcUndeleted> {
    this.#live.parts.log.requireWorking();
    const { backend, config } = this.#datastore;
    const quarantine = new Quarantine({ backend, prefixDigits: config.prefixDigits, states: this.#states });
    const wanted = digests === null ? undefined : new Set(digests);
    const found = await newestOfEach(quarantine, wanted);
    let restored = 0;
    for (const chunk of found.values()) {
      if (signal.aborted) throw new CairnError('interrupted', 'Given up');
      await quarantine.undelete(chunk);
      restored += 1;
      progress({ step: 'bringing chunks back', done: restored, total: found.size, unit: 'items' });
    }
    return { restored, missing: wanted === undefined ? 0 : wanted.size - found.size };
  }

  /** Gives up what runs; resolves when nothing does. */
  async end(): Promise<void> {
    this.#ending.abort();
    await this.#running?.catch(() => undefined);
  }

  async #run(request: GcRequest, context: GcContext): Promise<GcReport> {
    const graceSeconds = this.#graceSeconds(request.graceSeconds);
    await this.#lookAtClocks();
    if (request.dryRun) return { ...(await this.#job(request, graceSeconds, context)), graceSeconds, bucket: null };
    this.#live.parts.log.requireWorking();
    const lock = this.#lockOutOthers();
    try {
      await this.#before(this.#withStep(context));
      this.#isRemoving = true;
      const done = await this.#job(request, graceSeconds, context);
      this.#isRemoving = false;
      const report = { ...done, graceSeconds, bucket: await this.#after(this.#withStep(context)) };
      countGc(this.#figures, report);
      await this.#note({ endedAt: nowSeconds(), report, error: null });
      return report;
    } catch (error) {
      if (kindOf(error) !== 'interrupted') {
        this.#figures.failures += 1;
        const message = error instanceof Error ? error.message : String(error);
        await this.#note({ endedAt: this.#last?.endedAt ?? 0, report: null, error: message });
      }
      throw error;
    } finally {
      this.#isRemoving = false;
      lock.release();
    }
  }

  async #job(request: GcRequest, graceSeconds: number, { progress, signal }: GcContext): Promise<DoneReport> {
    const { catalog } = this.#datastore;
    const { durability, packer, parts } = this.#live;
    const requests = this.#requests;
    const owner = new GcOwner({ catalog, durability, packer, states: this.#states, log: parts.log, requests });
    const folders = this.#foldersToList(request);
    try {
      const result = await runOwnedJob<GcAsks>({
        script: JOB_SCRIPT,
        options: this.#jobOptions(request, graceSeconds, folders),
        handlers: owner.handlers,
        signal: AbortSignal.any([signal, this.#ending.signal]),
        onProgress: (at) => {
          this.#step = at.step;
          progress(at);
        },
      });
      const report = result as DoneReport;
      if (!request.dryRun) {
        this.#listed = (this.#listed ?? 0) + folders.length;
        this.#noteLeft(report.left);
      }
      return report;
    } catch (error) {
      this.#left = undefined;
      throw error;
    } finally {
      owner.close();
    }
  }

  #withStep({ progress, signal }: GcContext): GcContext {
    return {
      progress: (at) => {
        this.#step = at.step;
        progress(at);
      },
      signal: AbortSignal.any([signal, this.#ending.signal]),
    };
  }

  #jobOptions(request: GcRequest, graceSeconds: number, folders: readonly string[]): GcJobOptions {
    const { dryRun, full } = request;
    return {
      ...{ dryRun, full, graceSeconds, folders },
      store: this.#datastore.paths.root,
      quarantine: full ? null : this.#leftInQuarantine(),
      graceFrom: this.#last?.clockSetAt ?? 0,
      lastEndedAt: this.#last?.endedAt ?? 0,
      processStartedAt: nowSeconds() - process.uptime(),
    };
  }

  #noteLeft(quarantine: QuarantineLeft | null): void {
    const quarantined = this.#datastore.catalog.chunks.totals('quarantined').chunks;
    this.#left = quarantine === null ? undefined : { quarantine, quarantined };
  }

  /** Null where something else has changed since what is there: brought chunks back, or made room. */
  #leftInQuarantine(): QuarantineLeft | null {
    const { chunks } = this.#datastore.catalog.chunks.totals('quarantined');
    return this.#left?.quarantined === chunks ? this.#left.quarantine : null;
  }

  /** A clock that was set makes nothing older: grace periods that were running begin anew. */
  async #lookAtClocks(): Promise<void> {
    const now = await readClocks();
    if (now === undefined || this.#last === undefined || !clockWasSet(this.#last.clock, now)) return;
    this.#log.warn(
      {},
      'The clock was set since the last collection: what is in quarantine stays for a whole grace period',
    );
    const last = { ...this.#last, clock: now, clockSetAt: Math.floor(now.wallSeconds) };
    this.#last = last;
    await this.#write(last);
  }

  #foldersToList({ full }: GcRequest): string[] {
    const all = chunkFolders(this.#datastore.config.prefixDigits);
    if (full || this.#listed === undefined) return all;
    const count = all.length / LISTED_PART;
    const from = this.#listed % all.length;
    return [...all, ...all].slice(from, from + count);
  }

  /** Nobody else may put chunks here meanwhile that no index names yet (pbs-format §7.1). */
  #lockOutOthers(): FileLock {
    const { pbsLock } = this.#datastore.paths;
    const lock = lockFile(pbsLock, 'write');
    if (lock !== undefined) return lock;
    const holder = lockHolder(pbsLock, 'write');
    const who = holder === undefined ? 'Another process' : `Process ${holder}`;
    throw new CairnError('busy', `${who} is writing to the datastore (.lock is held): collect when it has ended`);
  }

  #graceSeconds(given: number | null): number {
    return given ?? this.#datastore.config.gcGraceSeconds ?? DEFAULT_GRACE_SECONDS;
  }

  async #note(last: LastGc): Promise<void> {
    const clock = await readClocks();
    this.#last = { ...last, clock, clockSetAt: this.#last?.clockSetAt ?? 0 };
    await this.#write(this.#last);
  }

  async #write(record: GcRecord): Promise<void> {
    await writeGcRecord(this.#datastore.paths.gcRecord, record).catch((error: unknown) =>
      this.#log.warn({ error }, 'The outcome of a collection cannot be recorded'),
    );
  }
}

function shownLast(record: GcRecord | undefined): LastGc | null {
  if (record === undefined) return null;
  const { endedAt, report, error } = record;
  return { endedAt, report, error };
}

async function newestOfEach(
  quarantine: Quarantine,
  wanted: ReadonlySet<string> | undefined,
): Promise<Map<string, QuarantinedChunk>> {
  const found = new Map<string, QuarantinedChunk>();
  for await (const chunk of quarantine.list()) {
    const hex = digestHex(chunk.digest);
    if (wanted !== undefined && !wanted.has(hex)) continue;
    if ((found.get(hex)?.since ?? -1) < chunk.since) found.set(hex, chunk);
  }
  return found;
}

function nowSeconds(): number {
  return Date.now() / 1000;
}
