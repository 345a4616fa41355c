import type { Worker } from 'node:worker_threads';
import { addCounters } from '../chunkstore/chunk-store.js';
import { type LiveStore, openLiveStore } from '../content/open-live-store.js';
import { Upkeep } from '../content/upkeep.js';
import { type GroupName, parseGroupPath } from '../core/group.js';
import type { Log } from '../core/log.js';
import { systemClock } from '../core/time.js';
import { MembersLook } from '../datastore/members-look.js';
import { openDatastore, type WritableDatastore } from '../datastore/open.js';
import type { Transport } from '../fuse/transport.js';
import { setCacheLimit } from '../native/chunk-cache.js';
import { unmountFuse } from '../native/fuse-mount.js';
import { returnFreedMemory } from '../native/heap.js';
import { liveNode } from '../vfs/live/live-nodes.js';
import type { LiveParts } from '../vfs/live/live-parts.js';
import { attach, readAhead } from './attach.js';
import { backendHandlers, backendProblems, backendStates } from './backend-handlers.js';
import { startInThread } from './backup-in-thread.js';
import { BackupService } from './backup-service.js';
import { careHandlers } from './care-handlers.js';
import { CatalogCheckpoints } from './catalog-checkpoints.js';
import type { CatalogCopies } from './catalog-copies/copy-service.js';
import { openCatalogCopies } from './catalog-copies/open-copies.js';
import { CloneService } from './clone-service.js';
import { CopyService } from './copy-service.js';
import { awaitEnd } from './ending.js';
import { relieveFullDisk, roomProblems } from './full-disk.js';
import { gcHandlers } from './gc-handlers.js';
import { GcService } from './gc-service.js';
import { jobHandlers } from './job-handlers.js';
import { ObjectServices } from './object-services.js';
import { openTree, showing } from './open-tree.js';
import { readOnlyProblem, refusalProblem } from './read-only-store.js';
import { refreshHandlers } from './shared/refresh-handlers.js';
import { RefreshService } from './shared/refresh-service.js';
import { SharedStore } from './shared/shared-store.js';
import { snapshotHandlers } from './snapshot-handlers.js';
import { SnapshotService } from './snapshot-service.js';
import { VerifyService } from './verify-service.js';
import type { WorkerContext, WorkerEndpoint } from './worker-endpoint.js';
import type { MountState, MountWorkerOptions } from './worker-protocol.js';

/** Decoded file data kept for reads. */
const CHUNK_CACHE_BYTES = 64 * 1024 * 1024;

/** What a mount consists of while it is up. */
interface Mounted {
  readonly options: MountWorkerOptions;
  readonly datastore: WritableDatastore;
  readonly live: LiveStore;
  readonly parts: LiveParts;
  readonly snapshots: SnapshotService;
  readonly verify: VerifyService;
  readonly gc: GcService;
  readonly copies: CatalogCopies;
  readonly objects: ObjectServices | undefined;
  readonly transport: Transport;
  /** Where other machines may use the object store, too. */
  readonly refresh: RefreshService | undefined;
  /** Where there are several backends. */
  readonly backendsLook: MembersLook | undefined;
}

/** Opens the datastore, mounts it, and serves it until the mount has gone and all is safe. */
export async function serveMount(options: MountWorkerOptions, endpoint: WorkerEndpoint): Promise<void> {
  const log = endpointLog(endpoint);
  setCacheLimit(CHUNK_CACHE_BYTES);
  const datastore = await openDatastore(options.store, 'process');
  process.on('worker', returnMemoryAfter);
  const checkpoints = new CatalogCheckpoints(datastore.paths.catalog, log);
  try {
    const gate = new TransportGate();
    const live = await openLiveStore({
      catalog: datastore.catalog,
      catalogPath: datastore.paths.catalog,
      chunks: datastore.chunks,
      journalFolder: datastore.paths.journal,
      reserve: datastore.reserve,
      gate,
      checkpoints,
      readOnly: options.readOnly,
      clock: systemClock,
      log,
    });
    try {
      relieveFullDisk(datastore, live, log);
      await serve(options, endpoint, log, datastore, live, gate);
    } finally {
      live.close();
    }
  } finally {
    await checkpoints.end();
    datastore.close();
    process.off('worker', returnMemoryAfter);
  }
  endpoint.ended();
}

/** What a job's thread used is of no use to those that stay. */
function returnMemoryAfter(worker: Worker): void {
  worker.once('exit', () => void returnFreedMemory());
}

