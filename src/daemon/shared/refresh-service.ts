import type { LiveStore } from '../../content/open-live-store.js';
import type { Problem } from '../../control/commands.js';
import type { Refreshed } from '../../control/refresh-commands.js';
import { type Digest, digestHex } from '../../core/digest.js';
import { CairnError, kindOf } from '../../core/errors.js';
import { groupPath, parseGroupPath } from '../../core/group.js';
import type { Log } from '../../core/log.js';
import { systemClock } from '../../core/time.js';
import type { WritableDatastore } from '../../datastore/open.js';
import type { Session } from '../../datastore/shared/membership.js';
import type { ReadIndex } from '../../maintenance/gc/gc-protocol.js';
import { recordIndex } from '../../maintenance/gc/index-recorder.js';
import { unpackDigests } from '../../maintenance/gc/packed-digests.js';
import { type AskHandlers, runOwnedJob } from '../../maintenance/job/job-owner.js';
import type { ForeignChunks, RefreshAsks, RefreshJobOptions } from '../../maintenance/refresh/refresh-protocol.js';
import { FETCHING } from '../../maintenance/upload/upload-parts.js';
import { makeGroup } from '../../snapshot/make-group.js';
import { JoinedWork, type Waiting } from '../joined-work.js';
import type { SnapshotService } from '../snapshot-service.js';
import type { SharedStore } from './shared-store.js';

const SCRIPT = new URL('./refresh-worker.js', import.meta.url);
/** How often it is looked what other machines published. */
const INTERVAL_MS = 30_000;

/** What snapshots of other machines are shown with. */
export interface RefreshServiceParts {
  readonly datastore: WritableDatastore;
  readonly live: LiveStore;
  readonly shared: SharedStore;
  readonly snapshots: SnapshotService;
  readonly log: Log;
  /** Tells the kernel of names that appear by themselves. */
  onPlaced(parentIno: number, name: Uint8Array): void;
}

/** Brings in what other machines published in a shared object store, on the thread of the catalog's writer. */
export class RefreshService {
  readonly #parts: RefreshServiceParts;
  readonly #bringing = new JoinedWork<Refreshed>((context) => this.#run(context));
  #timer: NodeJS.Timeout | undefined;
  #error: string | null = null;

  constructor(parts: RefreshServiceParts) {
    this.#parts = parts;
  }

