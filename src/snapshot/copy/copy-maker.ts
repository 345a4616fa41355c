import type { Catalog } from '../../catalog/open.js';
import type { Durability } from '../../content/durability.js';
import type { GroupName } from '../../core/group.js';
import { HoldScope } from '../../native/holds.js';
import type { WrittenChunk } from '../create/job-protocol.js';
import type { SnapshotMaker } from '../create/snapshot-maker.js';
import { inTurns } from '../create/turns.js';
import type { CopiedSnapshot, CopyJobOptions, CopyScope } from './copy-protocol.js';
import type { CopyThread } from './copy-thread.js';

/** What copies are made with. */
export interface CopyMakerParts {
  readonly catalog: Pick<Catalog, 'chunks'>;
  readonly durability: Pick<Durability, 'commitDurably'>;
  readonly maker: Pick<SnapshotMaker, 'take'>;
  /** The datastore's folder to copy into. */
  readonly store: string;
  startJob(options: CopyJobOptions): CopyThread;
  /** Makes the group where there is none. */
  requireGroup(group: GroupName): Promise<void>;
}

/** What to copy, and whom to tell. */
export interface CopyRequest extends CopyScope {
  readonly signal: AbortSignal;
  onProgress(snapshot: string, done: number, total: number): void;
}

/**
 * Copies snapshots of another datastore into this one. Lives on the mount worker: a job on a thread of its own does the work.
 * A snapshot appears when it is whole; chunks are known as soon as they are durable, so a copy that was broken off, or killed,
 * goes on where it was.
 * @returns what became of each
 * @throws {CairnError} what reading and storing gives, `interrupted`; what was copied until then stays
 */
export async function copySnapshots(parts: CopyMakerParts, request: CopyRequest): Promise<readonly CopiedSnapshot[]> {
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
  thread.on('progress', ({ snapshot, done, total }) => request.onProgress(snapshot, done, total));
  try {
    for (;;) {
      const holds = HoldScope.open();
      try {
        thread.send({ type: 'next', holds: holds.id });
        const { next, snapshots } = await thread.next('gathered');
        await recorded;
        if (next === null) return snapshots;
        await parts.requireGroup(next.group);
        const publish = async () => {
          thread.send({ type: 'publish' });
          return (await thread.next('published')).snapshot;
        };
        await parts.maker.take(next.group, next.time, { publish, end: () => thread.end(), holds }, signal);
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

/** They are held until it resolves. */
async function recordChunks(
  { catalog, durability }: Pick<CopyMakerParts, 'catalog' | 'durability'>,
  chunks: readonly WrittenChunk[],
): Promise<void> {
  await inTurns(chunks, ({ digest, length, stored }) => catalog.chunks.setPresent(digest, length, stored));
  await durability.commitDurably();
}