async function serve(
  options: MountWorkerOptions,
  endpoint: WorkerEndpoint,
  log: Log,
  datastore: WritableDatastore,
  live: LiveStore,
  gate: TransportGate,
): Promise<void> {
  const snapshots = new SnapshotService(datastore, live, log);
  if (options.readOnly) live.parts.log.fail('it is mounted read-only', undefined);
  else await snapshots.completeInterrupted();
  const gc = new GcService(datastore, live, log, () => gate.transport?.counters().requests ?? 0);
  await gc.load();
  const shared = await sharedOf(datastore, live, snapshots, log);
  const { copies, objects } = await copiesOf({ datastore, live, gc, snapshots }, shared, endpoint, log);
  const group = options.group === null ? undefined : parseGroupPath(options.group);
  const { vfs, parts, space, tellKernel } = await openTree(datastore, live, snapshots, group, objects, shared?.writers);
  if (!options.readOnly) parts.orphans.dropAll();
  const transport = await attach(options, vfs, log);
  gate.transport = transport;
  tellKernel(transport);
  const upkeep = new Upkeep(live, datastore.catalog, log);
  const requests = () => transport.counters().requests;
  const verify = new VerifyService({ datastore, live, marks: snapshots.marks, log, requests });
  if (datastore.spread !== undefined) snapshots.onMade(() => verify.copyIndexes());
  const clones = clonesOf({ datastore, live, snapshots, parts }, transport, group, log);
  const places = { datastore, live, snapshots, onPlaced: placing(transport) };
  const [backups, copying] = [
    new BackupService(places, startInThread),
    new CopyService({ ...places, onObject: showing(transport) }),
  ];
  const refresh = shared && new RefreshService({ ...places, shared, log });
  const backendsLook = datastore.spread && new MembersLook(datastore.spread.spread.members);
  const served = { options, datastore, live, parts, snapshots, transport, backendsLook };
  const mounted: Mounted = { ...served, verify, gc, copies, objects, refresh };
  transport.start();
  void readAhead(options, log);
  if (!options.readOnly) {
    for (const service of [upkeep, verify, copies, objects, refresh]) service?.start();
    clones.removeUnnamed();
  }
  endpoint.ready({
    status: () => stateOf(mounted),
    sync: (_args, context) => makeSafeAndUpload(mounted, context),
    unmount: (how, context) => unmount(mounted, how, context),
    backup: (args, context) => backups.run(args, context),
    copy: (args, context) => copying.run(args, context),
    ...careHandlers((job, args, call) => verify.run(job, args, call)),
    ...backendHandlers(datastore, (job, args, call) => verify.run(job, args, call)),
    ...snapshotHandlers(snapshots, clones),
    ...gcHandlers(gc),
    ...refreshHandlers(refresh),
    ...jobHandlers(mounted, space),
  });
  await transport.ended;
  upkeep.stop();
  const others = { 'other machines’ snapshots': refresh, 'backups to it': backups, 'copies of snapshots': copying };
  await endWork(mounted, { ...others, clones }, log);
  if (!options.readOnly) await finish(mounted, log);
}

async function unmount(
  mounted: Mounted,
  { lazy, uploads }: { readonly lazy: boolean; readonly uploads: boolean },
  context: WorkerContext,
): Promise<Record<never, never>> {
  const { gc, snapshots, objects, options } = mounted;
  await gc.end();
  if (!lazy) await snapshots.idle();
  await makeSafe(mounted, context);
  if (uploads) await objects?.leave(context);
  await unmountFuse(options.mountpoint, { lazy });
  return {};
}

/** What keeps copies of the catalog, and of everything in an object store; a snapshot that was made is told of. */
async function copiesOf(
  { datastore, live, gc, snapshots }: Pick<Mounted, 'datastore' | 'live' | 'gc' | 'snapshots'>,
  shared: SharedStore | undefined,
  endpoint: WorkerEndpoint,
  log: Log,
): Promise<Pick<Mounted, 'copies' | 'objects'>> {
  const copies = await openCatalogCopies(datastore, live, log);
  const objects = ObjectServices.of({ datastore, live, copies, gc, log }, shared);
  snapshots.onMade((made) => {
    endpoint.snapshotMade(made);
    return objects?.snapshotMade();
  });
  return { copies, objects };
}

