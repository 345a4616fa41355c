import { availableParallelism } from 'node:os';
import type { Xattr } from '../../archive/xattrs.js';
import type { ChunkStore } from '../../chunkstore/chunk-store.js';
import { processGuards } from '../../chunkstore/guards.js';
import { CairnError } from '../../core/errors.js';
import { openDatastoreReader, type ReadableDatastore } from '../../datastore/open.js';
import { writingChunks } from '../../datastore/writing-chunks.js';
import { toldUnreadable } from '../../index/unreadable-paths.js';
import { hashedBytes } from '../../native/hashed-bytes.js';
import { HoldScope } from '../../native/holds.js';
import { JobChunks } from '../create/job-chunks.js';
import { type BuiltStreams, publishSnapshot } from '../create/publish-snapshot.js';
import { TreeEncoder } from '../create/tree-encoder.js';
import type { FileContent, TreeSource } from '../create/tree-source.js';
import { finishTreeStreams, newTreeStreams } from '../create/tree-streams.js';
import { Exclusions } from '../exclusions.js';
import type { FoundSnapshot } from '../find-snapshot.js';
import type { RecordedTree, TreeView } from '../tree-view.js';
import type { BackupJobOptions, BackupReport } from './backup-protocol.js';
import { BackupRecord } from './backup-record.js';
import { EntryQueue } from './entry-queue.js';
import { FileContents } from './file-contents.js';
import { KnownChunks } from './known-chunks.js';
import { LargeFiles } from './large-files.js';
import { PackStore } from './pack-store.js';
import { PreviousTree } from './previous-tree.js';
import type { PublishedBackup } from './running-backup.js';
import { SameTree } from './same-tree.js';
import { SmallFiles } from './small-files.js';
import type { SourceNode } from './source-node.js';
import { SourceWalk, type WalkEvent, type WalkParts } from './source-walk.js';
import { StorePlaces } from './store-places.js';
import { streamsAgain } from './streams-again.js';
import { TriedFiles } from './tried-files.js';

/** Names found that nobody has encoded yet. */
const ENTRIES_AHEAD = 8192;

/** Opens a snapshot's tree. */
export type OpenView = (datastore: ReadableDatastore, found: FoundSnapshot) => Promise<TreeView>;

/**
 * Makes one snapshot of a folder: walks it, reads what the group's newest snapshot does not prove unchanged, stores it,
 * encodes the tree and publishes it. Runs on a thread of its own; the live tree has no part in it.
 */
export class BackupJob {
  readonly #options: BackupJobOptions;
  readonly #datastore: ReadableDatastore;
  readonly #openView: OpenView;
  readonly #signal: AbortSignal;
  readonly #chunks: ChunkStore;
  readonly #jobChunks: JobChunks;
  readonly #packs: PackStore;
  #record = new BackupRecord();
  /** What was found to be as in the newest snapshot, before anything else is done. */
  readonly #same = new BackupRecord();
  #previous: PreviousTree | undefined;
  #built: BuiltStreams | undefined;
  #countedBytes: number | undefined;

  private constructor(
    options: BackupJobOptions,
    datastore: ReadableDatastore,
    openView: OpenView,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#datastore = datastore;
    this.#openView = openView;
    this.#signal = signal;
    const guards = processGuards(HoldScope.of(options.holds));
    this.#chunks = writingChunks(datastore, { atOnce: availableParallelism(), guards });
    this.#jobChunks = new JobChunks(this.#chunks, datastore.catalog);
    this.#packs = new PackStore(this.#jobChunks);
  }

  /** Opens what a job works on; give it back with `close`. @throws {CairnError} as `openDatastoreReader` */
  static async open(options: BackupJobOptions, openView: OpenView, signal: AbortSignal): Promise<BackupJob> {
    return new BackupJob(options, await openDatastoreReader(options.store), openView, signal);
  }

