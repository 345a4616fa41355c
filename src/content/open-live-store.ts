import type { Change } from '../catalog/change.js';
import type { KnownChunk as KnownRow } from '../catalog/chunks.js';
import { isRefusal } from '../catalog/connection.js';
import type { ChunkExtent } from '../catalog/extent.js';
import type { Catalog } from '../catalog/open.js';
import type { Transactions } from '../catalog/transactions.js';
import { ChunkError } from '../chunkstore/chunk-error.js';
import type { ChunkStore } from '../chunkstore/chunk-store.js';
import type { Digest } from '../core/digest.js';
import type { Log } from '../core/log.js';
import type { Clock } from '../core/time.js';
import { fileSystemFigures, syncFile, syncFileSystem } from '../native/files.js';
import { ChangeLog } from './change-log.js';
import { ChunkSink, type SinkCatalog } from './chunk-sink.js';
import { Cloner } from './cloner.js';
import type { ContentParts } from './content-parts.js';
import { ContentReader } from './content-reader.js';
import { ContentTable } from './content-table.js';
import { droppedPaths } from './dropped-paths.js';
import { Durability, type RequestGate } from './durability.js';
import { Journal } from './journal/journal.js';
import { type ReplayResult, replay } from './journal/replay.js';
import { Packer } from './packing/packer.js';
import { TransactionRebuild } from './rebuild.js';
import { type Reserve, Room } from './room.js';
import { WriteBudget } from './write-budget.js';

/** Paths that were lost and are named in the log; more are only counted. */
const SHOWN_PATHS = 1000;

