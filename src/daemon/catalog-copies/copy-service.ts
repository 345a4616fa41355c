import { Worker } from 'node:worker_threads';
import type { Problem } from '../../control/commands.js';
import type { Log } from '../../core/log.js';
import type { Clock } from '../../core/time.js';
import type { WritableDatastore } from '../../datastore/open.js';
import { type CatalogCopy, listCatalogCopies } from './copy-files.js';
import type { CopyWorkerMessage, CopyWorkerOptions } from './copy-worker.js';

const SCRIPT = new URL('./copy-worker.js', import.meta.url);
const INTERVAL_SECONDS = 3600;
/** How often the time is looked at. */
const LOOK_MILLISECONDS = 60_000;

/** What is told of copies in the status. Times in seconds since 1970. */
export interface CopyFigures {
  readonly count: number;
  readonly bytes: number;
  /** When the newest was made; null: there is none. */
  readonly newestAt: number | null;
}

/** What copies are made of. */
type CopySources = Pick<WritableDatastore, 'paths' | 'reserve'> & {
  readonly catalog: {
    readonly transactions: { appliedSequence(): number };
    readonly journalRefs: { oldestSegment(): number | undefined };
  };
};

/** Brings file bytes from the journal into chunks, as far as it can, and commits. */
export type EmptyJournal = () => Promise<void>;

/**
 * Makes a copy of the catalog every hour in which something was committed, soon after the start where the last one may need
 * the journal of before, and one at the end, each on a thread of its own that takes its time. On the thread of the catalog's writer.
 */
export class CatalogCopies {
  readonly #datastore: CopySources;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #emptyJournal: EmptyJournal;
  readonly #unhurried = new Int32Array(new SharedArrayBuffer(4));
  #copies: readonly CatalogCopy[] = [];
  #failure: string | undefined;
  /** When this process made the newest, by the clock: its name may be from the future. */
  #madeAt: number | undefined;
  /** Whether the newest copy may need segments of the journal that go as soon as their bytes are in chunks. */
  #needsJournal: boolean;
  #journalTold = false;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  private constructor(datastore: CopySources, emptyJournal: EmptyJournal, clock: Clock, log: Log) {
    this.#datastore = datastore;
    this.#emptyJournal = emptyJournal;
    this.#clock = clock;
    this.#log = log;
    this.#needsJournal = datastore.catalog.journalRefs.oldestSegment() !== undefined;
    this.#unhurried[0] = 1;
  }

  static async open(
    datastore: CopySources,
    emptyJournal: EmptyJournal,
    clock: Clock,
    log: Log,
  ): Promise<CatalogCopies> {
    const copies = new CatalogCopies(datastore, emptyJournal, clock, log);
    await copies.#load();
    return copies;
  }

  /** Looks what there is. Where that cannot be done, a warning is all. */
  async #load(): Promise<void> {
    try {
      this.#copies = await listCatalogCopies(this.#datastore.paths.catalogCopies);
    } catch (error) {
      this.#log.warn({ error }, 'The copies of the catalog cannot be listed');
    }
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_MILLISECONDS);
    this.#timer.unref();
  }

  figures(): CopyFigures {
    const bytes = this.#copies.reduce((sum, copy) => sum + copy.bytes, 0);
    return { count: this.#copies.length, bytes, newestAt: this.#copies[0]?.madeAt ?? null };
  }

  /** The newest copy. */
  get newest(): CatalogCopy | undefined {
    return this.#copies[0];
  }

  /** What an operator should know. */
  problems(): Problem[] {
    return this.#failure === undefined ? [] : [{ kind: 'catalog-copy', message: this.#failure }];
  }

  /** No more are made on time; resolves when none is under way. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    Atomics.store(this.#unhurried, 0, 0);
    Atomics.notify(this.#unhurried, 0);
    await this.#running;
  }

  /** Makes one where something was committed since the newest; never rejects. */
  async makeIfChanged(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    if (this.#isChanged()) await this.#begin(() => this.#make());
  }

  #look(): void {
    if (this.#running !== undefined) return;
    const age = this.#clock.now().seconds - (this.#madeAt ?? this.#copies[0]?.madeAt ?? Number.NEGATIVE_INFINITY);
    // From the future: the clock was set back.
    const isDue = (age < 0 || age >= INTERVAL_SECONDS) && this.#isChanged();
    if (isDue || this.#needsJournal) void this.#begin(() => this.#makeWithoutJournal(isDue));
  }

  #begin(make: () => Promise<void>): Promise<void> {
    this.#running = make().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /**
   * What is in no chunk when a copy is made is lost to it when the journal goes on: so where the journal cannot be emptied,
   * that is tried again at each look, and a copy made when it was, or when one is due all the same.
   */
  async #makeWithoutJournal(isDue: boolean): Promise<void> {
    const isEmptied = await this.#emptied();
    if (this.#isChanged() && (isEmptied || isDue)) {
      await this.#make();
      if (this.#failure !== undefined) return;
    }
    this.#needsJournal = !isEmptied;
  }

  async #emptied(): Promise<boolean> {
    try {
      await this.#emptyJournal();
      this.#journalTold = false;
      return true;
    } catch (error) {
      if (!this.#journalTold) this.#log.warn({ error }, 'A copy of the catalog needs the journal for some files');
      this.#journalTold = true;
      return false;
    }
  }

  #isChanged(): boolean {
    return this.#copies[0]?.appliedSequence !== this.#datastore.catalog.transactions.appliedSequence();
  }

  async #make(): Promise<void> {
    const { paths, reserve } = this.#datastore;
    const workerData: CopyWorkerOptions = {
      places: { catalog: paths.catalog, catalogCopies: paths.catalogCopies },
      nowSeconds: this.#clock.now().seconds,
      spareBytes: reserve.wantedBytes,
      haste: this.#unhurried.buffer as SharedArrayBuffer,
    };
    try {
      const worker = new Worker(SCRIPT, { workerData });
      const message = await answerOf(worker);
      this.#failure = message.kind === 'failed' ? message.message : undefined;
      if (message.kind === 'made') this.#madeAt = workerData.nowSeconds;
      if (message.kind === 'no-room')
        this.#log.info(message, 'No copy of the catalog was made: the disk is nearly full');
    } catch (error) {
      this.#failure = `The catalog cannot be copied: ${(error as Error).message}`;
    }
    if (this.#failure !== undefined) this.#log.warn({}, this.#failure);
    await this.#load();
  }
}

/** What the thread answers. @throws what it failed with, also where it ends without an answer */
function answerOf(worker: Worker): Promise<CopyWorkerMessage> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the thread ended before it was done')));
  });
}
