import * as z from 'zod';
import { keepCounts } from '../core/keep-counts.js';

const count = z.number().int().nonnegative();

const planned = z.object({
  time: z.string(),
  finished: z.boolean(),
  protected: z.boolean(),
  keep: z.boolean(),
  reason: z.string(),
  exclusiveBytes: count,
});

const group = z.object({ group: z.string(), snapshots: z.array(planned) });

const result = z.object({
  groups: z.array(group),
  /** Bytes gc gives back when all of it is done. */
  freedBytes: count,
  /** How many were removed; 0 where it was only asked. */
  removed: count,
});

/** Commands about what is kept. */
export const pruneCommands = {
  /** Prunes groups, or says what that would do. */
  prune: {
    arguments: z.strictObject({
      /** Paths; null: all that have a policy. */
      groups: z.array(z.string().min(1).max(1024)).max(10_000).nullable(),
      /** null: each group's policy. */
      keep: keepCounts.nullable(),
      dryRun: z.boolean(),
    }),
    result,
  },
} as const;

export type PruneArguments = z.output<(typeof pruneCommands)['prune']['arguments']>;
export type Pruned = z.output<typeof result>;
