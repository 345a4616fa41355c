import type { Status } from '../control/commands.js';
import { type CommandHandlers, ControlServer } from '../control/server.js';
import { kindOf } from '../core/errors.js';
import type { Log } from '../core/log.js';
import { type Claim, claimDatastore } from '../datastore/claim.js';
import { readConfig } from '../datastore/config.js';
import { datastorePaths } from '../datastore/paths.js';
import { passBackendCommands } from './backend-handlers.js';
import { passCareCommands } from './care-handlers.js';
import { isOwnersOrRoots, ownSocketPath, prepareSocket, restrictSocket } from './control-socket.js';
import { passGcCommands } from './gc-handlers.js';
import { type HaltPollingPlaces, lowLatency, pollBeforeHalting, restoreHaltPolling } from './halt-polling.js';
import type { ListenAddress } from './metrics/listen-address.js';
import { Metrics } from './metrics/metrics.js';
import { MetricsServer, type ShownMount } from './metrics/metrics-server.js';
import type { Sample } from './metrics/sample.js';
import { MountWorker, type WorkerCallOptions } from './mount-worker-client.js';
import { cairnMounts, checkMountpoint, realFolderPath, removeMount, removeStaleMounts } from './mounts.js';
import { scheduledJobs, wallAlarm } from './schedule/jobs.js';
import { ScheduleService } from './schedule/schedule-service.js';
import { settingsHandlers } from './settings-handlers.js';
import { passSnapshotCommands } from './snapshot-handlers.js';
import { programVersion } from './version.js';
import type { LogEntry, MountState, MountWorkerOptions, TransportName } from './worker-protocol.js';

/** What a daemon is started with. */
export interface DaemonOptions {
  /** Real path of the datastore. */
  readonly store: string;
  readonly mountpoint: string;
  readonly readOnly: boolean;
  /** Path of the one group to mount, or null for the whole datastore. */
  readonly group: string | null;
  readonly transport: TransportName;
  /** Where to show metrics over HTTP; absent: nowhere. */
  readonly metrics?: ListenAddress;
  /** Have the machine's CPUs poll before they halt while it is mounted. */
  readonly lowLatency?: boolean;
  /** Run by a shell when a scheduled job fails, in place of the command in the settings. */
  readonly onFailure?: string;
  /** Least level that is logged, e.g. `info`. */
  readonly logLevel: string;
}

/** What a daemon tells those who started it. */
export interface DaemonHooks {
  readonly log: Log;
  /** The mount can be used and the control socket answers. */
  readonly onReady?: (mountpoint: string) => void;
  /** The mount worker's program, for tests. */
  readonly workerScript?: URL;
  /** Where the machine says how its CPUs wait, for tests. */
  readonly haltPolling?: HaltPollingPlaces;
}

/** A daemon while its mount is up. */
interface Mounted {
  readonly options: MountWorkerOptions;
  readonly worker: MountWorker;
  readonly schedule: ScheduleService;
  readonly startedAt: number;
  /** Resolves when the datastore is free for another daemon. */
  readonly released: Promise<void>;
  /** Where metrics are shown over HTTP. */
  metricsAddress: string | null;
  /** Whether it can be used. */
  isReady: boolean;
  readonly haltPolling: HaltPollingPlaces | undefined;
}

const WORKER_SCRIPT = new URL('./mount-worker.js', import.meta.url);

/**
 * Mounts a datastore and serves it until it is unmounted: by command, by signal, or by umount(8). Resolves
 * when everything is safe and released.
 * @throws {CairnError} why it cannot be mounted, or why the mount failed; the mountpoint is free again then
 */
export async function runDaemon(options: DaemonOptions, hooks: DaemonHooks): Promise<void> {
  // Modes of what the daemon makes are part of the format (pbs-format §1.1), whatever the user's mask.
  process.umask(0o022);
  const paths = datastorePaths(options.store);
  readConfig(paths);
  const mountpoint = await realFolderPath(options.mountpoint);
  const claim = claimDatastore(paths);
  try {
    for (const freed of await removeStaleMounts(options.store, mountpoint)) {
      hooks.log.info({ mountpoint: freed }, 'removed the mount of a daemon that was killed');
    }
    await checkMountpoint(options.store, mountpoint);
    const { store, readOnly, group, transport } = options;
    restoreHaltPolling(hooks.log, hooks.haltPolling);
    const endPolling = options.lowLatency && (await pollBeforeHalting(hooks.log, hooks.haltPolling));
    try {
      await serve({ store, mountpoint, readOnly, group, transport }, claim, hooks, options);
    } finally {
      if (endPolling) endPolling();
    }
  } finally {
    claim.release();
  }
}

