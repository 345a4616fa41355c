import { z } from 'zod';

const count = z.number().int().nonnegative();

/** How far a datastore's object store is behind. */
export const uploadStatus = z.object({
  /** For people, e.g. `s3://bucket/store`. */
  objects: z.string(),
  /** Chunks that are not there yet, and their bytes. */
  chunks: count,
  bytes: count,
  /** How many bytes may wait, null: any number; and what writers meet then. */
  queueBytes: count.nullable(),
  whenFull: z.enum(['wait', 'enospc']),
  /** What fsync waits for. */
  durability: z.enum(['local', 'backend']),
  running: z.boolean(),
  /** Since when chunks have been waiting, epoch seconds, no earlier than the mount; null: none is. */
  behindSince: z.number().nullable(),
  /** Uploads that failed, and what those that did not have uploaded, since the mount began. */
  failures: count,
  uploaded: z.object({ chunks: count, bytes: count }),
  /** When it is tried again after a failure, epoch seconds; null: there was none. */
  nextTryAt: z.number().nullable(),
  /** When all was there last, epoch seconds; null: not since the mount began. */
  completeAt: z.number().nullable(),
  /** When the live trees were as they could be brought back from the object store alone; null: no point of this mount yet. */
  recoveryPointAt: z.number().nullable(),
  /** Why the last upload failed; null: it did not. */
  error: z.string().nullable(),
});

export type UploadStatus = z.output<typeof uploadStatus>;