/** What the live side of a datastore is opened from. */
export interface LiveStoreSources {
  readonly catalog: Catalog;
  /** The catalog's database file; its write-ahead log lies beside it. */
  readonly catalogPath: string;
  readonly chunks: ChunkStore;
  readonly journalFolder: string;
  readonly gate: RequestGate;
  readonly checkpoints: Checkpoints;
  readonly reserve: Reserve;
  /** What the journal brings back stays in the open transaction, which is never committed; the caller fails the log. */
  readonly readOnly?: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

const UNSYNCED = "the catalog's log cannot be synced";

/** Who keeps SQLite's write-ahead log short. */
export interface Checkpoints {
  /** Between a commit of so many changes and the next transaction. */
  betweenTransactions(transactions: Transactions, changes: number): void;
  /** After a commit, when the next transaction is open. */
  committed(): void;
  /** Whom to tell that a sync failed, while a transaction is open; one listener. */
  onFailedSync(listener: (error: unknown) => void): void;
}

/** The live trees' contents, open for use by one thread. */
export interface LiveStore {
  readonly parts: ContentParts;
  readonly contents: ContentTable;
  readonly reader: ContentReader;
  readonly durability: Durability;
  readonly packer: Packer;
  readonly cloner: Cloner;
  /** How the journal's replay ended. */
  readonly recovered: ReplayResult;
  /** Ends it without making anything durable; the catalog's open transaction is the caller's to roll back. */
  close(): void;
}

/**
 * Opens the live side: replays the journal into SQLite and commits, so that what is in use from here on is a
 * consistent prefix of what was answered before (design §3).
 */
export async function openLiveStore(sources: LiveStoreSources): Promise<LiveStore> {
  const { catalog, chunks, journalFolder, gate, clock } = sources;
  const recovered = await recover(sources);
  const journal = await Journal.open(journalFolder, recovered.highestSequence);
  const availableBytes = async () => {
    const figures = await fileSystemFigures(journalFolder);
    journal.roomIs(figures.availableBytes);
    return figures.availableBytes;
  };
  const room = new Room({ reserve: sources.reserve, availableBytes, log: sources.log });
  if (sources.readOnly !== true) await room.remake();
  const rebuild = new TransactionRebuild({
    journal,
    transactions: catalog.transactions,
    apply: (change) => catalog.apply(change),
    room,
  });
  const log = new ChangeLog(journal, catalog, { room, rebuild });
  catalog.transactions.restoreWith((error) => restoreOr(rebuild, log, error));
  sources.checkpoints.onFailedSync((error) => log.fail(UNSYNCED, error));
  const sink = new ChunkSink(chunks, writersKnowledge(catalog.chunks, chunks), room);
  const parts: ContentParts = { tree: catalog, log, journal, chunks, sink, budget: new WriteBudget(), room, clock };
  const contents = new ContentTable(parts);
  const transactions = {
    commitAndBegin(appliedSequence: number) {
      rebuild.commit(appliedSequence);
      sources.checkpoints.betweenTransactions(catalog.transactions, log.changesSinceCommit);
      rebuild.begin();
      sources.checkpoints.committed();
    },
    syncCommit: () => syncOrFail(`${sources.catalogPath}-wal`, log),
    oldestSegmentInUse: () => catalog.journalRefs.oldestSegment(),
  };
  return {
    parts,
    contents,
    reader: new ContentReader(parts, contents),
    durability: new Durability({ log, journal, chunks, transactions, gate, clock, sink, room }),
    packer: new Packer(parts, contents, catalog, sources.log),
    cloner: new Cloner(parts, contents),
    recovered,
    close: () => {
      contents.abandon();
      journal.close();
    },
  };
}

/** The transaction was lost outside of a change: it is made anew, or the store takes no more changes. */
function restoreOr(rebuild: TransactionRebuild, log: ChangeLog, error: unknown): void {
  try {
    rebuild.afterLoss(error);
  } catch (failure) {
    log.fail("the catalog's open transaction was lost", failure);
  }
}

/** What could not be synced once the system may have dropped: a later sync proves nothing. */
async function syncOrFail(path: string, log: ChangeLog): Promise<void> {
  try {
    await syncFile(path);
  } catch (error) {
    log.fail(UNSYNCED, error);
    throw error;
  }
}

/** What the thread of the catalog's writer knows of chunks. */
export function writersKnowledge(
  rows: Pick<Catalog['chunks'], 'find' | 'setPresent'>,
  chunks: Pick<ChunkStore, 'sync' | 'whileStanding'>,
): SinkCatalog {
  return {
    findPresent: (digest) => presentChunk(rows, digest),
    rewritten: async (digest, length, stored) => {
      if (rows.find(digest)?.state !== 'bad') return;
      // Any commit may take the row along, also one whose barrier came before the chunk.
      await chunks.sync();
      // A verification may have found it bad once more and set it aside.
      await chunks.whileStanding(digest, stored, () => rows.setPresent(digest, length, stored));
    },
  };
}

/** The chunk as the catalog knows it, if it is present as far as that knows. */
export function presentChunk(
  chunks: { find(digest: Digest): KnownRow | undefined },
  digest: Digest,
): KnownRow | undefined {
  const known = chunks.find(digest);
  return known?.state === 'present' ? known : undefined;
}

async function recover(sources: LiveStoreSources): Promise<ReplayResult> {
  const { catalog, chunks, journalFolder } = sources;
  const appliedSequence = catalog.transactions.appliedSequence();
  const result = await replayInto(sources, appliedSequence);
  if (result.highestSequence > appliedSequence && sources.readOnly !== true) {
    // Replay read these chunks and bodies from the page cache, where a process may have left them that was killed.
    await chunks.syncAll();
    await syncFileSystem(journalFolder);
    catalog.transactions.commit(result.highestSequence);
    await syncFile(`${sources.catalogPath}-wal`);
    catalog.transactions.begin();
  }
  report(sources, result);
  return result;
}

/** Begins the transaction and applies to it what of the journal counts. */
async function replayInto({ catalog, chunks, journalFolder }: LiveStoreSources, appliedSequence: number) {
  const { transactions } = catalog;
  const verify = (extent: ChunkExtent) => verifyChunk(chunks, extent);
  const once = (apply: (change: Change) => string | undefined): Promise<ReplayResult> => {
    transactions.begin();
    return replay(journalFolder, { appliedSequence, apply, verifyChunk: verify });
  };
  const result = await once((change) => applyOrSay(catalog, change));
  if (transactions.state === 'open') return result;
  // The last change failed half-way. Those before it are applied anew, and it is not tried again.
  transactions.rollback();
  let left = result.applied;
  return once((change) => (left-- > 0 ? applyOrSay(catalog, change) : 'it failed half-way'));
}

/** @returns why the catalog refuses the change @throws {CairnError} where the database itself is in trouble */
function applyOrSay(catalog: Catalog, change: Change): string | undefined {
  try {
    catalog.apply(change);
    return undefined;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return error instanceof Error ? error.message : String(error);
  }
}

async function verifyChunk(chunks: ChunkStore, extent: ChunkExtent): Promise<boolean> {
  try {
    return (await chunks.read(extent.digest)).length === extent.chunkLength;
  } catch (error) {
    if (error instanceof ChunkError) return false;
    throw error;
  }
}

/** Tells what was brought back and, by path, what was lost. */
function report({ catalog, log }: LiveStoreSources, result: ReplayResult): void {
  const { applied, dropped, stoppedBy } = result;
  if (applied > 0) log.info({ changes: applied }, 'The journal brought back changes the catalog lacked');
  if (stoppedBy === undefined) return;
  const paths = droppedPaths(catalog, dropped);
  const shown = paths.slice(0, SHOWN_PATHS);
  const lost = { stoppedBy, changes: dropped.length, paths: shown, morePaths: paths.length - shown.length };
  if (result.refused)
    log.error(lost, 'The journal ends at a change the catalog refuses: what came after it is not in the tree');
  else if (result.tornEnd) log.info(lost, 'The journal ends in a torn record: nothing that was synced is lost');
  else log.warn(lost, 'The end of the journal was lost in a power cut');
}