async function serve(
  options: MountWorkerOptions,
  claim: Claim,
  hooks: DaemonHooks,
  { metrics: metricsAt, onFailure }: Pick<DaemonOptions, 'metrics' | 'onFailure'>,
): Promise<void> {
  const { log } = hooks;
  const socket = ownSocketPath(options.store);
  prepareSocket(socket);
  const worker = new MountWorker(hooks.workerScript ?? WORKER_SCRIPT, options, (entry) => logEntry(log, entry));
  let becomeReleased: () => void = () => undefined;
  const released = new Promise<void>((resolve) => {
    becomeReleased = resolve;
  });
  const schedule = await openSchedule(options, worker, log, onFailure ?? null);
  const started = { startedAt: Date.now() / 1000, released, metricsAddress: null, isReady: false };
  const mounted: Mounted = { options, worker, schedule, haltPolling: hooks.haltPolling, ...started };
  const metrics = new Metrics(() => sampleOf(mounted));
  const control = new ControlServer(
    handlersOf(mounted, metrics),
    (error) => log.debug({ error }, 'control connection broke'),
    isOwnersOrRoots,
  );
  const stopSignals = unmountOnSignals(worker, log);
  let shown: MetricsServer | undefined;
  try {
    if (metricsAt !== undefined) {
      const onError = (error: Error): void => log.debug({ error }, 'metrics connection broke');
      shown = await MetricsServer.listen(metricsAt, shownMount(mounted, metrics), onError);
      mounted.metricsAddress = shown.address;
    }
    await worker.ready;
    await control.listen(socket);
    restrictSocket(socket);
    announce(claim, options, socket, log);
    mounted.isReady = true;
    const { store, mountpoint } = options;
    log.info({ store, mountpoint, ...(shown && { metrics: shown.address }) }, 'mounted');
    worker.onSnapshotMade = (group) => schedule.snapshotMade(group);
    schedule.start();
    hooks.onReady?.(options.mountpoint);
    const end = await worker.ended;
    mounted.isReady = false;
    if (end.kind === 'failed') throw end.error;
    log.info({ mountpoint: options.mountpoint }, 'unmounted');
  } finally {
    stopSignals();
    await shown?.close();
    await worker.terminate();
    await schedule.stop();
    await removeLeftMount(options, log);
    // In this order: once the claim is gone another daemon may listen on the same path.
    control.stopListening();
    claim.release();
    becomeReleased();
    await control.close();
  }
}

/** Where that cannot be done the worker ends too. @throws {CairnError} what reading config and settings gives */
async function openSchedule(
  options: MountWorkerOptions,
  worker: MountWorker,
  log: Log,
  onFailure: string | null,
): Promise<ScheduleService> {
  const paths = datastorePaths(options.store);
  try {
    return new ScheduleService({
      ...{ paths, mountpoint: options.mountpoint, readOnly: options.readOnly, log, alarm: wallAlarm },
      uuid: readConfig(paths).uuid,
      jobs: scheduledJobs(options.store, worker),
      onFailure,
    });
  } catch (error) {
    await worker.terminate();
    await removeLeftMount(options, log);
    throw error;
  }
}

/** Without it only commands of the same user find the daemon; a full disk is no reason not to mount. */
function announce(claim: Claim, { mountpoint, group }: MountWorkerOptions, socket: string, log: Log): void {
  try {
    claim.announce({ pid: process.pid, socket, mountpoints: [mountpoint], group });
  } catch (error) {
    log.warn({ error }, 'cannot write .cairn/lock, which tells other users where the daemon is');
  }
}

