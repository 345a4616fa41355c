import type { PackPieces } from '../../catalog/pieces.js';
import type { ErrorKind } from '../../core/errors.js';
import type { GroupName } from '../../core/group.js';
import type { PublishedSnapshot } from '../create/job-protocol.js';

/** What of a folder is backed up. */
export interface BackupScope {
  /** Patterns as in a .gitignore file at the source's root: what fits is left out. */
  readonly excludes: readonly string[];
  /** Other file systems are left out, but for the empty folders they are mounted on. */
  readonly oneFileSystem: boolean;
  /** What is in folders marked by a CACHEDIR.TAG is left out, but for that file. */
  readonly excludeCaches: boolean;
}

/** What a backup job is started with (its `workerData`). */
export interface BackupJobOptions extends BackupScope {
  /** The datastore's folder. */
  readonly store: string;
  /** Real path of the folder to back up. */
  readonly source: string;
  readonly group: GroupName;
  /** Epoch seconds. */
  readonly startTime: number;
  /** Nothing is read, stored or published. */
  readonly dryRun: boolean;
  /** Scope of the chunks it holds (native/holds); whoever starts the job ends it. */
  readonly holds: number;
}

/** What a backup found and did. Bytes are those of regular files. */
export interface BackupFigures {
  files: number;
  folders: number;
  /** Symbolic links, FIFOs, sockets, devices. */
  others: number;
  /** Further names of files. */
  links: number;
  /** Files that the group's newest snapshot does not have, has in another state, and proves unchanged. */
  newFiles: number;
  changedFiles: number;
  unchangedFiles: number;
  contentBytes: number;
  /** Read; in a dry run, to be read. */
  readBytes: number;
  /** Names left out because they were to be. */
  excluded: number;
}

/** Something that is not in the snapshot as it is, or was, in the source. */
export interface BackupProblem {
  readonly path: string;
  /** `unreadable`: left out, in part or as a whole; `changed`: it was written to while it was read. */
  readonly kind: 'unreadable' | 'changed';
  readonly message: string;
}

/** How it went. */
export interface BackupReport {
  readonly figures: BackupFigures;
  /** The first ones of each kind. */
  readonly problems: readonly BackupProblem[];
  readonly unreadable: number;
  readonly changedWhileRead: number;
}

/** Job to mount worker. */
export type FromBackupJob =
  | { readonly type: 'progress'; readonly done: number; readonly total: number | undefined }
  /** Everything is stored and durable; it waits for `publish`. */
  | { readonly type: 'gathered'; readonly report: BackupReport }
  /** The snapshot is on disk and durable; the job has ended. */
  | { readonly type: 'published'; readonly snapshot: PublishedSnapshot; readonly packs: readonly PackPieces[] }
  | { readonly type: 'failed'; readonly kind: ErrorKind; readonly message: string };

/** Mount worker to job. */
export interface ToBackupJob {
  readonly type: 'publish';
  /** Name of the snapshot, epoch seconds. */
  readonly time: number;
}
