import * as z from 'zod';

const count = z.number().int().nonnegative();

const entry = z.object({
  kind: z.enum(['store', 'group', 'live', 'snapshot']),
  group: z.string(),
  groupId: count,
  time: z.string().nullable(),
  archive: count.nullable(),
  logicalBytes: count,
  chunks: count,
  uniqueBytes: count,
  storedBytes: count,
  exclusiveBytes: count,
});

const report = z.object({
  measuredAt: z.number(),
  entries: z.array(entry),
  presentBytes: count,
  unusedBytes: count,
  quarantinedBytes: count,
  badChunks: count,
  unreadable: z.array(z.string()),
});

/** Commands about space. */
export const spaceCommands = {
  /** Measures the datastore anew. */
  space: { arguments: z.strictObject({}), result: report },
} as const;

export type SpaceMeasured = z.output<typeof report>;
