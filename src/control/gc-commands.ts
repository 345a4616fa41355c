import * as z from 'zod';

const count = z.number().int().nonnegative();

const amount = z.object({ chunks: count, bytes: count });

const difference = z.object({ path: z.string(), missing: count, surplus: count });

const plan = z.object({
  full: z.boolean(),
  indexFiles: count,
  indexFilesRead: count,
  indexFilesGone: count,
  referenced: count,
  unreferenced: amount,
  stray: amount,
  bad: amount,
  unfinished: amount,
  expired: amount,
  quarantined: amount,
  returned: amount,
  repack: z.object({ chunks: count, bytes: count, files: count }),
  deadInPacks: amount,
  foreign: z.object({ files: count, names: z.array(z.string()).readonly() }),
  differences: z.array(difference).readonly(),
  freesBytes: count,
  freesLaterBytes: count,
  problems: z.array(z.string()).readonly(),
  problemCount: count,
});

/** What was taken from an object store that machines share. */
const bucketOutcome = z.object({
  /** Chunks that nothing in the object store names, and those of them that some machine keeps. */
  condemned: count,
  kept: count,
  deleted: count,
  /** Why nothing was done, null: it was; `isBusy`: another machine collects. */
  problem: z.string().nullable(),
  isBusy: z.boolean(),
});

/** What a collection did; what the figures mean stands in maintenance/gc/plan.ts. */
export const gcReport = z.object({
  plan,
  dryRun: z.boolean(),
  graceSeconds: z.number().nonnegative(),
  removed: amount,
  freed: amount,
  inUse: count,
  problems: z.array(z.string()).readonly().default([]),
  problemCount: count.default(0),
  startedAt: z.number(),
  seconds: z.number(),
  /** Null where no object store is shared, or it was a dry run. */
  bucket: bucketOutcome.nullable().default(null),
});

/** How the last collection ended that was no dry run. */
export const lastGc = z.object({
  /** Seconds since 1970. */
  endedAt: z.number(),
  /** Null where it failed or was given up. */
  report: gcReport.nullable(),
  /** Why it failed; null where it did not. */
  error: z.string().nullable(),
});

const status = z.object({
  running: z.boolean(),
  /** What the running collection is doing. */
  step: z.string().nullable(),
  last: lastGc.nullable(),
  quarantined: amount,
  graceSeconds: z.number().nonnegative(),
});

const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** What a client can ask about collection of garbage. */
export const gcCommands = {
  gc: {
    /** `graceSeconds` null: as configured. */
    arguments: z.strictObject({
      dryRun: z.boolean(),
      full: z.boolean(),
      graceSeconds: z.number().nonnegative().nullable(),
    }),
    result: gcReport,
  },
  'gc-status': { arguments: z.strictObject({}), result: status },
  /** Brings chunks back from quarantine, by digest in hex; null: all. */
  'gc-undelete': {
    arguments: z.strictObject({ digests: z.array(digest).max(500).nullable() }),
    result: z.object({ restored: count, missing: count }),
  },
} as const;

export type GcReport = z.output<typeof gcReport>;
export type BucketOutcome = z.output<typeof bucketOutcome>;
export type LastGc = z.output<typeof lastGc>;
export type GcStatus = z.output<typeof status>;
export type GcRequest = z.output<typeof gcCommands.gc.arguments>;
export type GcUndeleted = z.output<(typeof gcCommands)['gc-undelete']['result']>;
