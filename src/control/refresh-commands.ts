import * as z from 'zod';

const count = z.number().int().nonnegative();

/** What was brought in of what other machines published in a shared object store. */
const refreshed = z.object({
  /** Snapshots that appeared, and that went. */
  appeared: count,
  gone: count,
  /** Those whose notes, protection or verification changed. */
  changed: count,
  /** Those that appear when a collection of the object store has ended. */
  postponed: count,
});

/** What a client can ask about other machines' snapshots. */
export const refreshCommands = {
  refresh: { arguments: z.strictObject({}), result: refreshed },
} as const;

export type Refreshed = z.output<typeof refreshed>;
