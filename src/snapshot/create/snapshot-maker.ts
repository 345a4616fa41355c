import type { Catalog } from '../../catalog/open.js';
import type { ChangeLog } from '../../content/change-log.js';
import type { ContentTable } from '../../content/content-table.js';
import type { Durability } from '../../content/durability.js';
import type { Packer } from '../../content/packing/packer.js';
import { CairnError } from '../../core/errors.js';
import { type GroupName, groupPath } from '../../core/group.js';
import type { Log } from '../../core/log.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import type { Clock } from '../../core/time.js';
import type { PublishedIndex, PublishedSnapshot, SnapshotJobOptions } from './job-protocol.js';
import type { JobThread } from './job-thread.js';

/** Rows written between two turns of the mount's requests. */
const ROWS_PER_TURN = 500;

/** A snapshot that was made. */
export interface MadeSnapshot {
  readonly archive: number;
  readonly groupId: number;
  readonly time: number;
  readonly entries: number;
  readonly contentBytes: number;
  /** Bytes of chunks written for it. */
  readonly addedBytes: number;
}

/** What snapshots are made with. */
export interface SnapshotMakerParts {
  readonly catalog: Catalog;
  readonly log: ChangeLog;
  readonly contents: ContentTable;
  readonly packer: Packer;
  readonly durability: Durability;
  readonly clock: Clock;
  readonly messages: Log;
  /** What every job of this datastore is started with. */
  readonly places: Pick<SnapshotJobOptions, 'store' | 'catalog' | 'journal' | 'prefixDigits'>;
  startJob(options: SnapshotJobOptions): JobThread;
  /** Takes away the folder of a snapshot that came to nothing. */
  removeFolder(group: GroupName, time: number): Promise<void>;
}

/**
 * Makes snapshots of live trees while everything goes on (design §3, SNAP). Lives on the mount worker: a job on a thread
 * of its own does the work from a picture of the catalog, this makes the picture's moment and records the outcome. One
 * snapshot is made at a time.
 */
export class SnapshotMaker {
  readonly #parts: SnapshotMakerParts;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: SnapshotMakerParts) {
    this.#parts = parts;
  }

  /**
   * Makes a snapshot; resolves when it is published and recorded durably.
   * @param time its name in epoch seconds; undefined: the next free second
   * @throws {CairnError} `not-found` for a group that is none, `exists`, `invalid` for a time that is not behind the newest
   *   snapshot or in the future
   */
  create(group: GroupName, time?: number): Promise<MadeSnapshot> {
    const made = this.#last.then(() => this.#create(group, time));
    this.#last = made.catch(() => undefined);
    return made;
  }

  async #create(group: GroupName, wanted: number | undefined): Promise<MadeSnapshot> {
    const { catalog, packer, messages } = this.#parts;
    const row = catalog.groups.findByName(group);
    if (row === undefined) throw new CairnError('not-found', `There is no group ${groupPath(group)}`);
    const time = this.#checkedTime(row.id, wanted);
    await packer.run().catch((error: unknown) => messages.warn({ error }, 'Packing before a snapshot stopped'));
    const archive = catalog.snapshots.add(row.id, time, { ...NOTHING_YET, state: 'publishing' });
    const options = { ...this.#parts.places, group, groupId: row.id, currentIno: row.currentIno, time };
    const job = this.#parts.startJob(options);
    try {
      const snapshot = await this.#runJob(job);
      await this.#record(archive, snapshot);
      job.send({ type: 'recorded' });
      const addedBytes = snapshot.written.reduce((sum, { stored }) => sum + stored, 0);
      const { entries, contentBytes } = snapshot;
      return { archive, groupId: row.id, time, entries, contentBytes, addedBytes };
    } catch (error) {
      await job.end();
      await this.#parts.removeFolder(group, time);
      catalog.snapshots.remove(archive);
      throw error;
    }
  }

  #checkedTime(groupId: number, wanted: number | undefined): number {
    const { catalog, clock } = this.#parts;
    const now = clock.now().seconds;
    const newest = catalog.snapshots.list(groupId)[0]?.time;
    if (wanted === undefined) return newest === undefined ? now : Math.max(now, newest + 1);
    const name = formatSnapshotTime(wanted);
    if (catalog.snapshots.findByTime(groupId, wanted) !== undefined) {
      throw new CairnError('exists', `There is a snapshot ${name} already`);
    }
    if (newest !== undefined && wanted <= newest) {
      throw new CairnError('invalid', `${name} is not later than the newest snapshot, ${formatSnapshotTime(newest)}`);
    }
    if (wanted > now) throw new CairnError('invalid', `${name} is in the future`);
    return wanted;
  }

  async #runJob(job: JobThread): Promise<PublishedSnapshot> {
    const { contents, durability } = this.#parts;
    const swaps: Promise<void>[] = [];
    job.onSwaps(({ changes }) => {
      swaps.push(inTurns(changes, (change) => this.#parts.log.make(change)));
    });
    await job.next('loaded');
    const letSegmentsGo = durability.keepSegments();
    try {
      await durability.commitWith({
        before: () => contents.capture(),
        after: async () => {
          job.send({ type: 'begin' });
          await job.next('picture');
        },
      });
      const { snapshot } = await job.next('published');
      await Promise.all(swaps);
      return snapshot;
    } finally {
      letSegmentsGo();
    }
  }

  async #record(archive: number, snapshot: PublishedSnapshot): Promise<void> {
    const { catalog, durability } = this.#parts;
    await inTurns(snapshot.written, ({ digest, length, stored }) => catalog.chunks.setPresent(digest, length, stored));
    for (const index of snapshot.indexes) await this.#track(index);
    const { files, contentBytes, entries } = snapshot;
    catalog.snapshots.update(archive, { state: 'finished', files, contentBytes, entries });
    await durability.commitDurably();
  }

  async #track({ file, digests, lengths }: PublishedIndex): Promise<void> {
    const { indexFiles } = this.#parts.catalog;
    const gathered = indexFiles.gather();
    for (let from = 0; from < lengths.length; from += ROWS_PER_TURN) {
      const chunks = [...lengths.subarray(from, from + ROWS_PER_TURN)].map((length, index) => {
        const at = (from + index) * 32;
        return { digest: digests.subarray(at, at + 32), length };
      });
      indexFiles.addChunks(gathered, chunks, 'present');
      await turn();
    }
    indexFiles.put(file, gathered);
  }
}

const NOTHING_YET = {
  ...{ files: [], contentBytes: 0, entries: 0, isProtected: false, notes: '' },
  ...{ verifyState: 'none' as const, verifiedAt: 0 },
};

/** Does something for each item, with the mount's requests in between. */
async function inTurns<T>(items: readonly T[], work: (item: T) => unknown): Promise<void> {
  for (const [index, item] of items.entries()) {
    work(item);
    if (index % ROWS_PER_TURN === ROWS_PER_TURN - 1) await turn();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
