import type { StartBackup } from '../snapshot/backup/backup-maker.js';
import { BackupThread } from '../snapshot/backup/backup-thread.js';

const JOB_SCRIPT = new URL('./backup-worker.js', import.meta.url);

/** Backups on threads of their own: the mount worker answers the kernel meanwhile. */
export const startInThread: StartBackup = (options, onProgress) => new BackupThread(JOB_SCRIPT, options, onProgress);
