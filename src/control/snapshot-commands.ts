import * as z from 'zod';

const count = z.number().int().nonnegative();
const nothing = z.strictObject({});

/** A group's path as `parseGroupPath` reads it, and a tree's as `parseTreeName` does; what is a legal one the daemon says. */
const groupPath = z.string().min(1).max(1024);
const treeName = z.string().min(1).max(1024);

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
  /** Large files that were cut anew because they had cloned ranges of others. */
  recutFiles: count,
});

const treeCloned = z.object({ group: z.string(), entries: count });

/** The commands on snapshots; part of `commands`. */
export const snapshotCommands = {
  'snapshot-create': { arguments: z.strictObject({ group: groupPath }), result: snapshotCreated },
  'snapshot-list': {
    arguments: z.strictObject({ group: groupPath.nullable() }),
    result: z.object({ snapshots: z.array(snapshot) }),
  },
  'snapshot-forget': { arguments: z.strictObject({ snapshot: treeName }), result: nothing },
  'snapshot-protect': { arguments: z.strictObject({ snapshot: treeName, protected: z.boolean() }), result: nothing },
  /** Empty notes are none. */
  'snapshot-note': { arguments: z.strictObject({ snapshot: treeName, text: z.string() }), result: nothing },
  /** Makes a live tree, or a path in one, of a snapshot's without copying data; paths are relative, empty for all. */
  'tree-clone': {
    arguments: z.strictObject({
      source: treeName,
      path: z.string(),
      group: groupPath,
      targetPath: z.string(),
      replace: z.boolean(),
    }),
    result: treeCloned,
  },
  /** Answers when everything written before is where readers of the catalog see it. */
  'catalog-commit': { arguments: nothing, result: nothing },
} as const;

export type SnapshotCommandName = keyof typeof snapshotCommands;
export type SnapshotCommandArguments<C extends SnapshotCommandName> = z.output<
  (typeof snapshotCommands)[C]['arguments']
>;
export type SnapshotCommandResult<C extends SnapshotCommandName> = z.output<(typeof snapshotCommands)[C]['result']>;

export type SnapshotListed = z.output<typeof snapshot>;
export type TreeCloned = z.output<typeof treeCloned>;
export type SnapshotCreated = z.output<typeof snapshotCreated>;
