import type { PackPieces } from '../../catalog/pieces.js';
import type { PublishedSnapshot } from '../create/job-protocol.js';
import type { BackupReport } from './backup-protocol.js';

/** A snapshot's folder on disk, and what was packed for it. */
export interface PublishedBackup {
  readonly snapshot: PublishedSnapshot;
  readonly packs: readonly PackPieces[];
}

/** Told of bytes done, and of how many there are once they are counted. */
export type OnBackupProgress = (done: number, total: number | undefined) => void;

/** A backup under way, in whichever thread. */
export interface RunningBackup {
  /** Resolves when everything is stored and durable; asked for once. @throws {CairnError} also where it was given up */
  gathered(): Promise<BackupReport>;
  /** Puts the snapshot's folder on disk. @param time its name, epoch seconds */
  publish(time: number): Promise<PublishedBackup>;
  /** Gives it up wherever it is; nothing of it works any more when it resolves. */
  end(): Promise<void>;
}
