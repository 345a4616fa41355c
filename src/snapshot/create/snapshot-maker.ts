import type { Group } from '../../catalog/groups.js';
import type { Catalog } from '../../catalog/open.js';
import type { ChangeLog } from '../../content/change-log.js';
import type { ContentTable } from '../../content/content-table.js';
import type { Durability } from '../../content/durability.js';
import { unlessInterrupted } from '../../content/interruption.js';
import type { Packer } from '../../content/packing/packer.js';
import { CairnError, kindOf } from '../../core/errors.js';
import { type GroupName, groupPath } from '../../core/group.js';
import type { Log } from '../../core/log.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import type { Clock } from '../../core/time.js';
import { openPicture } from '../../native/digest-locks.js';
import { HoldScope } from '../../native/holds.js';
import { dropIndexFiles } from '../index-rows.js';
import type { JobWork, PublishedIndex, PublishedSnapshot, SnapshotJobOptions } from './job-protocol.js';
import type { JobThread } from './job-thread.js';
import { LiveSwaps } from './live-swaps.js';
import { gatherPublished } from './published-index.js';
import { inTurns } from './turns.js';

/** A snapshot that was made. */
export interface MadeSnapshot {
  readonly archive: number;
  readonly groupId: number;
  readonly time: number;
  readonly entries: number;
  readonly contentBytes: number;
  /** Bytes of chunks written for it. */
  readonly addedBytes: number;
  readonly work: JobWork;
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
  /** The datastore's folder. */
  readonly store: string;
  startJob(options: SnapshotJobOptions): JobThread;
  /** Whether the group's folder has anything of this name already, whoever put it there. */
  isTaken(group: GroupName, time: number): Promise<boolean>;
  /** Whether a snapshot of this name was forgotten, and none may have it again. */
  wasForgotten(group: GroupName, time: number): boolean;
  /** Takes away the folder of a snapshot that came to nothing. */
  removeFolder(group: GroupName, time: number): Promise<void>;
}

/** A job that makes a snapshot's folder, under a name it is told. */
export interface PublishingJob {
  /** Makes it; the job is ended where this fails. @param archive row of the snapshot, which says that it is unfinished */
  publish(place: { readonly time: number; readonly archive: number }): Promise<PublishedSnapshot>;
  /** Records, with the snapshot, what else is known now. */
  record?(): Promise<void>;
  end(): Promise<void>;
  /** What holds its chunks; ended here. */
  readonly holds: HoldScope;
}

/** A snapshot that is being made. */
interface Attempt {
  readonly group: GroupName;
  readonly time: number;
  readonly archive: number;
  readonly job: PublishingJob;
}

/**
 * Makes snapshots of live trees while everything goes on (design §3, SNAP). Lives on the mount worker: a job on a thread
 * of its own does the work from a picture of the catalog, this makes the picture's moment and records the outcome. One
 * snapshot is made at a time.
 */
export class SnapshotMaker {
  readonly #parts: SnapshotMakerParts;
  #last: Promise<unknown> = Promise.resolve();
  #running: PublishingJob | undefined;
  #ended = false;

  constructor(parts: SnapshotMakerParts) {
    this.#parts = parts;
  }

  /**
   * Makes a snapshot; resolves when it is published and recorded durably. Where it fails nothing of it is left but what
   * it packed, which stays in the live tree.
   * @param time its name in epoch seconds; undefined: the next free second
   * @throws {CairnError} `not-found` for a group that is none, `exists`, `invalid` for a time that is not behind the newest
   *   snapshot or in the future, `read-only` where the store takes no changes, `interrupted` after `end` or by the signal
   */
  create(group: GroupName, time?: number, interrupted?: AbortSignal): Promise<MadeSnapshot> {
    return this.#afterOthers(interrupted, () => this.#create(group, time, interrupted));
  }