function handlersOf(mounted: Mounted, metrics: Metrics): CommandHandlers {
  const { worker, options, schedule } = mounted;
  const through = (context: { progress: WorkerCallOptions['onProgress']; signal: AbortSignal }): WorkerCallOptions => ({
    ...(context.progress && { onProgress: context.progress }),
    signal: context.signal,
  });
  return {
    ping: () => ({ pid: process.pid, version: programVersion() }),
    status: async () => (await sampleOf(mounted)).status,
    metrics: async () => ({ text: await metrics.text() }),
    sync: (args, context) => worker.request('sync', args, through(context)),
    unmount: async (args, context) => {
      await worker.request('unmount', { ...args, uploads: !args.lazy }, through(context));
      await mounted.released;
      return {};
    },
    backup: (args, context) => worker.request('backup', args, through(context)),
    copy: (args, context) => worker.request('copy', args, through(context)),
    ...passCareCommands((command, args, context) => worker.request(command, args, through(context))),
    ...passBackendCommands((command, args, context) => worker.request(command, args, through(context))),
    space: (args, context) => worker.request('space', args, through(context)),
    ...settingsHandlers(options.store, worker, schedule),
    ...passSnapshotCommands((command, args, context) => worker.request(command, args, through(context))),
    ...passGcCommands((command, args, context) => worker.request(command, args, through(context))),
    refresh: (args, context) => worker.request('refresh', args, through(context)),
  };
}

function shownMount(mounted: Mounted, metrics: Metrics): ShownMount {
  const { store } = mounted.options;
  return { metrics, store, status: async () => (await sampleOf(mounted)).status, isReady: () => mounted.isReady };
}

async function sampleOf(mounted: Mounted): Promise<Sample> {
  const state = await mounted.worker.request('status', {});
  return { state, status: statusOf(mounted, state) };
}

function statusOf(mounted: Mounted, state: MountState): Status {
  const { options, schedule, startedAt, metricsAddress } = mounted;
  return {
    pid: process.pid,
    version: programVersion(),
    store: options.store,
    mountpoint: options.mountpoint,
    readOnly: options.readOnly,
    group: options.group,
    transport: options.transport,
    metricsAddress,
    lowLatency: lowLatency(mounted.haltPolling),
    startedAt,
    dirtyBytes: state.dirtyBytes,
    oldestUnsyncedSeconds: state.oldestUnsyncedSeconds,
    oldestVerifiedAt: state.oldestVerifiedAt,
    problems: [...state.problems, ...schedule.problems()],
    schedule: schedule.list(),
    memoryBytes: process.memoryUsage.rss(),
    requests: { ...state.requests },
    uploads: state.uploads,
    chunks: state.chunks,
    catalogCopies: state.catalogCopies,
  };
}

/** Unmounts at the signals that mean "end"; returns how to stop listening to them. */
function unmountOnSignals(worker: MountWorker, log: Log): () => void {
  let unmounting = false;
  const onSignal = async (signal: NodeJS.Signals): Promise<void> => {
    log.info({ signal }, unmounting ? 'still unmounting' : 'unmounting');
    if (unmounting) return;
    unmounting = true;
    try {
      await worker.ready;
      await unmountThoughInUse(worker, log);
    } catch (error) {
      log.error({ error }, 'cannot unmount');
      unmounting = false;
    }
  };
  const signals: NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}

/** Who sends a signal cannot be told that the mount is in use, and may send SIGKILL next. */
async function unmountThoughInUse(worker: MountWorker, log: Log): Promise<void> {
  try {
    await worker.request('unmount', { lazy: false, uploads: false });
  } catch (error) {
    if (kindOf(error) !== 'busy') throw error;
    log.warn({}, 'the mount is in use: it goes as soon as nothing in it is open');
    await worker.request('unmount', { lazy: true, uploads: false });
  }
}

/** A worker that failed may have left its mount, which would answer ENOTCONN for ever. */
async function removeLeftMount({ store, mountpoint }: MountWorkerOptions, log: Log): Promise<void> {
  try {
    for (const mount of await cairnMounts()) {
      if (mount.store === store && mount.mountpoint === mountpoint) await removeMount(mountpoint);
    }
  } catch (error) {
    log.error({ error }, 'cannot take the mount away');
  }
}

function logEntry(log: Log, { level, message, fields }: LogEntry): void {
  log[level](fields ?? {}, message);
}
