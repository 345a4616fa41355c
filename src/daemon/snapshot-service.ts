import { addCounters, type ChunkStoreCounters, noCounters } from '../chunkstore/chunk-store.js';
import type { LiveStore } from '../content/open-live-store.js';
import type { SnapshotCreated, SnapshotListed } from '../control/snapshot-commands.js';
import { CairnError } from '../core/errors.js';
import { type GroupName, groupPath } from '../core/group.js';
import type { Log } from '../core/log.js';
import { formatSnapshotTime } from '../core/snapshot-time.js';
import { systemClock } from '../core/time.js';
import type { TreeName } from '../core/tree-name.js';
import type { WritableDatastore } from '../datastore/open.js';
import { findSnapshot } from '../index/snapshot-folder.js';
import type { JobWork } from '../snapshot/create/job-protocol.js';
import { JobThread } from '../snapshot/create/job-thread.js';
import { type MadeSnapshot, SnapshotMaker } from '../snapshot/create/snapshot-maker.js';
import { type DiscoverParts, discoverSnapshots } from '../snapshot/discover.js';
import { requireSnapshot } from '../snapshot/find-snapshot.js';
import { completeInterrupted, type ForgetParts, forgetSnapshot, removeSnapshotFolder } from '../snapshot/forget.js';
import { listWithMarks } from '../snapshot/list.js';
import { SnapshotMarks } from '../snapshot/marks.js';
import { removeUntracked } from '../snapshot/prune/remove-untracked.js';
import { loadTreeIndexes } from '../snapshot/tree-indexes.js';
import type { TreeIndexes } from '../vfs/snapshots/snapshot-tree.js';
import { GroupChanges } from './group-changes.js';
import { GroupGuard } from './group-guard.js';
import { ForeignSnapshots } from './shared/foreign-snapshots.js';
import { ForgottenNames } from './shared/forgotten-names.js';
import { groupsLastOfOthers } from './shared/writers-of-groups.js';
import type { SnapshotsChanged } from './snapshots-changed.js';

const JOB_SCRIPT = new URL('./snapshot-worker.js', import.meta.url);

type SnapshotListener = (group: string) => Promise<void> | void;

/** Snapshots of one mounted datastore: made, forgotten and listed on the mount worker. */
export class SnapshotService {
  readonly #datastore: WritableDatastore;
  readonly #live: LiveStore;
  readonly #maker: SnapshotMaker;
  readonly #forget: ForgetParts;
  readonly #discover: DiscoverParts;
  readonly #forgottenNames: ForgottenNames;
  /** Which groups changed since their last snapshot. */
  readonly changes: GroupChanges;
  /** Protection and notes. */
  readonly marks: SnapshotMarks;
  /** Which groups may be written to. */
  readonly guard = new GroupGuard();
  /** Snapshots that other machines made. */
  readonly foreign: ForeignSnapshots;
  /** Snapshots of what is no live tree. */
  readonly others: Pick<SnapshotMaker, 'publish' | 'take'>;
  #changed: SnapshotsChanged = () => undefined;
  readonly #made: SnapshotListener[] = [];
  #lastWork: JobWork | undefined;
  #jobChunks: ChunkStoreCounters = noCounters();

