import * as z from 'zod';
import type { Problem } from '../../control/commands.js';
import { type ScheduledRun, type ScheduleEntry, scheduledRun } from '../../control/schedule-commands.js';
import { readJson } from '../../datastore/json-file.js';
import type { DatastorePaths } from '../../datastore/paths.js';
import { readSettings, type Settings } from '../../datastore/settings.js';
import type { Scheduled } from './scheduler.js';
import { AFTER_SNAPSHOT, NEVER } from './when.js';

/** When jobs run where nothing is set; snapshots are made only where somebody asked for them. */
export const DEFAULT_TIMES: Readonly<Record<string, string>> = {
  gc: '30 3 * * *',
  verify: '0 1 * * *',
  prune: AFTER_SNAPSHOT,
  drill: NEVER,
};

/** What is scheduled by these settings. */
export function scheduledBy({ schedules }: Settings): Scheduled[] {
  return Object.entries({ ...DEFAULT_TIMES, ...schedules }).map(([key, when]) => {
    const [job = key, group] = key.split(' ');
    return { key, job, group: group ?? null, when };
  });
}

/** How runs last ended, by key; what cannot be read is not known. */
export function readLastRuns(paths: DatastorePaths): Map<string, ScheduledRun> {
  try {
    const { data } = z.record(z.string(), scheduledRun).safeParse(readJson(paths.scheduleState));
    return new Map(Object.entries(data ?? {}));
  } catch {
    return new Map();
  }
}

/** What is scheduled where no daemon runs, and how it last ended. @throws {CairnError} `corrupt` */
export function storedSchedule(paths: DatastorePaths): ScheduleEntry[] {
  const settings = readSettings(paths);
  const last = readLastRuns(paths);
  return scheduledBy(settings).map(({ key, job, group, when }) => ({
    ...{ job, group, when, isDefault: settings.schedules[key] === undefined },
    ...{ running: false, nextRunAt: null, last: last.get(key) ?? null },
  }));
}

/** Jobs whose last run failed. */
export function failedJobs(schedule: readonly ScheduleEntry[]): Problem[] {
  return schedule.flatMap(({ job, group, last }) => {
    if (last?.outcome !== 'failed') return [];
    const at = new Date(last.endedAt * 1000).toISOString();
    const name = group === null ? job : `${job} ${group}`;
    return [{ kind: 'schedule', message: `Scheduled ${name} failed at ${at}: ${last.message}` }];
  });
}
