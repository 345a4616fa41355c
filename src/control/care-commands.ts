import * as z from 'zod';

const count = z.number().int().nonnegative();
const bytesPerSecond = z.number().positive().nullable();

/** A chunk that cannot be read, and what needs it. */
export const damagedChunk = z.object({
  /** In hex. */
  digest: z.string(),
  lengthBytes: count,
  condition: z.enum(['corrupt', 'absent', 'unreadable']),
  /** Paths in the mount. */
  files: z.array(z.string()),
  /** How many more there are. */
  moreFiles: count,
});

/** What is wrong with snapshots, in words; nothing where one is whole. */
const snapshotFindings = z.array(z.object({ group: z.string(), time: z.string(), problems: z.array(z.string()) }));

const scrubbed = z.object({
  chunks: count,
  bytes: count,
  healed: count,
  damaged: z.array(damagedChunk),
  /** Those alone of which something is wrong. */
  snapshots: snapshotFindings,
  /** Index files of objects that cannot be relied on; paths relative to the datastore. */
  objects: z.array(z.object({ path: z.string(), reason: z.string() })),
  never: count,
  /** Epoch seconds. */
  oldestAt: count.nullable(),
  interrupted: z.boolean(),
});

const snapshotsVerified = z.object({
  snapshots: snapshotFindings,
  chunks: count,
  bytes: count,
  healed: count,
  damaged: z.array(damagedChunk),
});

const drilled = z.object({
  seed: count,
  files: count,
  bytes: count,
  failures: z.array(z.object({ path: z.string(), reason: z.string() })),
});

const repaired = z.object({
  chunks: z.array(
    damagedChunk.extend({
      outcome: z.enum(['healed', 'would-heal', 'not-healed']),
      /** Why it is not healed; else null. */
      reason: z.string().nullable(),
    }),
  ),
  /** Those that failed their last verification, with what they still lack. */
  snapshots: snapshotFindings,
});

const finding = z.object({
  severity: z.enum(['damage', 'untidy']),
  kind: z.string(),
  path: z.string(),
  message: z.string(),
  advice: z.string(),
});

const checked = z.object({
  deep: z.boolean(),
  findings: z.array(finding),
  /** How many there are of each kind; only so many of one are listed. */
  counts: z.record(z.string(), count),
});

/** The commands that look after what is stored; part of `commands`. */
export const careCommands = {
  'verify-chunks': {
    arguments: z.strictObject({ maxAgeDays: z.number().nonnegative(), spread: z.boolean(), bytesPerSecond }),
    result: scrubbed,
  },
  'verify-snapshots': {
    arguments: z.strictObject({
      /** `time` in epoch seconds; null: all of the group. */
      targets: z.array(z.strictObject({ group: z.string().min(1).max(1024), time: count.nullable() })).min(1),
      bytesPerSecond,
    }),
    result: snapshotsVerified,
  },
  'verify-suspects': {
    /** Chunks a reader could not have, in hex. */
    arguments: z.strictObject({
      digests: z
        .array(z.string().regex(/^[0-9a-f]{64}$/))
        .min(1)
        .max(10_000),
    }),
    result: z.object({ damaged: z.array(damagedChunk), healed: count }),
  },
  'verify-restore': {
    arguments: z.strictObject({ files: count.min(1), seed: count.max(0xffffffff), bytesPerSecond }),
    result: drilled,
  },
  repair: {
    /** `from`: absolute path of a folder laid out as `current/`, or null. */
    arguments: z.strictObject({ from: z.string().nullable(), apply: z.boolean() }),
    result: repaired,
  },
  check: { arguments: z.strictObject({ deep: z.boolean() }), result: checked },
} as const;

export type CareCommandName = keyof typeof careCommands;
export type CareCommandArguments<C extends CareCommandName> = z.output<(typeof careCommands)[C]['arguments']>;
export type CareCommandResult<C extends CareCommandName> = z.output<(typeof careCommands)[C]['result']>;

export type DamagedChunk = z.output<typeof damagedChunk>;