  /**
   * Gives what a job has gathered its name and records it; the group exists. One at a time with those of live trees.
   * @param time epoch seconds: its name, or the next free second behind the group's newest snapshot where that is later
   * @throws {CairnError} as `create`
   */
  publish(group: GroupName, time: number, job: PublishingJob, interrupted: AbortSignal): Promise<MadeSnapshot> {
    return this.#afterOthers(interrupted, async () => {
      this.#requireGoingOn(interrupted);
      const row = this.#requireGroup(group);
      return this.#publish(group, row.id, await this.#freeTime(row.id, group, time), job, interrupted);
    });
  }

  /**
   * As `publish`, but under no other name, which may be older than those of the group: a snapshot from elsewhere.
   * @throws {CairnError} `exists`, and as `publish`
   */
  take(group: GroupName, time: number, job: PublishingJob, interrupted: AbortSignal): Promise<MadeSnapshot> {
    return this.#afterOthers(interrupted, async () => {
      this.#requireGoingOn(interrupted);
      const row = this.#requireGroup(group);
      await this.#requireFree(row.id, group, time);
      return this.#publish(group, row.id, time, job, interrupted);
    });
  }

  /** Resolves when none is being made and none waits. */
  async idle(): Promise<void> {
    for (let last: unknown; last !== this.#last; ) {
      last = this.#last;
      await last;
    }
  }

  /** Gives up the one that is being made and makes no more; resolves when nothing is under way. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#running?.end();
    await this.idle();
  }

  #afterOthers(interrupted: AbortSignal | undefined, work: () => Promise<MadeSnapshot>): Promise<MadeSnapshot> {
    const made = unlessInterrupted(this.#last, interrupted).then(work);
    this.#last = Promise.allSettled([this.#last, made]);
    return made;
  }

  async #create(group: GroupName, wanted: number | undefined, interrupted?: AbortSignal): Promise<MadeSnapshot> {
    const { messages, packer } = this.#parts;
    this.#requireGoingOn(interrupted);
    const row = this.#requireGroup(group);
    const time = await this.#checkedTime(row.id, group, wanted);
    await packer.run().catch((error: unknown) => messages.warn({ error }, 'Packing before a snapshot stopped'));
    // Before the picture is opened, and until the commit that records the snapshot.
    const closePicture = await openPicture();
    try {
      this.#requireGoingOn(interrupted);
      return await this.#make(group, row, time, interrupted);
    } finally {
      closePicture();
    }
  }

  /** Of the live tree, as a commit shows it. */
  async #make(
    group: GroupName,
    { id, currentIno }: Group,
    time: number,
    interrupted: AbortSignal | undefined,
  ): Promise<MadeSnapshot> {
    const { catalog, log, startJob, store } = this.#parts;
    const holds = HoldScope.open();
    const swaps = new LiveSwaps(log, catalog.listCopies);
    const thread = startJob({ store, group, groupId: id, currentIno, time, holds: holds.id });
    const job: PublishingJob = {
      publish: () => this.#runJob(thread, swaps),
      end: async () => {
        await thread.end();
        await swaps.settled().catch(() => undefined);
      },
      holds,
    };
    try {
      return await this.#publish(group, id, time, job, interrupted);
    } catch (error) {
      await thread.end();
      throw error;
    }
  }

  async #publish(
    group: GroupName,
    groupId: number,
    time: number,
    job: PublishingJob,
    interrupted: AbortSignal | undefined,
  ): Promise<MadeSnapshot> {
    const { catalog, durability } = this.#parts;
    const archive = catalog.snapshots.add(groupId, time, { ...NOTHING_YET, state: 'publishing' });
    this.#running = job;
    const giveUp = () => void job.end();
    interrupted?.addEventListener('abort', giveUp, { once: true });
    try {
      // The folder must not outlive a power cut that takes the row which says that it is unfinished.
      await durability.commitDurably();
      this.#requireGoingOn(interrupted);
      const snapshot = await job.publish({ time, archive });
      await this.#record({ group, time, archive, job }, groupId, snapshot);
      job.holds.end();
      const addedBytes = snapshot.written.reduce((sum, { stored }) => sum + stored, 0);
      const { entries, contentBytes, work } = snapshot;
      const name = `${groupPath(group)}/${formatSnapshotTime(time)}`;
      this.#parts.messages.info({ entries, contentBytes, addedBytes, ...work }, `Made the snapshot ${name}`);
      return { archive, groupId, time, entries, contentBytes, addedBytes, work };
    } catch (error) {
      await this.#undo({ group, time, archive, job }, error);
      this.#refuseGivenUp(interrupted, error);
      throw error;
    } finally {
      interrupted?.removeEventListener('abort', giveUp);
      this.#running = undefined;
    }
  }

  /** @throws {CairnError} `interrupted`, `read-only` */
  #requireGoingOn(interrupted: AbortSignal | undefined): void {
    this.#refuseGivenUp(interrupted, undefined);
    this.#parts.log.requireWorking();
  }

  /** @throws {CairnError} `interrupted` where the datastore is being unmounted or nobody waits for the snapshot any more */
  #refuseGivenUp(interrupted: AbortSignal | undefined, cause: unknown): void {
    if (this.#ended) throw endedError(cause);
    interrupted?.throwIfAborted();
  }

  #requireGroup(group: GroupName): Group {
    const row = this.#parts.catalog.groups.findByName(group);
    if (row === undefined) throw new CairnError('not-found', `There is no group ${groupPath(group)}`);
    return row;
  }

  /** The first second from `time` on, behind the group's newest snapshot, that nothing has for its name. */
  async #freeTime(groupId: number, group: GroupName, time: number): Promise<number> {
    const newest = this.#parts.catalog.snapshots.list(groupId)[0]?.time;
    let free = newest === undefined ? time : Math.max(time, newest + 1);
    const { isTaken, wasForgotten } = this.#parts;
    while (wasForgotten(group, free) || (await isTaken(group, free))) free += 1;
    return free;
  }

  async #checkedTime(groupId: number, group: GroupName, wanted: number | undefined): Promise<number> {
    const { catalog, clock } = this.#parts;
    const now = clock.now().seconds;
    const newest = catalog.snapshots.list(groupId)[0]?.time;
    if (wanted === undefined) return this.#freeTime(groupId, group, now);
    const name = formatSnapshotTime(wanted);
    await this.#requireFree(groupId, group, wanted);
    if (newest !== undefined && wanted <= newest) {
      throw new CairnError('invalid', `${name} is not later than the newest snapshot, ${formatSnapshotTime(newest)}`);
    }
    if (wanted > now) throw new CairnError('invalid', `${name} is in the future`);
    return wanted;
  }

  /** @throws {CairnError} `exists` */
  async #requireFree(groupId: number, group: GroupName, time: number): Promise<void> {
    const { catalog, isTaken, wasForgotten } = this.#parts;
    if (wasForgotten(group, time)) {
      const reason = 'other machines may still know it, so the name is not used again';
      throw new CairnError('exists', `There was a snapshot ${formatSnapshotTime(time)}: ${reason}`);
    }
    if (catalog.snapshots.findByTime(groupId, time) === undefined && !(await isTaken(group, time))) return;
    throw new CairnError('exists', `There is a snapshot ${formatSnapshotTime(time)} already`);
  }

  async #runJob(job: JobThread, swaps: LiveSwaps): Promise<PublishedSnapshot> {
    const { contents, durability } = this.#parts;
    job.on('swaps', ({ changes }) => swaps.add(changes));
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
      await swaps.settled();
      return snapshot;
    } finally {
      letSegmentsGo();
    }
  }

  async #record({ group, archive, job }: Attempt, groupId: number, snapshot: PublishedSnapshot): Promise<void> {
    const { catalog, durability } = this.#parts;
    await inTurns(snapshot.written, ({ digest, length, stored }) => catalog.chunks.setPresent(digest, length, stored));
    const before = this.#newestFolder(group, groupId);
    for (const index of snapshot.indexes) await this.#track(index, before);
    await job.record?.();
    const { files, contentBytes, entries, marks, holdsTree } = snapshot;
    if (holdsTree === false) catalog.snapshots.remove(archive);
    else catalog.snapshots.update(archive, { state: 'finished', files, contentBytes, entries, ...marks });
    await durability.commitDurably();
  }

  /** @param before folder of the snapshot before: where nothing changed, its chunks are the same */
  async #track(index: PublishedIndex, before: string | undefined): Promise<void> {
    const { indexFiles } = this.#parts.catalog;
    const { file } = index;
    const name = file.path.slice(file.path.lastIndexOf('/') + 1);
    if (before !== undefined && indexFiles.putLike(file, `${before}/${name}`)) return;
    const gathered = await gatherPublished(indexFiles, index);
    try {
      indexFiles.put(file, gathered);
    } finally {
      gathered.set.dispose();
    }
  }

  /** Of the group's newest finished snapshot, relative to the datastore. */
  #newestFolder(group: GroupName, groupId: number): string | undefined {
    const newest = this.#parts.catalog.snapshots.newestFinished(groupId);
    return newest && `${groupPath(group)}/${formatSnapshotTime(newest.time)}`;
  }

  /** Leaves nothing of it behind. What cannot be removed now is removed by the next mount: the row says so. */
  async #undo({ group, time, archive, job }: Attempt, reason: unknown): Promise<void> {
    const { catalog, durability, messages } = this.#parts;
    try {
      await job.end();
      // Where a commit failed the row may say finished: then the folder has to stay for the next mount to judge.
      this.#parts.log.requireWorking();
      // Where the job found a folder that was there before, it is somebody else's.
      if (kindOf(reason) !== 'exists') await this.#parts.removeFolder(group, time);
      dropIndexFiles(catalog, group, time);
      catalog.snapshots.remove(archive);
      // What was packed and swapped into the live tree stays held until a commit names it.
      await durability.commitDurably();
      job.holds.end();
    } catch (error) {
      messages.warn({ error }, `What is left of a failed snapshot of ${groupPath(group)} goes with the next mount`);
    }
  }
}

function endedError(cause: unknown): CairnError {
  return new CairnError('interrupted', 'The snapshot was given up: the datastore is being unmounted', { cause });
}

const NOTHING_YET = {
  ...{ files: [], contentBytes: 0, entries: 0, isProtected: false, notes: '' },
  ...{ verifyState: 'none' as const, verifiedAt: 0 },
};
