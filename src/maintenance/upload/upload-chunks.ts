import pLimit, { type LimitFunction } from 'p-limit';
import type { EndedUpload, PendingUpload } from '../../catalog/uploads.js';
import { withLock } from '../../chunkstore/guards.js';
import { chunkName } from '../../chunkstore/layout.js';
import type { UploadParts } from './upload-parts.js';

/** Chunks under way at once, as many as requests may be (backend/s3): of 16 MiB at most, 1 MiB as a rule. */
const AT_ONCE = 16;
/** Chunks that are held, and then noted, together; there are two such batches at most. */
const BATCH = 128;

/** What became of the queue as it was. */
export interface UploadedChunks {
  readonly chunks: number;
  readonly bytes: number;
  /** Neither here nor there: they stay in the queue. */
  readonly missing: number;
  /** A collection of the object store may be deleting them: they stay in the queue too. */
  readonly waiting: number;
  /** It ended before it was through, as somebody waits for the next pass. */
  readonly isCut: boolean;
}

/**
 * Uploads the chunks that are in the queue now, once through: however fast more comes, it ends. A chunk is held from before it is looked up until it is noted: no
 * collector removes it meanwhile, so nothing comes to the object store after it was removed there.
 * @throws {CairnError} what the object store failed with; what was uploaded before is noted
 */
export async function uploadChunks(parts: UploadParts): Promise<UploadedChunks> {
  const sum = { chunks: 0, bytes: 0, missing: 0, waiting: 0, isCut: false };
  const end = parts.reader.uploads.lastChunk();
  const limit = pLimit(AT_ONCE);
  const upload = async (batch: readonly PendingUpload[]): Promise<void> => {
    const done = await uploadBatch(parts, batch, limit);
    sum.chunks += done.chunks;
    sum.bytes += done.bytes;
    sum.missing += done.missing;
    sum.waiting += done.waiting;
    sum.isCut ||= done.isCut;
    parts.progress({ step: 'uploading chunks', done: sum.bytes, total: 0, unit: 'bytes' });
  };
  // Two batches at a time: the next one's chunks take the places that come free while the last of a batch are under way.
  let [before, current] = [Promise.resolve(), Promise.resolve()];
  try {
    for (let after = 0; !sum.isCut; ) {
      parts.goOn();
      const batch = parts.reader.uploads.list(after, BATCH).filter(({ chunk }) => chunk <= end);
      const last = batch.at(-1);
      if (last === undefined) break;
      after = last.chunk;
      before = current;
      current = upload(batch);
      current.catch(() => undefined);
      await before;
    }
    await current;
    return sum;
  } finally {
    await Promise.allSettled([before, current]);
  }
}

async function uploadBatch(
  parts: UploadParts,
  batch: readonly PendingUpload[],
  limit: LimitFunction,
): Promise<UploadedChunks> {
  for (const { digest } of batch) parts.guards.hold(digest);
  try {
    const ended: EndedUpload[] = [];
    const usable = await usableOf(parts, batch);
    const sum = { chunks: 0, bytes: 0, missing: 0, waiting: batch.length - usable.length, isCut: false };
    const outcomes = await Promise.allSettled(
      usable.map((pending) =>
        limit(async () => {
          const bytes = await uploadHeld(parts, pending);
          if (bytes === 'missing') sum.missing += 1;
          if (typeof bytes !== 'number') return;
          ended.push({ chunk: pending.chunk, ticket: pending.ticket });
          sum.chunks += 1;
          sum.bytes += bytes;
        }),
      ),
    );
    if (ended.length > 0) sum.isCut = (await parts.ask('ended', ended)) === true;
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return sum;
  } finally {
    for (const { digest } of batch) parts.guards.release(digest);
  }
}

/** Held, they are kept by this machine should a collection of a shared object store condemn them from now on. */
async function usableOf(parts: UploadParts, batch: readonly PendingUpload[]): Promise<readonly PendingUpload[]> {
  if (!parts.isShared) return batch;
  const answers = await parts.ask('usable', Buffer.concat(batch.map(({ digest }) => digest)));
  return batch.filter((_, index) => answers[index] === true);
}

/** @returns bytes uploaded, 0 where they were there already; `gone`: it is not to be uploaded any more */
async function uploadHeld(parts: UploadParts, pending: PendingUpload): Promise<number | 'missing' | 'gone'> {
  const { digest, ticket, stored } = pending;
  // With the lock: a collector that came before the hold has written down by now what it takes.
  const wanted = await withLock(parts.guards, digest, async () => parts.reader.uploads.ticketOf(digest) === ticket);
  if (!wanted) return 'gone';
  const name = chunkName(digest, parts.prefixDigits);
  const bytes = await parts.objects.transfers.upload(name);
  if (bytes !== undefined) return bytes;
  const length = stored > 0 ? stored : await parts.objects.transfers.lengthHere(name);
  return length !== undefined && (await parts.objects.remote.size(name)) === length ? 0 : 'missing';
}
