import * as z from 'zod';

/** The figures of a mounted datastore, in Prometheus' text format. */
export const metricsCommands = {
  metrics: { arguments: z.strictObject({}), result: z.object({ text: z.string() }) },
} as const;
