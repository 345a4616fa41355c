import { type LiveStore, openLiveStore } from '../content/open-live-store.js';
import { Upkeep } from '../content/upkeep.js';
import { parseGroupPath } from '../core/group.js';
import type { Log } from '../core/log.js';
import { formatSnapshotTime } from '../core/snapshot-time.js';
import { systemClock } from '../core/time.js';
import { openDatastore, type WritableDatastore } from '../datastore/open.js';
import { createNativeTransport, MAX_READ_BYTES } from '../fuse/native-transport.js';
import type { Transport } from '../fuse/transport.js';
import { setCacheLimit } from '../native/chunk-cache.js';
import { mountFuse, unmountFuse } from '../native/fuse-mount.js';
import type { FileSystemFigures, Vfs } from '../vfs/api.js';
import { LATEST_NAME, virtualNode } from '../vfs/groups/group-entries.js';
import type { LiveParts } from '../vfs/live/live-parts.js';
import { OpenFiles } from '../vfs/live/open-files.js';
import { Orphans } from '../vfs/live/orphans.js';
import { openVfs } from '../vfs/open-vfs.js';
import { ArchiveNodes } from '../vfs/snapshots/archive-nodes.js';
import { CatalogCheckpoints } from './catalog-checkpoints.js';
import { DatastoreGroups } from './group-services.js';
import { SnapshotService } from './snapshot-service.js';
import type { WorkerContext, WorkerEndpoint } from './worker-endpoint.js';
import type { MountState, MountWorkerOptions } from './worker-protocol.js';

/** Decoded file data kept for reads. */
const CHUNK_CACHE_BYTES = 96 * 1024 * 1024;
/** Orphans read in one step when a mount drops those an earlier one left. */
const ORPHANS_AT_ONCE = 1000;

/** What a mount consists of while it is up. */
interface Mounted {
  readonly options: MountWorkerOptions;
  readonly datastore: WritableDatastore;
  readonly live: LiveStore;
  readonly parts: LiveParts;
  readonly upkeep: Upkeep;
  readonly transport: Transport;
}

/** Opens the datastore, mounts it, and serves it until the mount has gone and all is safe. */
export async function serveMount(options: MountWorkerOptions, endpoint: WorkerEndpoint): Promise<void> {
  const log = endpointLog(endpoint);
  setCacheLimit(CHUNK_CACHE_BYTES);
  const datastore = await openDatastore(options.store, 'process');
  const checkpoints = new CatalogCheckpoints(datastore.paths.catalog, log);
  try {
    const gate = new TransportGate();
    const live = await openLiveStore({
      catalog: datastore.catalog,
      catalogPath: datastore.paths.catalog,
      chunks: datastore.chunks,
      journalFolder: datastore.paths.journal,
      gate,
      checkpoints,
      clock: systemClock,
      log,
    });
    try {
      await serve(options, endpoint, log, datastore, live, gate);
    } finally {
      live.close();
    }
  } finally {
    await checkpoints.end();
    datastore.close();
  }
  endpoint.ended();
}

async function serve(
  options: MountWorkerOptions,
  endpoint: WorkerEndpoint,
  log: Log,
  datastore: WritableDatastore,
  live: LiveStore,
  gate: TransportGate,
): Promise<void> {
  const parts = liveParts(datastore, live);
  parts.orphans.dropAll();
  const snapshots = new SnapshotService(datastore, live, log);
  if (!options.readOnly) await snapshots.completeInterrupted();
  if (options.readOnly) live.parts.log.fail('it is mounted read-only', undefined);
  const { vfs, tellKernel } = await assembleVfs(datastore, parts, snapshots);
  const descriptor = await mountFuse(options.mountpoint, {
    source: options.store,
    maxReadBytes: MAX_READ_BYTES,
    readOnly: options.readOnly,
  });
  const transport = createNativeTransport({ descriptor, vfs, log });
  gate.transport = transport;
  tellKernel(transport);
  const upkeep = new Upkeep(live, datastore.catalog, log);
  const mounted: Mounted = { options, datastore, live, parts, upkeep, transport };
  transport.start();
  if (!options.readOnly) upkeep.start();
  endpoint.ready({
    status: () => stateOf(mounted),
    sync: async (_args, context) => {
      await makeSafe(mounted, context);
      return {};
    },
    unmount: async ({ lazy }, context) => {
      await makeSafe(mounted, context);
      await unmountFuse(options.mountpoint, { lazy });
      return {};
    },
    'snapshot-create': ({ group }) => snapshots.create(parseGroupPath(group)),
    'snapshot-list': ({ group }) => ({ snapshots: snapshots.list(group) }),
  });
  await transport.ended;
  upkeep.stop();
  if (!options.readOnly) await finish(mounted);
}

