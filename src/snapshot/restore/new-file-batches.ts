import { makeNewFiles, type NewFile } from '../../native/new-files.js';

/** Files made in one go at most, and about how many bytes. */
const BATCH_FILES = 64;
const BATCH_BYTES = 2 * 1024 * 1024;
/** Batches under way: each of two cores has one to go on with. */
const BATCHES = 4;

interface Wanted {
  readonly file: NewFile;
  readonly made: () => void;
  readonly otherwise: () => Promise<void>;
}

/** What is done behind files: `work` unless something failed, and `always`. */
interface Task {
  readonly work: () => Promise<void>;
  readonly always: () => void;
}

/**
 * New small files on their way to the pool's threads, many at a time, and what is to be done once all before it are made.
 * What comes of them is taken in the order they came. Used by one restore.
 */
export class NewFileBatches {
  readonly #asAllowed: boolean;
  #wanted: Wanted[] = [];
  #bytes = 0;
  #tasks: Task[] = [];
  readonly #underWay: Promise<unknown>[] = [];
  #last: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;

  /** @param asAllowed as for `makeNewFiles` */
  constructor(asAllowed: boolean) {
    this.#asAllowed = asAllowed;
  }

  /**
   * Begins with a file some time; waits where too many are under way. Its folder stays open until then.
   * @param otherwise called instead of `made` where it could not be made so
   * @throws what `otherwise`, or the work of a task, of an earlier one threw
   */
  async add(file: NewFile, made: () => void, otherwise: () => Promise<void>): Promise<void> {
    this.#requireWell();
    this.#wanted.push({ file, made, otherwise });
    this.#bytes += file.content.length;
    return this.#startIfEnough();
  }

  /** Does something when all files added before are there: `work`, unless something failed, and `always`. Waits as `add`. */
  behind(work: Task['work'], always: Task['always']): Promise<void> {
    this.#tasks.push({ work, always });
    return this.#startIfEnough();
  }

  /** Resolves when nothing is left to do. @throws as `add` */
  async settled(): Promise<void> {
    await this.idle();
    this.#requireWell();
  }

  /** As `settled`, but tells of no failure. */
  async idle(): Promise<void> {
    this.#start();
    await this.#last;
  }

  #requireWell(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #startIfEnough(): Promise<void> {
    const count = Math.max(this.#wanted.length, this.#tasks.length);
    if (count < BATCH_FILES && this.#bytes < BATCH_BYTES) return;
    this.#start();
    if (this.#underWay.length >= BATCHES) await this.#underWay.shift();
  }

  #start(): void {
    const [wanted, tasks, before] = [this.#wanted, this.#tasks, this.#last];
    this.#wanted = [];
    this.#tasks = [];
    this.#bytes = 0;
    const making = this.#make(wanted);
    this.#last = before.then(async () => {
      // Whatever failed, folders are closed only when no thread works in them any more.
      const made = await making;
      await this.#unlessFailed(() => this.#takeIn(wanted, made));
      for (const { work, always } of tasks) {
        await this.#unlessFailed(work);
        always();
      }
    });
    this.#underWay.push(this.#last);
  }

  async #make(wanted: readonly Wanted[]): Promise<readonly boolean[]> {
    if (wanted.length === 0) return [];
    try {
      return await makeNewFiles(
        wanted.map(({ file }) => file),
        this.#asAllowed,
      );
    } catch (error) {
      this.#failure ??= { error };
      return [];
    }
  }

  async #takeIn(wanted: readonly Wanted[], made: readonly boolean[]): Promise<void> {
    for (const [index, { made: done, otherwise }] of wanted.entries()) {
      if (made[index] === true) done();
      else await otherwise();
    }
  }

  async #unlessFailed(work: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) return;
    try {
      await work();
    } catch (error) {
      this.#failure = { error };
    }
  }
}