/** This machine among those that share the object store, if others may; groups of theirs do not change here. */
async function sharedOf(
  datastore: WritableDatastore,
  live: LiveStore,
  snapshots: SnapshotService,
  log: Log,
): Promise<SharedStore | undefined> {
  const shared = await SharedStore.of(datastore, live, log);
  if (shared === undefined) return undefined;
  snapshots.guard.use(shared.writers);
  return shared;
}

/** Clones, of which the kernel hears. */
function clonesOf(
  { datastore, live, snapshots, parts }: Pick<Mounted, 'datastore' | 'live' | 'snapshots' | 'parts'>,
  transport: Transport,
  mountedGroup: GroupName | undefined,
  log: Log,
): CloneService {
  return new CloneService(datastore, live, snapshots, log, {
    mountedGroup,
    dropOrphan: (ino) => parts.orphans.addUnasked(ino),
    onPlaced: placing(transport),
  });
}

/** Tells the kernel of names that appear by themselves. */
function placing(transport: Transport): (parentIno: number, name: Uint8Array) => void {
  return (parent, name) => {
    transport.invalidateEntry(liveNode(parent), name);
    transport.invalidateNode(liveNode(parent));
  };
}

async function makeSafeAndUpload(mounted: Mounted, context: WorkerContext): Promise<Record<never, never>> {
  await makeSafe(mounted, context);
  await mounted.objects?.drain(context);
  return {};
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

/** The kernel has gone: all that works beside it ends. */
async function endWork(
  mounted: Mounted,
  others: Record<string, { end(): Promise<unknown> } | undefined>,
  log: Log,
): Promise<void> {
  const { verify, gc, copies, objects, snapshots, live } = mounted;
  const jobs = Object.entries({ verification: verify, 'a collection': gc, ...others });
  const ends = jobs.map(([what, job]) => awaitEnd(what, job?.end(), log));
  ends.push(awaitEnd('a copy of the catalog', copies.stop(), log), awaitEnd('uploads', objects?.end(), log));
  await Promise.all(ends);
  await awaitEnd('snapshots', snapshots.end(), log);
  await awaitEnd('packing', live.packer.stop(), log);
}

/** The kernel has gone: what is left is stored, orphans end, and the catalog is committed. */
async function finish({ live, parts, snapshots, copies }: Mounted, log: Log): Promise<void> {
  if (live.parts.log.failure !== undefined) return;
  await live.contents.flushAll();
  parts.orphans.dropAll();
  await live.durability.commitDurably();
  await copies.makeIfChanged();
  await snapshots.changes
    .save()
    .catch((error: unknown) => log.warn({ error }, 'Groups count as changed at the next mount'));
}

async function stateOf(mounted: Mounted): Promise<MountState> {
  const { live, datastore, options, snapshots, verify, gc, copies, objects, refresh, transport, backendsLook } =
    mounted;
  // Right after the mount nothing may have been asked of a backend that is not there.
  await backendsLook?.done;
  const { log } = live.parts;
  const failure = options.readOnly ? undefined : log.failure;
  return {
    dirtyBytes: live.contents.dirtyBytes + live.durability.unsyncedBytes,
    oldestUnsyncedSeconds: live.durability.oldestUnsyncedSeconds ?? null,
    problems: [
      ...roomProblems(datastore),
      ...backendProblems(datastore, backendsLook),
      ...(failure === undefined ? [] : [readOnlyProblem(failure)]),
      ...(failure !== undefined || log.refusal === undefined ? [] : [refusalProblem(log.refusal)]),
      ...verify.problems(),
      ...gc.problems(),
      ...copies.problems(),
      ...(objects?.problems() ?? []),
      ...(refresh?.problems() ?? []),
    ],
    requests: { ...transport.counters().byOperation },
    oldestVerifiedAt: asked(() => datastore.catalog.chunks.oldestVerifiedAt(), 0),
    chunks: addCounters(datastore.chunks.counters, snapshots.jobChunks),
    catalog: datastore.catalog.figures(),
    objects: asked(() => datastore.catalog.objects.totals(), { objects: 0, bytes: 0 }),
    gc: { ...gc.figures, lastEndedAt: gc.status().last?.endedAt ?? 0 },
    care: verify.figures,
    catalogCopies: copies.figures(),
    uploads: objects?.status() ?? null,
    backends: backendStates(datastore),
  };
}

/** What the catalog says, or what stands for it where it cannot be asked: the problems say why. */
function asked<T>(ask: () => T, otherwise: T): T {
  try {
    return ask();
  } catch {
    return otherwise;
  }
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
