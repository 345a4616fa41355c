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
  readonly waiting: { answer(run: ScheduledRun): void; refuse(error: CairnError): void }[];
}

/** When a job runs next, and by which schedule. */
interface Due {
  readonly when: string;
  readonly at: number;
}

/** Runs jobs at their times, one at a time. All methods return at once but where they say otherwise. */
export class Scheduler {
  readonly #parts: SchedulerParts;
  readonly #due = new Map<string, Due>();
  readonly #queue: Queued[] = [];
  #running: { readonly key: string; readonly ended: Promise<void> } | undefined;
  readonly #stopped = new AbortController();
  #cancelAlarm: () => void = () => undefined;

  constructor(parts: SchedulerParts) {
    this.#parts = parts;
  }

  /** Plans all jobs at the start: what was due while nobody was there is made up for. */
  start(): void {
    this.#plan((key, when, now) => this.#missed(key, when, now) ?? this.#nextDue(key, when, now));
  }

  /**
   * Goes by a schedule that was changed. What it leaves as it was stays due when it is: it may be there to be made up for, or
   * its time be past and only its delay not.
   */
  replan(): void {
    const before = new Map(this.#due);
    this.#plan((key, when, now) => {
      const next = this.#nextDue(key, when, now);
      const planned = before.get(key);
      return next === undefined || planned?.when !== when ? next : Math.min(next, planned.at);
    });
  }

  /** When the job runs next; undefined where that is not known. */
  nextRun(key: string): number | undefined {
    return this.#due.get(key)?.at;
  }

  isRunning(key: string): boolean {
    return this.#running?.key === key;
  }

  /** Runs a job as soon as no other runs. @returns how it ended @throws {CairnError} `interrupted` where `stop` came first */
  run(task: Pick<Scheduled, 'key' | 'job' | 'group'>): Promise<ScheduledRun> {
    if (this.#stopped.signal.aborted) return Promise.reject(mountEnds());
    return new Promise((answer, refuse) => {
      const queued = this.#queue.find(({ task: other }) => other.key === task.key && other.group === task.group);
      if (queued === undefined) this.#queue.push({ task, waiting: [{ answer, refuse }] });
      else queued.waiting.push({ answer, refuse });
      this.#next();
    });
  }

  /** Runs nothing more; resolves when the job under way has given up. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#cancelAlarm();
    for (const { waiting } of this.#queue.splice(0)) for (const { refuse } of waiting) refuse(mountEnds());
    await this.#running?.ended;
  }

  #plan(dueOf: (key: string, when: string, now: number) => number | undefined): void {
    const now = this.#parts.alarm.now();
    this.#due.clear();
    for (const { key, when } of this.#parts.scheduled()) {
      const at = dueOf(key, when, now);
      if (at !== undefined) this.#due.set(key, { when, at });
    }
    this.#setAlarm();
  }

  /** The next time of a schedule, as late behind it as this store is; undefined where it has none. */
  #nextDue(key: string, when: string, now: number): number | undefined {
    const next = nextTime(when, now);
    return next === undefined ? undefined : next + this.#jitter(key, when, now);
  }

  /** When a run that should have been is made up for; undefined where none should. */
  #missed(key: string, when: string, now: number): number | undefined {
    const last = this.#parts.last.get(key);
    const missed = last === undefined ? undefined : nextTime(when, last.startedAt * 1000);
    return missed !== undefined && missed + this.#jitter(key, when, now) < now ? now + CATCH_UP_MS : undefined;
  }

  #jitter(key: string, when: string, now: number): number {
    return jitterMs(`${this.#parts.seed} ${key}`, when, now);
  }

  #setAlarm(): void {
    this.#cancelAlarm();
    const times = [...this.#due.values()].map(({ at }) => at);
    if (this.#stopped.signal.aborted || times.length === 0) return;
    this.#cancelAlarm = this.#parts.alarm.at(Math.min(...times), () => this.#wake());
  }

  #wake(): void {
    const now = this.#parts.alarm.now();
    for (const task of this.#parts.scheduled()) {
      const due = this.#due.get(task.key);
      if (due === undefined || due.at > now) continue;
      const next = this.#nextDue(task.key, task.when, now);
      if (next === undefined) this.#due.delete(task.key);
      else this.#due.set(task.key, { when: task.when, at: next });
      this.run(task).catch((error: unknown) => this.#parts.log.debug({ error }, `Scheduled ${task.key} did not run`));
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
    for (const { answer } of waiting) answer(ended);
  }
}

function mountEnds(): CairnError {
  return new CairnError('interrupted', 'The mount is ending');
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