  /** Bytes of files read and passed over so far, and about how many there are, once that was counted. */
  get progress(): { done: number; total: number | undefined } {
    const { figures, passedBytes } = this.#record;
    const done = Math.max(figures.readBytes + passedBytes, this.#same.passedBytes);
    return { done, total: this.#countedBytes && Math.max(done, this.#countedBytes) };
  }

  /**
   * Finds out for `progress` how much there is: as much as in the newest snapshot, else it goes through the source once
   * more, reading no file. Where most is unchanged that would double the work.
   */
  async count(): Promise<void> {
    if (this.#previous !== undefined) {
      this.#countedBytes = this.#previous.dataBytes();
      return;
    }
    const record = new BackupRecord();
    const known = new KnownChunks(this.#jobChunks);
    const contents = new FileContents({ previous: undefined, known, record, readers: undefined });
    const tree = await this.#walk({ previous: undefined, known: undefined, contents, record });
    await passOver(tree.source);
    this.#countedBytes = record.figures.contentBytes;
  }

  /** Stores and encodes everything; durable when it resolves. @throws {CairnError} also where it was given up */
  async gather(): Promise<BackupReport> {
    const known = new KnownChunks(this.#jobChunks);
    const view = await this.#openPrevious();
    const previous = view && new PreviousTree(view);
    this.#previous = previous;
    if (view !== undefined && (await this.#isMadeAgain(view, known))) return this.#record.report();
    const record = this.#record;
    const large = new LargeFiles(this.#jobChunks, record, this.#signal);
    const small = new SmallFiles({
      ...{ packs: this.#packs, known, record, pieces: this.#datastore.catalog.pieces },
      readLarge: (file) => large.read(file),
    });
    const readers = this.#options.dryRun ? undefined : { small, large };
    const tried = this.#options.dryRun ? { tried: new TriedFiles(record) } : {};
    const contents = new FileContents({ previous, known, record, readers, ...tried });
    const { source, walking } = await this.#walk({ previous, known: readers && known, contents, record });
    if (this.#options.dryRun) await passOver(source);
    else await this.#encode(source);
    await walking;
    return record.report();
  }

  /** Puts the snapshot's folder on disk. */
  async publish(time: number): Promise<PublishedBackup> {
    if (this.#built === undefined) throw new CairnError('invalid', 'Nothing was gathered to be published');
    const unprotected = toldUnreadable(this.#record.report().unreadable);
    const options = { ...this.#options, time, unprotected };
    const published = await publishSnapshot(options, this.#built, this.#jobChunks.written);
    const work = { chunks: { ...this.#chunks.counters }, hashedBytes: hashedBytes(), recutFiles: 0 };
    return { snapshot: { ...published, work }, packs: this.#packs.packs };
  }

  close(): void {
    this.#datastore.close();
  }

  /** Sets off through the source. @returns what comes of it, and when that has ended */
  async #walk(
    parts: Pick<WalkParts, 'previous' | 'known' | 'contents' | 'record'>,
  ): Promise<{ source: TreeSource<SourceNode>; walking: Promise<void> }> {
    const queue = new EntryQueue<WalkEvent>(ENTRIES_AHEAD, (event) =>
      event && 'leaves' in event ? event.leaves.count : 1,
    );
    const avoid = await StorePlaces.of(this.#datastore.paths.root);
    const { source } = this.#options;
    const walk = new SourceWalk({ ...parts, scope: this.#options, source, avoid, queue, signal: this.#signal });
    const { root, walk: go } = await walk.open();
    const walking = go().then(
      () => parts.contents.flush(),
      (error) => queue.fail(error),
    );
    return { source: treeOf(root, queue), walking };
  }

  /** Makes the newest snapshot once more where nothing differs from it: no need to encode it anew. */
  async #isMadeAgain(view: RecordedTree, known: KnownChunks): Promise<boolean> {
    const { source, excludes, startTime, dryRun } = this.#options;
    const avoid = await StorePlaces.of(this.#datastore.paths.root);
    const parts = { scope: this.#options, exclusions: new Exclusions(excludes), avoid, view };
    try {
      const same = new SameTree({ ...parts, record: this.#same, signal: this.#signal });
      const entries = await same.compare(source);
      if (entries === undefined) return false;
      const again = dryRun ? undefined : await streamsAgain(view, known, startTime);
      if (again === undefined && !dryRun) return false;
      if (again !== undefined) this.#built = { entries, ...again };
    } catch {
      // Whatever it was shows once more, and is told then, unless it was the snapshot's.
      this.#signal.throwIfAborted();
      return false;
    }
    this.#record = this.#same;
    await this.#chunks.sync();
    return true;
  }

  /** The newest snapshot, where it can prove anything: PBS's tell no change times. */
  async #openPrevious(): Promise<RecordedTree | undefined> {
    const { groups, snapshots } = this.#datastore.catalog;
    const group = groups.findByName(this.#options.group);
    const snapshot = group && snapshots.newestFinished(group.id);
    if (group === undefined || snapshot === undefined) return undefined;
    try {
      const view = await this.#openView(this.#datastore, { group, snapshot });
      return view.streams && { ...view, streams: view.streams };
    } catch {
      // A snapshot that cannot be read proves nothing; everything is read then.
      return undefined;
    }
  }

  async #encode(tree: TreeSource<SourceNode>): Promise<void> {
    const streams = newTreeStreams((digest, bytes) => this.#jobChunks.store(digest, bytes));
    const entries = await new TreeEncoder(tree, streams).encode();
    this.#built = { entries, ...(await finishTreeStreams(streams, this.#options.startTime)) };
    await this.#chunks.sync();
  }
}

/** The source as what is encoded: it comes in just the order it is asked for. */
function treeOf(root: SourceNode, queue: EntryQueue<WalkEvent>): TreeSource<SourceNode> {
  const children = { next: () => queue.take() };
  return {
    root: () => root,
    children: () => children,
    xattrs: (node): readonly Xattr[] => node.xattrs,
    content: (node): FileContent | undefined | Promise<FileContent | undefined> => node.content,
  };
}

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

/** Goes through a tree to its end. */
async function passOver(tree: TreeSource<SourceNode>): Promise<void> {
  const children = tree.children(await tree.root());
  for (let depth = 1; depth > 0; ) {
    const child = await children.next();
    if (child === undefined) depth -= 1;
    else if ('node' in child) {
      if ((child.node.mode & S_IFMT) === S_IFDIR) depth += 1;
      await child.node.content;
    }
  }
}
