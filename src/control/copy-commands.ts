import { z } from 'zod';

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

/** The command that copies snapshots of another datastore into the one that is asked; part of `commands`. */
export const copyCommands = {
  copy: {
    arguments: z.strictObject({
      /** Real path of the datastore to copy from, which the daemon reads. */
      source: z.string().startsWith('/'),
      /** Groups and snapshots by name; empty: all. */
      select: z.array(z.string().min(1).max(1024)),
      bytesPerSecond: z.number().positive().nullable(),
      dryRun: z.boolean(),
    }),
    result: z.object({ snapshots: z.array(copied) }),
  },
} as const;

export type CopyArguments = z.output<(typeof copyCommands)['copy']['arguments']>;
export type Copied = z.output<(typeof copyCommands)['copy']['result']>;
