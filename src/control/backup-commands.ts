import * as z from 'zod';
import { snapshotCommands } from './snapshot-commands.js';

const count = z.number().int().nonnegative();

const figures = z.object({
  files: count,
  folders: count,
  others: count,
  links: count,
  newFiles: count,
  changedFiles: count,
  unchangedFiles: count,
  contentBytes: count,
  readBytes: count,
  excluded: count,
});

const backedUp = z.object({
  /** Null in a dry run. */
  snapshot: snapshotCommands['snapshot-create'].result.omit({ recutFiles: true }).nullable(),
  figures,
  /** The first ones; how many there are is told apart. */
  problems: z.array(z.object({ path: z.string(), kind: z.enum(['unreadable', 'changed']), message: z.string() })),
  unreadable: count,
  changedWhileRead: count,
});

/** The command that makes a snapshot of a folder; part of `commands`. */
export const backupCommands = {
  backup: {
    arguments: z.strictObject({
      /** Real path of a folder, which the daemon reads. */
      source: z.string().startsWith('/'),
      group: z.string().min(1).max(1024),
      excludes: z.array(z.string()),
      oneFileSystem: z.boolean(),
      excludeCaches: z.boolean(),
      dryRun: z.boolean(),
    }),
    result: backedUp,
  },
} as const;

export type BackupArguments = z.output<(typeof backupCommands)['backup']['arguments']>;
export type BackedUp = z.output<typeof backedUp>;
