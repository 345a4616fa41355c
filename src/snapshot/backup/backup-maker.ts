import type { Catalog } from '../../catalog/open.js';
import type { PackPieces } from '../../catalog/pieces.js';
import { DIGEST_BYTES } from '../../core/digest.js';
import { CairnError, isOutOfRoom, kindOf } from '../../core/errors.js';
import type { GroupName } from '../../core/group.js';
import type { Clock } from '../../core/time.js';
import { HoldScope } from '../../native/holds.js';
import type { MadeSnapshot, SnapshotMaker } from '../create/snapshot-maker.js';
import { ROWS_PER_TURN, turn } from '../create/turns.js';
import type { BackupJobOptions, BackupReport, BackupScope } from './backup-protocol.js';
import type { OnBackupProgress, RunningBackup } from './running-backup.js';

/** Sets off with a backup. */
export type StartBackup = (options: BackupJobOptions, onProgress: OnBackupProgress) => RunningBackup;

/** What backups are made with. */
export interface BackupMakerParts {
  readonly catalog: Pick<Catalog, 'pieces'>;
  readonly maker: Pick<SnapshotMaker, 'publish'>;
  readonly clock: Clock;
  /** The datastore's folder. */
  readonly store: string;
  startJob: StartBackup;
  /** Makes the group where there is none. */
  requireGroup(group: GroupName): Promise<void>;
}

/** What to back up, and whom to tell. */
export interface BackupRequest extends BackupScope {
  /** Real path of a folder. */
  readonly source: string;
  readonly group: GroupName;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: OnBackupProgress;
}

/** A backup that was made; in a dry run without its snapshot. */
export interface MadeBackup {
  readonly report: BackupReport;
  readonly snapshot: MadeSnapshot | undefined;
}

/**
 * Makes snapshots of folders outside the datastore. Lives with the writer of the catalog: a job, mostly on a thread of its own, does the work,
 * any number of them at once; holds keep its chunks until the snapshot is recorded. It is named by when it began.
 * @throws {CairnError} what reading the source and storing gives, `interrupted`; nothing is left then but chunks for the
 *   next collection, and a new group if it was made already
 */
export async function makeBackup(parts: BackupMakerParts, request: BackupRequest): Promise<MadeBackup> {
  const { maker, clock, store } = parts;
  const { source, group, dryRun, excludes, oneFileSystem, excludeCaches, signal } = request;
  signal.throwIfAborted();
  const holds = HoldScope.open();
  const startTime = clock.now().seconds;
  const options = { store, source, group, startTime, dryRun, excludes, oneFileSystem, excludeCaches, holds: holds.id };
  const backup = parts.startJob(options, request.onProgress);
  const giveUp = () => void backup.end();
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    const report = await backup.gathered();
    if (dryRun) return { report, snapshot: undefined };
    await parts.requireGroup(group);
    let packs: readonly PackPieces[] = [];
    const job = {
      publish: async ({ time }: { readonly time: number }) => {
        const published = await backup.publish(time);
        packs = published.packs;
        return published.snapshot;
      },
      record: () => recordPieces(parts.catalog, packs),
      end: () => backup.end(),
      holds,
    };
    return { report, snapshot: await maker.publish(group, startTime, job, signal) };
  } catch (error) {
    signal.throwIfAborted();
    throw isOutOfRoom(error) ? outOfRoom(error) : error;
  } finally {
    signal.removeEventListener('abort', giveUp);
    await backup.end();
    holds.end();
  }
}

function outOfRoom(cause: unknown): CairnError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const advice = 'no snapshot was made, and "cairn gc --grace 0" frees what was stored for it';
  return new CairnError(kindOf(cause), `There is no room for the backup: ${advice} (${why})`, { cause });
}

/** From now on the same contents are found again, wherever they come from. */
async function recordPieces({ pieces }: Pick<Catalog, 'pieces'>, packs: readonly PackPieces[]): Promise<void> {
  for (const pack of packs) {
    const count = pack.contents.length / DIGEST_BYTES;
    for (let from = 0; from < count; from += ROWS_PER_TURN) {
      pieces.putPacked(pack, from, Math.min(count, from + ROWS_PER_TURN));
      await turn();
    }
  }
}