  /** Looks by itself from now on, while there are others. */
  start(): void {
    const { shared } = this.#parts;
    const look = (): void => {
      if (shared.hasPeers || shared.writers.others().length > 0) this.#unattended();
    };
    shared.onSession(() => this.#unattended());
    this.#timer = setInterval(look, INTERVAL_MS);
    this.#timer.unref();
  }

  /**
   * Brings in all that was published before the call. Callers share it: it is given up when all of them gave up.
   * @throws {CairnError} what the object store failed with; `interrupted` as soon as the caller gave up
   */
  run(context: Waiting): Promise<Refreshed> {
    return this.#bringing.run(context);
  }

  /** What an operator should know. */
  problems(): Problem[] {
    if (this.#error === null) return [];
    return [{ kind: 'refresh', message: `Snapshots of other machines cannot be brought in: ${this.#error}` }];
  }

  /** Gives up what runs; resolves when nothing does. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    await this.#bringing.end();
  }

  #unattended(): void {
    if (this.#bringing.isRunning) return;
    const context = { progress: () => undefined, signal: new AbortController().signal };
    this.run(context).catch((error: unknown) => this.#parts.log.debug({ error }, 'Looking for snapshots failed'));
  }

  async #run(context: Waiting): Promise<Refreshed> {
    const { datastore, live, shared } = this.#parts;
    if (live.parts.log.failure !== undefined) return { appeared: 0, gone: 0, changed: 0, postponed: 0 };
    const { signal } = context;
    try {
      const session = await shared.ensure(signal);
      await this.#claimOurs(session);
      await shared.writers.nameWriters();
      await live.durability.commitDurably();
      const options: RefreshJobOptions = { store: datastore.paths.root };
      const report = (await runOwnedJob<RefreshAsks>({
        ...{ script: SCRIPT, options, signal, handlers: this.#handlers(session) },
        onProgress: ({ total = 0, ...at }) => context.progress({ ...at, total }),
      })) as Refreshed;
      this.#error = null;
      return report;
    } catch (error) {
      if (!['interrupted', 'stale', 'not-ready'].includes(kindOf(error))) {
        this.#error = error instanceof Error ? error.message : String(error);
      }
      throw error;
    }
  }

  /** What became of groups while this machine was away; asked once a session. */
  async #claimOurs(session: Session): Promise<void> {
    const { shared, datastore } = this.#parts;
    if (shared.isAlone) return;
    for (const { name } of datastore.catalog.groups.list()) await shared.writers.mayWrite(session, groupPath(name));
  }

  #handlers(session: Session): AskHandlers<RefreshAsks> {
    const { datastore, live, snapshots } = this.#parts;
    const { generation } = session.answers;
    return {
      'is-others': (group) => this.#isOthers(group),
      chunks: (chunks) => this.#believe(session, generation, chunks),
      'record-index': (index) => this.#recordIndex(index),
      fetching: async (manifests) => {
        await this.#turn();
        const put = manifests.map((path) => ({ path, identity: FETCHING }));
        datastore.catalog.uploads.noteFiles(put, []);
        await live.durability.commitDurably();
        return null;
      },
      adopt: async ({ group, time, files }) => {
        await this.#turn();
        this.#makeGroup(group);
        await snapshots.foreign.adopt(parseGroupPath(group), time);
        datastore.catalog.uploads.noteFiles(files, []);
        return null;
      },
      mark: async ({ group, time, put, removed, ...marking }) => {
        await this.#turn();
        const isChanged = await snapshots.marks.takeOver(parseGroupPath(group), time, marking);
        datastore.catalog.uploads.noteFiles(put, removed);
        return isChanged;
      },
      forget: async ({ group, time, files }) => {
        await this.#turn();
        await snapshots.foreign.drop(parseGroupPath(group), time);
        datastore.catalog.uploads.noteFiles([], files);
        return null;
      },
      commit: async () => {
        await live.durability.commitDurably();
        return null;
      },
    };
  }

  /** A group nobody has heard of here is whoever's published there. */
  async #isOthers(group: string): Promise<boolean> {
    const { writers } = this.#parts.shared;
    if (!writers.isOurs(group)) return true;
    if (this.#parts.datastore.catalog.groups.findByName(parseGroupPath(group)) !== undefined) return false;
    await writers.noteOther(group, false);
    return true;
  }

  #makeGroup(path: string): void {
    const { datastore, live, snapshots, onPlaced } = this.#parts;
    const { catalog } = datastore;
    const group = parseGroupPath(path);
    if (catalog.groups.findByName(group) !== undefined) return;
    const id = makeGroup({ catalog, log: live.parts.log, clock: systemClock }, group, onPlaced);
    snapshots.changes.groupMadeForOthers(id);
  }

  /** What was listed before a collection settled proves nothing. */
  async #believe(session: Session, generation: number, chunks: ForeignChunks): Promise<boolean> {
    await this.#turn();
    const { answers } = session;
    const digests = unpackDigests(chunks.digests);
    if (!session.isCurrent) throw new CairnError('stale', 'Other machines took this one for dead meanwhile');
    if (answers.generation !== generation || !digests.every((digest) => answers.mayUse(digest))) return false;
    const { catalog } = this.#parts.datastore;
    const there = digests
      .map((digest, at) => ({ digest, length: chunks.lengths[at] as number, stored: chunks.stored[at] as number }))
      .filter(({ digest }) => catalog.chunks.find(digest)?.state !== 'present');
    for (const { digest, length, stored } of unique(there)) catalog.chunks.setPresent(digest, length, stored);
    catalog.uploads.noteThere(there.map(({ digest }) => digest));
    return true;
  }

  async #recordIndex(index: ReadIndex): Promise<null> {
    await recordIndex(this.#parts.datastore.catalog, index, () => this.#turn());
    return null;
  }

  async #turn(): Promise<void> {
    await this.#parts.live.parts.log.backgroundTurn();
    this.#parts.live.parts.log.requireWorking();
  }
}

function unique<T extends { readonly digest: Digest }>(chunks: readonly T[]): T[] {
  return [...new Map(chunks.map((chunk) => [digestHex(chunk.digest), chunk])).values()];
}
