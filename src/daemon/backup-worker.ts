import { parentPort, workerData } from 'node:worker_threads';
import type { BackupJobOptions } from '../snapshot/backup/backup-protocol.js';
import { serveBackupJob } from '../snapshot/backup/serve-backup.js';
import { openSnapshotView } from './open-snapshot-view.js';

// The program of a backup job's thread.
if (parentPort === null) throw new Error('A backup job runs as a worker thread');
void serveBackupJob(workerData as BackupJobOptions, parentPort, openSnapshotView);
