import type { Catalog } from '../../catalog/open.js';
import type { Durability } from '../../content/durability.js';
import { CairnError } from '../../core/errors.js';
import type { GroupName } from '../../core/group.js';
import { HoldScope } from '../../native/holds.js';
import type { WrittenChunk } from '../create/job-protocol.js';
import type { SnapshotMaker } from '../create/snapshot-maker.js';
import { inTurns } from '../create/turns.js';
import type { CopyJobOptions, CopyOutcome, CopyScope, GatheredCopy } from './copy-protocol.js';
import type { CopyThread } from './copy-thread.js';
import { recordObjects } from './record-objects.js';

/** What copies are made with. */
export interface CopyMakerParts {
  readonly catalog: Pick<Catalog, 'chunks' | 'indexFiles' | 'objects'>;
  readonly durability: Pick<Durability, 'commitDurably'>;
  readonly maker: Pick<SnapshotMaker, 'take'>;
  /** The datastore's folder to copy into. */
  readonly store: string;
  startJob(options: CopyJobOptions): CopyThread;
  /** Makes the group where there is none. */
  requireGroup(group: GroupName): Promise<void>;
  /** Nobody else puts objects into the datastore while the work runs. */
  puttingObjects(work: () => Promise<void>): Promise<void>;
  /** An object is there from now on. */
  onObject(id: string): void;
}

/** What to copy, and whom to tell. */
export interface CopyRequest extends CopyScope {
  readonly signal: AbortSignal;
  onProgress(what: string, done: number, total: number): void;
}

/**
 * Copies snapshots and objects of another datastore into this one. Lives on the mount worker: a job on a thread of its own does
 * the work. A snapshot or object appears when it is whole; chunks are known as soon as they are durable, so a copy that was broken off, or killed,
 * goes on where it was.
 * @returns what became of each
 * @throws {CairnError} what reading and storing gives, `interrupted`; what was copied until then stays
 */
export async function copyInto(parts: CopyMakerParts, request: CopyRequest): Promise<CopyOutcome> {
  const { source, select, bytesPerSecond, dryRun, signal } = request;
  signal.throwIfAborted();
  const thread = parts.startJob({ store: parts.store, source, select, bytesPerSecond, dryRun });
  const giveUp = () => void thread.end();
  signal.addEventListener('abort', giveUp, { once: true });
  let recorded: Promise<void> = Promise.resolve();
  thread.on('stored', ({ chunks }) => {
    recorded = recorded.then(() => recordChunks(parts, chunks));
    // Told of where it is awaited.
    recorded.catch(() => undefined);
  });
  thread.on('progress', ({ what, done, total }) => request.onProgress(what, done, total));
  try {
    for (;;) {
      const holds = HoldScope.open();
      try {
        thread.send({ type: 'next', holds: holds.id });
        const { next, outcome } = await thread.next('gathered');
        await recorded;
        if (next === null) return requireOutcome(outcome);
        await (next.type === 'objects' ? takeObjects(parts, thread) : takeSnapshot(parts, thread, next, holds, signal));
      } finally {
        await recorded.catch(() => undefined);
        holds.end();
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', giveUp);
    await thread.end();
  }
}

async function takeSnapshot(
  { requireGroup, maker }: CopyMakerParts,
  thread: CopyThread,
  { group, time }: Extract<GatheredCopy, { type: 'snapshot' }>,
  holds: HoldScope,
  signal: AbortSignal,
): Promise<void> {
  await requireGroup(group);
  const publish = async () => {
    thread.send({ type: 'publish' });
    return (await thread.next('published')).snapshot;
  };
  await maker.take(group, time, { publish, end: () => thread.end(), holds }, signal);
}

/** The job looks once more for each whether it is there: nobody else puts any until they are recorded. */
function takeObjects(parts: CopyMakerParts, thread: CopyThread): Promise<void> {
  return parts.puttingObjects(async () => {
    thread.send({ type: 'publish' });
    const { objects } = await thread.next('published-objects');
    await recordObjects(parts, objects);
    for (const { object } of objects) parts.onObject(object.id);
  });
}

/** They are held until it resolves. */
async function recordChunks(
  { catalog, durability }: Pick<CopyMakerParts, 'catalog' | 'durability'>,
  chunks: readonly WrittenChunk[],
): Promise<void> {
  await inTurns(chunks, ({ digest, length, stored }) => catalog.chunks.setPresent(digest, length, stored));
  await durability.commitDurably();
}

function requireOutcome(outcome: CopyOutcome | null): CopyOutcome {
  if (outcome === null) throw new CairnError('io', 'The copy ended without saying what it did');
  return outcome;
}
