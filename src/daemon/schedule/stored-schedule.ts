import * as z from 'zod';
import type { Problem } from '../../control/commands.js';
import { type ScheduledRun, type ScheduleEntry, scheduledRun } from '../../control/schedule-commands.js';
import { readConfig } from '../../datastore/config.js';
import { readJson } from '../../datastore/json-file.js';
import type { DatastorePaths } from '../../datastore/paths.js';
import { readSettings, type Settings } from '../../datastore/settings.js';
import type { Scheduled } from './scheduler.js';
import { AFTER_SNAPSHOT, NEVER } from './when.js';

/** The job that gives the chunks of a group's new snapshot the redundancy the group asks for. */
export const RAISE = 'raise-redundancy';

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
export function failedJobs(schedule: readonly Pick<ScheduleEntry, 'job' | 'group' | 'last'>[]): Problem[] {
  return schedule.flatMap(({ job, group, last }) => {
    if (last?.outcome !== 'failed') return [];
    const at = new Date(last.endedAt * 1000).toISOString();
    const name = group === null ? job : `${job} ${group}`;
    return [{ kind: 'schedule', message: `Scheduled ${name} failed at ${at}: ${last.message}` }];
  });
}

/** Groups that ask for more redundancy, which their last snapshot did not get. @param last how jobs last ended, by key */
export function failedRaises(paths: DatastorePaths, last: ReadonlyMap<string, ScheduledRun>): Problem[] {
  let groups: string[];
  try {
    groups = Object.keys(readConfig(paths).groupRedundancy ?? {});
  } catch {
    // Whoever opens the datastore tells.
    return [];
  }
  return failedJobs(groups.map((group) => ({ job: RAISE, group, last: last.get(`${RAISE} ${group}`) ?? null })));
}