function liveParts(datastore: WritableDatastore, live: LiveStore): LiveParts {
  const { catalog } = datastore;
  const openFiles = new OpenFiles();
  const known: number[] = [];
  for (let more = catalog.orphans.list(0, ORPHANS_AT_ONCE); more.length > 0; ) {
    known.push(...more);
    more = catalog.orphans.list(more.at(-1) as number, ORPHANS_AT_ONCE);
  }
  return {
    tree: catalog,
    log: live.parts.log,
    contents: live.contents,
    reader: live.reader,
    openFiles,
    orphans: new Orphans(live.parts.log, openFiles, known),
    durability: live.durability,
    clock: systemClock,
  };
}

/** The whole tree, and what keeps it and the kernel informed of snapshots. */
async function assembleVfs(
  datastore: WritableDatastore,
  live: LiveParts,
  snapshots: SnapshotService,
): Promise<{ vfs: Vfs; tellKernel: (transport: Transport) => void }> {
  const { catalog, chunks, paths } = datastore;
  const groups = new DatastoreGroups(paths.root, catalog, snapshots);
  await groups.load();
  const nodes = new ArchiveNodes(chunks, (archive) => snapshots.indexesOf(archive));
  const vfs = openVfs({ live, groups, snapshots: nodes, figures: () => figuresOf(datastore) });
  snapshots.onChange((group) => groups.snapshotsChanged(group));
  const tellKernel = (transport: Transport) => {
    snapshots.onChange((group, change) => {
      groups.snapshotsChanged(group);
      if ('forgotten' in change) nodes.forget(change.forgotten);
      const folder = groups.groupFolder(group);
      if (folder === undefined) return;
      const time = 'made' in change ? change.made.time : change.time;
      const parent = { archive: 0, position: folder };
      transport.invalidateEntry(parent, Buffer.from(formatSnapshotTime(time)));
      transport.invalidateEntry(parent, LATEST_NAME);
      transport.invalidateNode(virtualNode(group, 'latest'));
    });
  };
  return { vfs, tellKernel };
}

async function figuresOf({ backend, catalog }: WritableDatastore): Promise<FileSystemFigures> {
  const room = await backend.figures();
  const { inodes } = catalog.figures();
  const unlimited = { totalBytes: 2 ** 50, freeBytes: 2 ** 50, availableBytes: 2 ** 50, freeFiles: 2 ** 32 };
  return { ...(room ?? unlimited), files: inodes + (room ?? unlimited).freeFiles };
}

/** Everything written so far survives a power cut when this resolves. */
async function makeSafe({ live }: Mounted, context: WorkerContext): Promise<void> {
  if (live.parts.log.failure !== undefined) return;
  const dirty = live.contents.dirtyBytes + live.durability.unsyncedBytes;
  context.progress({ step: 'writing out', done: 0, total: dirty, unit: 'bytes' });
  await live.contents.flushAll();
  await live.durability.barrier();
  context.progress({ step: 'writing out', done: dirty, total: dirty, unit: 'bytes' });
}

/** The kernel has gone: what is left is stored, orphans end, and the catalog is committed. */
async function finish({ live, parts }: Mounted): Promise<void> {
  if (live.parts.log.failure !== undefined) return;
  await live.contents.flushAll();
  parts.orphans.dropAll();
  await live.durability.commitDurably();
}

function stateOf({ live, datastore }: Mounted): MountState {
  const { log } = live.parts;
  return {
    dirtyBytes: live.contents.dirtyBytes + live.durability.unsyncedBytes,
    oldestUnsyncedSeconds: live.durability.oldestUnsyncedSeconds ?? null,
    problems: log.failure === undefined ? [] : [{ kind: 'read-only', message: log.failure.reason }],
    chunks: { ...datastore.chunks.counters },
  };
}

/** Holds requests back through the transport, once there is one. */
class TransportGate {
  transport: Transport | undefined;

  pause(): void {
    this.transport?.pause();
  }

  resume(): void {
    this.transport?.resume();
  }
}

function endpointLog(endpoint: WorkerEndpoint): Log {
  return {
    debug: (fields, message) => endpoint.log('debug', message, { ...fields }),
    info: (fields, message) => endpoint.log('info', message, { ...fields }),
    warn: (fields, message) => endpoint.log('warn', message, { ...fields }),
    error: (fields, message) => endpoint.log('error', message, { ...fields }),
  };
}
