import * as z from 'zod';
import { damagedChunk } from './care-commands.js';

const count = z.number().int().nonnegative();
const nothing = z.strictObject({});
const id = z.string().min(1).max(63);

/** One of the backends chunks are spread over, and how it is doing. */
const backend = z.object({
  id: z.string(),
  type: z.enum(['fs', 's3']),
  /** Path or address. */
  place: z.string(),
  weight: z.number(),
  readOnly: z.boolean(),
  draining: z.boolean(),
  preferred: z.boolean(),
  minFreeBytes: count,
  media: z.string().nullable(),
  state: z.enum(['ok', 'failing']),
  /** Why it fails; null: it does not. */
  reason: z.string().nullable(),
  /** Null where there is no limit, or it does not say. */
  totalBytes: count.nullable(),
  availableBytes: count.nullable(),
  /** Pieces it has as far as is recorded, and their bytes; null where nothing is. */
  pieces: count.nullable(),
  pieceBytes: count.nullable(),
});

/** What depends on one backend, by the record of pieces: nothing is asked of any. Counts of chunks. */
const dependence = z.object({
  /** With a piece on it. */
  chunks: count,
  /** That could not be read if it were lost alone; that could be, but bore no further loss. */
  lost: count,
  lastPieces: count,
  /** The backends that are failing now, and what could not be read if they and it were lost together. */
  failing: z.array(z.string()),
  lostWithFailing: count,
});

const backends = z.object({
  redundancy: z.string(),
  /** So many bytes are stored for each byte kept, so many backends may be lost. */
  overhead: z.number(),
  tolerance: count,
  /** By path of the group: what its chunks bear at least. */
  groupRedundancy: z.record(z.string(), z.string()),
  /** Some chunks are not as the redundancy has them yet. */
  converting: z.boolean(),
  /** Empty: the datastore's folder is all there is. */
  backends: z.array(backend),
  /** Room for chunks in all of them together; null: there is no limit. */
  totalBytes: count.nullable(),
  availableBytes: count.nullable(),
  /** Chunks that were seen to lack pieces and wait to be mended; more may. */
  waitingForRepair: count,
  /** When all chunks were last compared with what backends have, seconds since 1970: what is put since is recorded too; null: never. */
  comparedAt: count.nullable(),
  /** Why the record of pieces may be behind; null: it is not, as far as known. */
  recordProblem: z.string().nullable(),
});

const changes = z.strictObject({
  weight: z.number().positive().optional(),
  readOnly: z.boolean().optional(),
  minFreeBytes: count.optional(),
  media: z.enum(['ssd', 'hdd', 'nvme']).optional(),
  preferred: z.boolean().optional(),
});

/** As `BackendsChange` has it; a backend to be added is checked by who adds it. */
const change = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('add'), backend: z.record(z.string(), z.unknown()) }),
  z.strictObject({ kind: z.literal('set'), id, changes }),
  z.strictObject({ kind: z.literal('drain'), id, draining: z.boolean() }),
  z.strictObject({ kind: z.literal('remove'), id, lost: z.boolean() }),
  z.strictObject({ kind: z.literal('redundancy'), redundancy: z.string().max(20) }),
  z.strictObject({
    kind: z.literal('group-redundancy'),
    group: z.string(),
    redundancy: z.string().max(20).nullable(),
  }),
]);

const mended = z.object({
  ...{ objects: count, whole: count, mended: count, degraded: count, lost: count, unknown: count },
  ...{ missing: count, strays: count, removedPieces: count },
  /** Pieces that were put on a backend and are not there, and those there that nothing needs. */
  backends: z.array(z.object({ id: z.string(), missing: count, orphaned: count })),
  /** Which are missing where, the first hundred. */
  missingPieces: z.array(z.string()),
  damaged: z.array(damagedChunk),
  problems: z.array(z.string()),
  complete: z.boolean(),
});

/** The commands on the backends chunks are spread over; part of `commands`. */
export const backendCommands = {
  'backend-list': { arguments: nothing, result: backends },
  'backend-show': {
    arguments: z.strictObject({ id }),
    result: z.object({ backend, dependence: dependence.nullable() }),
  },
  'backend-change': { arguments: change, result: nothing },
  /** Makes good what pieces are missing; `apply`: or only says which. `group`: only gives its chunks the redundancy they should have. */
  'backend-mend': { arguments: z.strictObject({ apply: z.boolean(), group: z.string().optional() }), result: mended },
} as const;

export type BackendCommandName = keyof typeof backendCommands;
export type BackendCommandArguments<C extends BackendCommandName> = z.output<(typeof backendCommands)[C]['arguments']>;
export type BackendCommandResult<C extends BackendCommandName> = z.output<(typeof backendCommands)[C]['result']>;
