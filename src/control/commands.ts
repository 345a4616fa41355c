import { z } from 'zod';

const count = z.number().int().nonnegative();
const nothing = z.strictObject({});

/** A group's path as `parseGroupPath` reads it; what is a legal one the daemon says. */
const groupPath = z.string().min(1).max(1024);

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
  startedAt: z.number(),
  /** Bytes that were answered and would not survive a power cut. */
  dirtyBytes: count,
  /** Age of the oldest of them in seconds; null where there are none. */
  oldestUnsyncedSeconds: z.number().nonnegative().nullable(),
  problems: z.array(problem),
  memoryBytes: count,
  chunks: z.object({ loads: count, inserts: count, reuses: count, plainBytes: count, encodedBytes: count }),
});

const snapshot = z.object({
  group: z.string(),
  /** The name of its folder, e.g. 2026-11-20T10:00:00Z. */
  time: z.string(),
  /** Sum of the lengths of its files in bytes; null where its manifest does not say. */
  sizeBytes: count.nullable(),
  protected: z.boolean(),
});

const snapshotCreated = z.object({
  group: z.string(),
  time: z.string(),
  entries: count,
  sizeBytes: count,
  /** Bytes the snapshot added to the datastore. */
  addedBytes: count,
});

/**
 * What a client can ask a daemon for: the arguments and the result of each command. A new command is one entry
 * here and one handler in the daemon.
 */
export const commands = {
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
  'snapshot-create': { arguments: z.strictObject({ group: groupPath }), result: snapshotCreated },
  'snapshot-list': {
    arguments: z.strictObject({ group: groupPath.nullable() }),
    result: z.object({ snapshots: z.array(snapshot) }),
  },
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
export type SnapshotListed = z.output<typeof snapshot>;
export type SnapshotCreated = z.output<typeof snapshotCreated>;
