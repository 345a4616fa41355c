import * as z from 'zod';

const count = z.number().int().nonnegative();

/** Another machine that uses the same object store. */
const sharedPeer = z.object({
  machine: z.string(),
  host: z.string(),
  epoch: count,
  /** When it joined, by its clock. */
  since: z.string(),
  /** When it was last seen to live, epoch seconds; null: not yet. */
  seenAt: z.number().nullable(),
  /** `silent`: it will be taken for gone where it keeps others waiting. */
  state: z.enum(['alive', 'silent']),
});

/** A group that another machine writes to. */
const otherWriter = z.object({ group: z.string(), writer: z.string(), wasOurs: z.boolean() });

/** This machine among those that share an object store. */
export const sharedStatus = z.object({
  machine: z.string(),
  host: z.string(),
  /** Which of its stays this is; null: it has not joined yet. */
  epoch: count.nullable(),
  /** When that began, epoch seconds. */
  since: z.number().nullable(),
  /** Whether it may write there: it has joined, and knows what is there. */
  ready: z.boolean(),
  peers: z.array(sharedPeer).readonly(),
  others: z.array(otherWriter).readonly(),
});

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
  /** Null where the server cannot keep machines apart: it is this one's alone. */
  shared: sharedStatus.nullable(),
  /** Why the last upload failed; null: it did not. */
  error: z.string().nullable(),
});

export type SharedPeer = z.output<typeof sharedPeer>;
export type OtherWriter = z.output<typeof otherWriter>;
export type SharedStatus = z.output<typeof sharedStatus>;
export type UploadStatus = z.output<typeof uploadStatus>;
