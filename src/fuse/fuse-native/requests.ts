import { constants } from 'node:os';
import type { Log } from '../../core/log.js';
import type { Awaitable, Caller } from '../../vfs/api.js';
import { errnoOf, isWorthLogging } from '../errno.js';
import type { Done } from './package.js';

/** Who asks, and with what umask. */
export interface PathCaller extends Caller {
  readonly umask: number;
}

/** The requests of a mount: each is answered once, with what its work gives or with an errno. One thread. */
export class Requests {
  readonly #callerOf: () => PathCaller;
  readonly #log: Log;
  readonly #byOperation = new Map<string, number>();
  /** Those that wait for `resume`, in order; undefined while none has to. */
  #waiting: (() => void)[] | undefined = [];
  #closed = false;
  #replies = 0;
  #unanswered = 0;

  /** Holds everything back until `resume`. @param callerOf who asks, as long as an operation is being called */
  constructor(callerOf: () => PathCaller, log: Log) {
    this.#callerOf = callerOf;
    this.#log = log;
  }

  /**
   * Answers with success and what `work` gives, or with the errno of what it throws.
   * @param operation its name in the protocol (`LOOKUP`)
   */
  answer<T>(operation: string, done: Done, work: (caller: PathCaller) => Awaitable<T>): void {
    this.#take(operation, done, work, (value) => done(0, value));
  }

  /** The same for what gives a number of bytes. */
  answerCount(operation: string, done: Done, work: (caller: PathCaller) => Awaitable<number>): void {
    this.#take(operation, done, work, (count) => done(count));
  }

  pause(): void {
    this.#waiting ??= [];
  }

  resume(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const begin of waiting) begin();
  }

  /** Answers what waits and what comes with an error. */
  close(): void {
    this.#closed = true;
    this.resume();
  }

  counters(): { requests: number; replies: number; unanswered: number; byOperation: Record<string, number> } {
    const [replies, unanswered] = [this.#replies, this.#unanswered];
    return { requests: replies + unanswered, replies, unanswered, byOperation: Object.fromEntries(this.#byOperation) };
  }

  #take<T>(
    operation: string,
    done: Done,
    work: (caller: PathCaller) => Awaitable<T>,
    succeed: (value: T) => void,
  ): void {
    this.#unanswered++;
    this.#byOperation.set(operation, (this.#byOperation.get(operation) ?? 0) + 1);
    const caller = this.#callerOf();
    const begin = () => void this.#run(operation, done, () => work(caller), succeed);
    if (this.#waiting === undefined) begin();
    else this.#waiting.push(begin);
  }

  /** Never fails: an error thrown into the package would end the process. */
  async #run<T>(operation: string, done: Done, work: () => Awaitable<T>, succeed: (value: T) => void): Promise<void> {
    try {
      if (this.#closed) {
        done(-constants.errno.ENOTCONN);
      } else {
        succeed(await work());
      }
    } catch (error) {
      if (isWorthLogging(error)) this.#log.error({ error, operation }, `A ${operation} request failed`);
      done(-errnoOf(error));
    } finally {
      this.#unanswered--;
      this.#replies++;
    }
  }
}
