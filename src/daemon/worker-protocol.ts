import type { CatalogFigures } from '../catalog/figures.js';
import type { ObjectTotals } from '../catalog/objects.js';
import type { ChunkStoreCounters } from '../chunkstore/chunk-store.js';
import type { Problem } from '../control/commands.js';
import type { ErrorMessage, Progress } from '../control/messages.js';
import type { UploadStatus } from '../control/upload-commands.js';
import type { BackendState, BackendWorkerCommands } from './backend-handlers.js';
import type { BackupWorkerCommands } from './backup-service.js';
import type { CareWorkerCommands } from './care-handlers.js';
import type { CopyFigures } from './catalog-copies/copy-service.js';
import type { CopyWorkerCommands } from './copy-service.js';
import type { GcWorkerCommands } from './gc-handlers.js';
import type { JobWorkerCommands } from './job-handlers.js';
import type { CareFigures, GcFigures } from './metrics/job-figures.js';
import type { RefreshWorkerCommands } from './shared/refresh-handlers.js';
import type { SnapshotWorkerCommands } from './snapshot-handlers.js';

/** How a mount is attached to the kernel (src/fuse/README.md); the first is the default. */
export const TRANSPORTS = ['native', 'fuse-native'] as const;
export type TransportName = (typeof TRANSPORTS)[number];

/** What the mount worker is started with (its `workerData`). The main thread holds the datastore's locks. */
export interface MountWorkerOptions {
  /** Real path of the datastore. */
  readonly store: string;
  /** Real path of the folder to mount on; it exists and nothing is mounted there. */
  readonly mountpoint: string;
  readonly readOnly: boolean;
  /** Path of the one group to mount as a plain drive, or null for the whole datastore. */
  readonly group: string | null;
  readonly transport: TransportName;
}

/** What the mount worker knows of the mount's state. */
export interface MountState {
  readonly dirtyBytes: number;
  readonly oldestUnsyncedSeconds: number | null;
  readonly problems: readonly Problem[];
  /** How often the kernel asked for each operation. */
  readonly requests: Readonly<Record<string, number>>;
  /** When the chunk verified longest ago was, epoch seconds; 0: some never were. */
  readonly oldestVerifiedAt: number;
  readonly chunks: Readonly<ChunkStoreCounters>;
  readonly catalog: CatalogFigures;
  readonly objects: ObjectTotals;
  /** `lastEndedAt` in epoch seconds; 0: none ever has. */
  readonly gc: Readonly<GcFigures> & { readonly lastEndedAt: number };
  readonly care: Readonly<CareFigures>;
  readonly catalogCopies: CopyFigures;
  readonly uploads: UploadStatus | null;
  /** Empty where the datastore's folder is all there is. */
  readonly backends: readonly BackendState[];
}

/** What the main thread asks the mount worker for. */
export interface WorkerCommands
  extends SnapshotWorkerCommands,
    BackupWorkerCommands,
    CopyWorkerCommands,
    BackendWorkerCommands,
    CareWorkerCommands,
    GcWorkerCommands,
    RefreshWorkerCommands,
    JobWorkerCommands {
  status: { arguments: Record<never, never>; result: MountState };
  /** A barrier: resolves when everything answered before is durable, and in the object store, if there is one. */
  sync: { arguments: Record<never, never>; result: Record<never, never> };
  /**
   * Makes everything durable, takes the mount away and closes the stores; `ended` follows the result.
   * Rejects with `busy` where the mount is in use, unless `lazy`; the mount then goes on.
   * With `uploads` it waits before for the object store, as long as that can be had.
   */
  unmount: { arguments: { readonly lazy: boolean; readonly uploads: boolean }; result: Record<never, never> };
}

export type WorkerCommandName = keyof WorkerCommands;
export type WorkerArguments<C extends WorkerCommandName> = WorkerCommands[C]['arguments'];
export type WorkerResult<C extends WorkerCommandName> = WorkerCommands[C]['result'];

/** Main thread to mount worker. */
export type ToWorker =
  | { readonly type: 'request'; readonly id: number; readonly command: WorkerCommandName; readonly arguments: unknown }
  /** Nobody waits for the request any more. */
  | { readonly type: 'cancel'; readonly id: number };

/** A line of the log. */
export interface LogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** Mount worker to main thread. */
export type FromWorker =
  /** The kernel has answered the mount's first request: it can be used. Requests are sent from now on. */
  | { readonly type: 'ready' }
  /** It cannot start or go on: the last message, the main thread ends the worker. */
  | { readonly type: 'fatal'; readonly error: ErrorMessage }
  /** The mount is gone, whoever took it away, and the stores are closed: the last message as well. */
  | { readonly type: 'ended' }
  | { readonly type: 'log'; readonly entry: LogEntry }
  /** The group of this path has a new snapshot. */
  | { readonly type: 'snapshot-made'; readonly group: string }
  | { readonly type: 'progress'; readonly id: number; readonly progress: Progress }
  | { readonly type: 'result'; readonly id: number; readonly result: unknown }
  | { readonly type: 'error'; readonly id: number; readonly error: ErrorMessage };
