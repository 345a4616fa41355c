import { z } from 'zod';

const count = z.number().int().nonnegative();

/** How far a datastore's object store is behind. */
export const uploadStatus = z.object({
  /** For people, e.g. `s3://bucket/store`. */
  objects: z.string(),
  /** Chunks that are not there yet, and their bytes. */
  chunks: count,
  bytes: count,
  running: z.boolean(),
  /** When all was there last, epoch seconds; null: not since the mount began. */
  completeAt: z.number().nullable(),
  /** Why the last upload failed; null: it did not. */
  error: z.string().nullable(),
});

export type UploadStatus = z.output<typeof uploadStatus>;