  constructor(datastore: WritableDatastore, live: LiveStore, log: Log) {
    const { paths, catalog } = datastore;
    this.#datastore = datastore;
    this.#live = live;
    this.changes = new GroupChanges(catalog, live.parts.log, paths.groupMarks);
    const { durability, parts } = live;
    this.#forget = { catalog, durability, log: parts.log, store: paths.root, forgottenFolder: paths.forgotten };
    this.marks = new SnapshotMarks(this.#forget);
    this.#discover = {
      catalog,
      log: parts.log,
      clock: systemClock,
      messages: log,
      store: paths.root,
      isOthers: groupsLastOfOthers(paths),
    };
    this.#forgottenNames = new ForgottenNames(paths);
    this.#maker = new SnapshotMaker({
      ...{ catalog, log: live.parts.log, contents: live.contents, packer: live.packer },
      ...{ durability: live.durability, clock: systemClock, messages: log },
      store: paths.root,
      startJob: (options) => new JobThread(JOB_SCRIPT, options),
      isTaken: async (group, time) => (await findSnapshot(paths.root, group, time)) !== undefined,
      wasForgotten: (group, time) => this.#forgottenNames.has(group, time),
      removeFolder: (group, time) => removeSnapshotFolder(paths.root, group, time),
    });
    this.foreign = new ForeignSnapshots(this.#discover, (...change) => this.#changed(...change));
    this.others = {
      publish: async (...args) => this.#madeOther(args[0], await this.#maker.publish(...this.#ours(args))),
      take: async (...args) => this.#madeOther(args[0], await this.#maker.take(...this.#ours(args))),
    };
  }

  onChange(changed: SnapshotsChanged): void {
    this.#changed = changed;
  }

  /** Told of the group's path when a snapshot was made; whoever asked for it is told when all listeners have resolved. */
  onMade(made: SnapshotListener): void {
    this.#made.push(made);
  }

  /** What the job of the last snapshot did to file data. */
  get lastWork(): JobWork | undefined {
    return this.#lastWork;
  }

  /** What the jobs of all snapshots did in chunk stores of their own. */
  get jobChunks(): Readonly<ChunkStoreCounters> {
    return this.#jobChunks;
  }

  /** Ends what an earlier daemon left unfinished, and looks what others made and removed. */
  async completeInterrupted(): Promise<void> {
    await completeInterrupted(this.#forget);
    await discoverSnapshots(this.#discover).catch((error: unknown) =>
      this.#discover.messages.warn({ error }, 'Snapshots that others made or removed are not seen'),
    );
  }

  /** What is made in a group, which must be ours to write. */
  #ours<A extends readonly [GroupName, ...unknown[]]>(made: A): A {
    this.guard.requireOurs(made[0]);
    return made;
  }

  async #tellMade(group: GroupName): Promise<void> {
    for (const told of this.#made) await told(groupPath(group));
  }

  async #madeOther(group: GroupName, made: MadeSnapshot): Promise<MadeSnapshot> {
    const newest = this.#datastore.catalog.snapshots.newestFinished(made.groupId);
    if (newest?.archive === made.archive) this.changes.otherSnapshotMade(made.groupId, made.archive);
    this.#changed(made.groupId, { made });
    await this.#tellMade(group);
    return made;
  }

  /** Resolves when none is being made and none waits. */
  idle(): Promise<void> {
    return this.#maker.idle();
  }

  /** Gives up the one that is being made and makes no more; resolves when nothing is under way. */
  end(): Promise<void> {
    return this.#maker.end();
  }

  async create(group: GroupName, time?: number, interrupted?: AbortSignal): Promise<SnapshotCreated> {
    this.guard.requireOurs(group);
    const { sequence } = this.changes;
    const before = this.#datastore.chunks.counters.encodedBytes;
    const made = await this.#maker.create(group, time, interrupted);
    this.#lastWork = made.work;
    this.#jobChunks = addCounters(this.#jobChunks, made.work.chunks);
    this.changes.snapshotMade(made.groupId, made.archive, sequence);
    this.#changed(made.groupId, { made });
    await this.#tellMade(group);
    return {
      group: groupPath(group),
      time: formatSnapshotTime(made.time),
      entries: made.entries,
      sizeBytes: made.contentBytes,
      addedBytes: made.addedBytes + (this.#datastore.chunks.counters.encodedBytes - before),
      recutFiles: made.work.recutFiles,
    };
  }

  /** When it resolves, readers of the catalog see all that was written before. */
  async commitAll(): Promise<void> {
    // What a store that takes no changes has not committed it will not commit any more.
    if (this.#live.parts.log.failure !== undefined) return;
    await this.#live.contents.flushAll();
    await this.#forget.durability.commitDurably();
  }

  /** Forgets the snapshot a command names; `latest` is the newest. @throws as `forgetSnapshot` */
  async forgetNamed(name: TreeName): Promise<void> {
    const isTime = typeof name.which === 'number';
    const time = isTime ? name.which : requireSnapshot(this.#datastore.catalog, name).snapshot.time;
    await this.forget(name.group, time);
  }

  async forget(group: GroupName, time: number): Promise<void> {
    this.guard.requireOurs(group);
    const { groups, snapshots } = this.#datastore.catalog;
    const known = groups.findByName(group);
    if (known !== undefined && snapshots.findByTime(known.id, time) !== undefined)
      await this.#noteForgotten(group, time);
    const forgotten = await forgetSnapshot(this.#forget, group, time);
    const row = groups.findByName(group);
    if (row !== undefined) this.#changed(row.id, { forgotten, time });
  }

  /** Where nobody else knows the name it may be given again. */
  async #noteForgotten(group: GroupName, time: number): Promise<void> {
    if (this.#datastore.objects?.shared !== undefined) await this.#forgottenNames.add(group, time);
  }

  /** Removes a snapshot that pruning found on disk, whoever made it. @throws as `forgetSnapshot` and `removeUntracked` */
  async removePruned(group: GroupName, time: number, finished: boolean): Promise<void> {
    this.guard.requireOurs(group);
    const { groups, snapshots } = this.#datastore.catalog;
    const row = groups.findByName(group);
    const tracked = row && snapshots.findByTime(row.id, time);
    // One being forgotten is gone on with.
    if (tracked !== undefined && tracked.state !== 'publishing') return this.forget(group, time);
    await this.#noteForgotten(group, time);
    await removeUntracked(this.#forget, group, time, finished);
  }

  /** Finished snapshots of one group, or of all, in order of groups and times. */
  list(group: string | null): Promise<SnapshotListed[]> {
    return listWithMarks(this.#datastore.catalog, this.#datastore.paths.root, group);
  }

  /** The index files of a snapshot's tree. @throws {CairnError} `stale` where it was forgotten */
  async indexesOf(archive: number): Promise<TreeIndexes> {
    const { catalog, paths } = this.#datastore;
    const snapshot = catalog.snapshots.find(archive);
    const group = snapshot && catalog.groups.find(snapshot.group);
    if (snapshot?.state !== 'finished' || group === undefined)
      throw new CairnError('stale', 'The snapshot was forgotten');
    return loadTreeIndexes(paths.root, group.name, snapshot);
  }
}
