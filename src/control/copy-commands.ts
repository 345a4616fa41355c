import * as z from 'zod';

const count = z.number().int().nonnegative();

const copied = z.object({
  group: z.string(),
  time: z.string(),
  state: z.enum(['copied', 'there', 'failed', 'wanted']),
  /** Why it failed. */
  reason: z.string().nullable(),
  /** Chunks that were copied, or in a dry run would be, and their bytes: as they are stored, in a dry run plain. */
  chunks: count,
  bytes: count,
});

const copiedObjects = z.object({
  copied: count,
  /** With the same content. */
  there: count,
  /** A dry run would copy them. */
  wanted: count,
  failed: count,
  /** As with snapshots. */
  chunks: count,
  bytes: count,
  /** Those that failed, as the command names them, and why; the first thousand. */
  failures: z.array(z.object({ name: z.string(), reason: z.string() })),
});

/** The command that copies snapshots and objects of another datastore into the one that is asked; part of `commands`. */
export const copyCommands = {
  copy: {
    arguments: z.strictObject({
      /** Real path of the datastore to copy from, which the daemon reads. */
      source: z.string().startsWith('/'),
      /** Groups, snapshots and objects by name; empty: all. */
      select: z.array(z.string().min(1).max(1024)),
      bytesPerSecond: z.number().positive().nullable(),
      dryRun: z.boolean(),
    }),
    result: z.object({ snapshots: z.array(copied), objects: copiedObjects }),
  },
} as const;

export type CopyArguments = z.output<(typeof copyCommands)['copy']['arguments']>;
export type Copied = z.output<(typeof copyCommands)['copy']['result']>;
