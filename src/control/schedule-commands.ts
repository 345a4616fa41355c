import * as z from 'zod';

/** A job's run that has ended. Epoch seconds. */
export const scheduledRun = z.object({
  startedAt: z.number(),
  endedAt: z.number(),
  outcome: z.enum(['done', 'skipped', 'failed']),
  message: z.string(),
});

export const scheduleEntry = z.object({
  job: z.string(),
  group: z.string().nullable(),
  /** A cron pattern, or a name such as `daily` or `after-snapshot`. */
  when: z.string(),
  isDefault: z.boolean(),
  running: z.boolean(),
  /** Epoch seconds; null where it has no time. */
  nextRunAt: z.number().nullable(),
  last: scheduledRun.nullable(),
});

/** Commands on what runs by itself. */
export const scheduleCommands = {
  'schedule-list': { arguments: z.strictObject({}), result: z.object({ schedule: z.array(scheduleEntry) }) },
  /** Runs a job now, or after the one that runs; answers when it has ended. */
  'schedule-run': {
    arguments: z.strictObject({ job: z.string().max(32), group: z.string().max(1024).nullable() }),
    result: scheduledRun,
  },
} as const;

export type ScheduledRun = z.output<typeof scheduledRun>;
export type ScheduleEntry = z.output<typeof scheduleEntry>;
