import type { CommandArguments, Problem } from '../../control/commands.js';
import type { ScheduledRun, ScheduleEntry } from '../../control/schedule-commands.js';
import { CairnError } from '../../core/errors.js';
import { groupPath, parseGroupPath } from '../../core/group.js';
import type { Log } from '../../core/log.js';
import { readConfig } from '../../datastore/config.js';
import { writeJson } from '../../datastore/json-file.js';
import type { DatastorePaths } from '../../datastore/paths.js';
import { changeSettings, readSettings, type Settings } from '../../datastore/settings.js';
import { runFailureHook } from './failure-hook.js';
import { type Alarm, type RunJob, type Scheduled, Scheduler } from './scheduler.js';
import { DEFAULT_TIMES, failedJobs, failedRaises, RAISE, readLastRuns, scheduledBy } from './stored-schedule.js';
import { AFTER_SNAPSHOT, checkWhen } from './when.js';

const SNAPSHOT = 'snapshot';

export interface ScheduleParts {
  readonly paths: DatastorePaths;
  readonly mountpoint: string;
  /** Where nothing may be changed nothing runs by itself. */
  readonly readOnly: boolean;
  readonly uuid: string;
  readonly alarm: Alarm;
  readonly log: Log;
  readonly jobs: Readonly<Record<string, RunJob>>;
  /** In place of the command in the settings. */
  readonly onFailure: string | null;
}

/** What runs by itself in one daemon: settings, the scheduler, and how runs ended. */
export class ScheduleService {
  readonly #parts: ScheduleParts;
  readonly #scheduler: Scheduler;
  readonly #last: Map<string, ScheduledRun>;
  #settings: Settings;
  #changing: Promise<unknown> = Promise.resolve();

  /** @throws {CairnError} `corrupt` where the settings make no sense */
  constructor(parts: ScheduleParts) {
    this.#parts = parts;
    this.#settings = readSettings(parts.paths);
    this.#last = readLastRuns(parts.paths);
    this.#scheduler = new Scheduler({
      ...{ alarm: parts.alarm, log: parts.log, jobs: parts.jobs, last: this.#last, seed: parts.uuid },
      scheduled: () => scheduledBy(this.#settings),
      ended: (task, run) => this.#ended(task, run),
    });
  }

  start(): void {
    if (!this.#parts.readOnly) this.#scheduler.start();
  }

  /** Runs nothing more; resolves when the job under way has given up. */
  stop(): Promise<void> {
    return this.#scheduler.stop();
  }

  /** A group has a new snapshot: its chunks get the group's redundancy, and what it need not keep goes. */
  snapshotMade(group: string): void {
    if (!this.#parts.readOnly && this.#bearsMore(group)) {
      this.#scheduler.run({ key: keyOfGroup(RAISE, group), job: RAISE, group }).catch(() => undefined);
    }
    const isWanted = (this.#settings.schedules.prune ?? DEFAULT_TIMES.prune) === AFTER_SNAPSHOT;
    if (!isWanted || this.#parts.readOnly || this.#settings.prune[group] === undefined) return;
    this.#scheduler.run({ key: 'prune', job: 'prune', group }).catch(() => undefined);
  }

  /** Whether a group asks for more redundancy than the datastore has. */
  #bearsMore(group: string): boolean {
    try {
      return readConfig(this.#parts.paths).groupRedundancy?.[group] !== undefined;
    } catch (error) {
      this.#parts.log.warn(
        { error },
        `Whether ${group} asks for more redundancy is not known: "cairn repair" brings it about`,
      );
      return false;
    }
  }

  /** Changes settings, and goes by them. @throws {CairnError} `invalid`, `read-only` */
  async change(change: CommandArguments<'settings-change'>): Promise<void> {
    checkSchedules(change.schedules ?? {});
    this.#requireWritable();
    const changed = this.#changing.then(() => changeSettings(this.#parts.paths, change));
    this.#changing = changed.catch(() => undefined);
    this.#settings = await changed;
    this.#scheduler.replan();
  }

  list(): ScheduleEntry[] {
    return scheduledBy(this.#settings).map(({ key, job, group, when }) => {
      const next = this.#scheduler.nextRun(key);
      return {
        ...{ job, group, when, isDefault: this.#settings.schedules[key] === undefined },
        running: this.#scheduler.isRunning(key),
        nextRunAt: next === undefined ? null : next / 1000,
        last: this.#last.get(key) ?? null,
      };
    });
  }

  /** Runs a job now, or after the one that runs. @throws {CairnError} `invalid`, `read-only` */
  async run(job: string, group: string | null): Promise<ScheduledRun> {
    const key = group === null ? job : keyOfGroup(job, group);
    checkKey(key);
    this.#requireWritable();
    const run = await this.#scheduler.run({ key: job === SNAPSHOT ? key : job, job, group });
    return run;
  }

  #requireWritable(): void {
    if (this.#parts.readOnly) throw new CairnError('read-only', 'The datastore is mounted read-only');
  }

  /** Jobs whose last run failed. */
  problems(): Problem[] {
    return [...failedJobs(this.list()), ...failedRaises(this.#parts.paths, this.#last)];
  }

  async #ended({ job, group }: Pick<Scheduled, 'job' | 'group'>, run: ScheduledRun): Promise<void> {
    const { paths, mountpoint, log } = this.#parts;
    const command = this.#parts.onFailure ?? this.#settings.onFailure;
    if (run.outcome === 'failed' && command !== null) {
      await runFailureHook(command, { store: paths.root, mountpoint, job, group, ...run }, log);
    }
    await writeJson(paths.scheduleState, Object.fromEntries(this.#last));
  }
}

/** The key of a job for a group. */
export function keyOfGroup(job: string, group: string): string {
  return `${job} ${groupPath(parseGroupPath(group))}`;
}

/** @throws {CairnError} `invalid` for a job or time that is none */
export function checkSchedules(schedules: Readonly<Record<string, string | null>>): void {
  for (const [key, when] of Object.entries(schedules)) {
    checkKey(key);
    if (when !== null) checkWhen(key.split(' ')[0] ?? key, when);
  }
}

function checkKey(key: string): void {
  const [job = key, group, ...rest] = key.split(' ');
  const jobs = [...Object.keys(DEFAULT_TIMES), SNAPSHOT];
  if (!jobs.includes(job) || rest.length > 0) {
    throw new CairnError('invalid', `There is no job ${JSON.stringify(key)}; wanted is one of ${jobs.join(', ')}`);
  }
  if (job === SNAPSHOT && group === undefined) throw new CairnError('invalid', 'Say of which group: --group host/web1');
  if (group !== undefined && job !== SNAPSHOT && job !== 'prune') {
    throw new CairnError('invalid', `The job ${job} is for the whole datastore, not for a group`);
  }
  if (group !== undefined) parseGroupPath(group);
}
