import * as z from 'zod';
import { backendCommands } from './backend-commands.js';
import { backupCommands } from './backup-commands.js';
import { careCommands } from './care-commands.js';
import { copyCommands } from './copy-commands.js';
import { gcCommands } from './gc-commands.js';
import { metricsCommands } from './metrics-commands.js';
import { pruneCommands } from './prune-commands.js';
import { refreshCommands } from './refresh-commands.js';
import { scheduleCommands, scheduleEntry } from './schedule-commands.js';
import { settingsCommands } from './settings-commands.js';
import { snapshotCommands } from './snapshot-commands.js';
import { spaceCommands } from './space-commands.js';
import { uploadStatus } from './upload-commands.js';

const count = z.number().int().nonnegative();
const nothing = z.strictObject({});

/** Something an operator should know of, in one line. */
const problem = z.object({ kind: z.string(), message: z.string() });

const status = z.object({
  pid: count,
  /** Of the program. */
  version: z.string(),
  store: z.string(),
  mountpoint: z.string(),
  readOnly: z.boolean(),
  /** The one group that is mounted, or null for the whole datastore. */
  group: z.string().nullable(),
  transport: z.string(),
  /** Where metrics are shown over HTTP; null: nowhere. */
  metricsAddress: z.string().nullable(),
  /** Whether CPUs of a virtual machine poll before they halt (`on`), or waking them costs time that need not be. */
  lowLatency: z.enum(['on', 'would-help', 'unavailable']),
  startedAt: z.number(),
  /** Bytes that were answered and would not survive a power cut. */
  dirtyBytes: count,
  /** Age of the oldest of them in seconds; null where there are none. */
  oldestUnsyncedSeconds: z.number().nonnegative().nullable(),
  problems: z.array(problem),
  schedule: z.array(scheduleEntry),
  memoryBytes: count,
  /** How often the kernel asked for each operation, by its name in the FUSE protocol. */
  requests: z.record(z.string(), count),
  /** When the chunk verified longest ago was, epoch seconds; 0: some never were. */
  oldestVerifiedAt: count,
  /** Null where the datastore has no object store. */
  uploads: uploadStatus.nullable(),
  chunks: z.object({
    ...{ loads: count, inserts: count, reuses: count },
    ...{ plainBytes: count, encodedBytes: count, uncompressed: count },
  }),
  /** Copies of the catalog beside it; when the newest was made, epoch seconds. */
  catalogCopies: z.object({ count, bytes: count, newestAt: z.number().nullable() }),
});

/**
 * What a client can ask a daemon for: the arguments and the result of each command. A new command is one entry
 * here and one handler in the daemon.
 */
export const commands = {
  ...backupCommands,
  ...backendCommands,
  ...careCommands,
  ...copyCommands,
  ping: { arguments: nothing, result: z.object({ pid: count, version: z.string() }) },
  status: { arguments: nothing, result: status },
  /** Answers when everything written before is durable. */
  sync: { arguments: nothing, result: nothing },
  /** Answers when the mount is gone, its data is safe and the datastore is free for another daemon. */
  unmount: {
    /** `lazy` takes the mount away though it is in use; what is open stays usable until it is closed. */
    arguments: z.strictObject({ lazy: z.boolean() }),
    result: nothing,
  },
  ...snapshotCommands,
  ...gcCommands,
  ...refreshCommands,
  ...spaceCommands,
  ...metricsCommands,
  ...pruneCommands,
  ...settingsCommands,
  ...scheduleCommands,
} as const;

export type CommandName = keyof typeof commands;
export type CommandArguments<C extends CommandName> = z.output<(typeof commands)[C]['arguments']>;
export type CommandResult<C extends CommandName> = z.output<(typeof commands)[C]['result']>;

/** Whether `name` is a command's. */
export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(commands, name);
}

/** What a mounted datastore says about itself. */
export type Status = z.output<typeof status>;
export type Problem = z.output<typeof problem>;
