import type { ScheduledRun } from '../../control/schedule-commands.js';
import { CairnError, kindOf } from '../../core/errors.js';
import type { Log } from '../../core/log.js';
import { jitterMs, nextTime } from './when.js';

/** A job and when it runs. `key` is its name, with the group where it has one: `snapshot host/web1`. */
export interface Scheduled {
  readonly key: string;
  readonly job: string;
  readonly group: string | null;
  readonly when: string;
}

/** What a job did, in a few words; `skipped` where there was nothing to do. */
export interface JobOutcome {
  readonly outcome: 'done' | 'skipped';
  readonly message: string;
}

/** Does one job, until the signal says to give up. */
export type RunJob = (group: string | null, signal: AbortSignal) => Promise<JobOutcome>;

/** Time as the scheduler sees it; tests bring their own. Epoch milliseconds. */
export interface Alarm {
  now(): number;
  /** Calls back once, not before the time. @returns what takes that back */
  at(timeMs: number, wake: () => void): () => void;
}

export interface SchedulerParts {
  readonly alarm: Alarm;
  readonly log: Log;
  readonly jobs: Readonly<Record<string, RunJob>>;
  /** What is scheduled now. */
  scheduled(): readonly Scheduled[];
  /** How jobs last ended, by key; kept over restarts. */
  readonly last: Map<string, ScheduledRun>;
  /** A run has ended and is in `last`. */
  ended(task: Pick<Scheduled, 'key' | 'job' | 'group'>, run: ScheduledRun): Promise<void>;
  /** Differs from store to store. */
  readonly seed: string;
}

/** A run missed while no daemon was there is made up for this long after the start. */
const CATCH_UP_MS = 5 * 60 * 1000;

interface Queued {
  readonly task: Pick<Scheduled, 'key' | 'job' | 'group'>;
  readonly waiting: ((run: ScheduledRun) => void)[];
}

/** Runs jobs at their times, one at a time. All methods return at once but where they say otherwise. */
export class Scheduler {
  readonly #parts: SchedulerParts;
  readonly #due = new Map<string, number>();
  readonly #queue: Queued[] = [];
  #running: { readonly key: string; readonly ended: Promise<void> } | undefined;
  readonly #stopped = new AbortController();
  #cancelAlarm: () => void = () => undefined;

  constructor(parts: SchedulerParts) {
    this.#parts = parts;
  }

  /** Plans all jobs anew: at the start, and when what is scheduled has changed. */
  plan(): void {
    const now = this.#parts.alarm.now();
    const before = new Map(this.#due);
    this.#due.clear();
    for (const { key, when } of this.#parts.scheduled()) {
      const due = this.#dueOf(key, when, now);
      if (due !== undefined) this.#due.set(key, Math.min(due, before.get(key) ?? due));
    }
    this.#setAlarm();
  }

  /** When the job runs next; undefined where that is not known. */
  nextRun(key: string): number | undefined {
    return this.#due.get(key);
  }

  isRunning(key: string): boolean {
    return this.#running?.key === key;
  }

  /** Runs a job as soon as no other runs. @returns how it ended @throws {CairnError} `interrupted` after `stop` */
  run(task: Pick<Scheduled, 'key' | 'job' | 'group'>): Promise<ScheduledRun> {
    if (this.#stopped.signal.aborted) return Promise.reject(new CairnError('interrupted', 'The mount is ending'));
    return new Promise((resolve) => {
      const queued = this.#queue.find(({ task: other }) => other.key === task.key && other.group === task.group);
      if (queued === undefined) this.#queue.push({ task, waiting: [resolve] });
      else queued.waiting.push(resolve);
      this.#next();
    });
  }

  /** Runs nothing more; resolves when the job under way has given up. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#cancelAlarm();
    this.#queue.length = 0;
    await this.#running?.ended;
  }

  /** What was due while nobody was there is made up for. */
  #dueOf(key: string, when: string, now: number): number | undefined {
    const later = jitterMs(`${this.#parts.seed} ${key}`, when, now);
    const last = this.#parts.last.get(key);
    const next = nextTime(when, now);
    if (next === undefined) return undefined;
    const missed = last === undefined ? undefined : nextTime(when, last.startedAt * 1000);
    if (missed !== undefined && missed + later < now) return now + CATCH_UP_MS;
    return next + later;
  }

  #setAlarm(): void {
    this.#cancelAlarm();
    if (this.#stopped.signal.aborted || this.#due.size === 0) return;
    this.#cancelAlarm = this.#parts.alarm.at(Math.min(...this.#due.values()), () => this.#wake());
  }

  #wake(): void {
    const now = this.#parts.alarm.now();
    for (const task of this.#parts.scheduled()) {
      const due = this.#due.get(task.key);
      if (due === undefined || due > now) continue;
      const next = nextTime(task.when, now);
      const later = jitterMs(`${this.#parts.seed} ${task.key}`, task.when, now);
      if (next === undefined) this.#due.delete(task.key);
      else this.#due.set(task.key, next + later);
      void this.run(task);
    }
    this.#setAlarm();
  }

  #next(): void {
    if (this.#running !== undefined || this.#stopped.signal.aborted) return;
    const queued = this.#queue.shift();
    if (queued === undefined) return;
    const ended = this.#perform(queued).finally(() => {
      this.#running = undefined;
      this.#next();
    });
    this.#running = { key: queued.task.key, ended };
  }

  async #perform({ task, waiting }: Queued): Promise<void> {
    const { alarm, jobs, last, log } = this.#parts;
    const startedAt = alarm.now() / 1000;
    const run = await outcomeOf(jobs[task.job], task.group, this.#stopped.signal);
    const ended: ScheduledRun = { startedAt, endedAt: alarm.now() / 1000, ...run };
    last.set(task.key, ended);
    if (run.outcome === 'failed') log.error({ job: task.key }, `Scheduled ${task.key} failed: ${run.message}`);
    else log.info({ job: task.key, outcome: run.outcome }, `Scheduled ${task.key}: ${run.message}`);
    await this.#parts.ended(task, ended).catch((error: unknown) => log.warn({ error }, 'Schedule: cannot note a run'));
    for (const resolve of waiting) resolve(ended);
  }
}

async function outcomeOf(
  job: RunJob | undefined,
  group: string | null,
  signal: AbortSignal,
): Promise<Pick<ScheduledRun, 'outcome' | 'message'>> {
  try {
    if (job === undefined) throw new CairnError('unsupported', 'There is no such job');
    return await job(group, signal);
  } catch (error) {
    // Somebody does the same by hand, or the mount ends: nothing is wrong.
    const passing = signal.aborted || ['busy', 'interrupted', 'unreachable'].includes(kindOf(error));
    return { outcome: passing ? 'skipped' : 'failed', message: error instanceof Error ? error.message : String(error) };
  }
}
