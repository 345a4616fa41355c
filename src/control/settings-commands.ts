import * as z from 'zod';
import { keepCounts } from '../core/keep-counts.js';

const change = z.strictObject({
  schedules: z.record(z.string().max(1100), z.string().max(200).nullable()).optional(),
  prune: z.record(z.string().max(1024), keepCounts.nullable()).optional(),
  onFailure: z.string().max(4096).nullable().optional(),
});

/** Commands on what can be set of a datastore. Reading needs none: the settings are a file. */
export const settingsCommands = {
  /** Changes the settings; a null takes an entry away, what is absent stays. */
  'settings-change': { arguments: change, result: z.strictObject({}) },
} as const;
