import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type LiveStore, openLiveStore } from '../../src/content/open-live-store.js';
import { type GroupName, parseGroupPath } from '../../src/core/group.js';
import { type Log, silentLog } from '../../src/core/log.js';
import { systemClock } from '../../src/core/time.js';
import { type OpenTree, openTree } from '../../src/daemon/open-tree.js';
import { SnapshotService } from '../../src/daemon/snapshot-service.js';
import { createDatastore } from '../../src/datastore/create.js';
import { openDatastore, type WritableDatastore } from '../../src/datastore/open.js';
import { setCacheLimit } from '../../src/native/chunk-cache.js';
import type { SnapshotJobOptions } from '../../src/snapshot/create/job-protocol.js';
import type { JobThread } from '../../src/snapshot/create/job-thread.js';
import { SnapshotMaker } from '../../src/snapshot/create/snapshot-maker.js';
import { removeSnapshotFolder } from '../../src/snapshot/forget.js';
import type { Vfs } from '../../src/vfs/api.js';
import { StoreTree } from './store-tree.js';

export const GROUP = 'host/x';

/** How a store is opened. */
export interface OpenOptions {
  readonly readOnly?: boolean;
  /** Mounts one group alone. */
  readonly group?: string;
  readonly log?: Log;
}

/** A datastore that is open as a mount worker has it, without a mount: tests call its vfs. */
export class OpenStore extends StoreTree {
  readonly folder: string;
  datastore!: WritableDatastore;
  live!: LiveStore;
  snapshots!: SnapshotService;
  tree!: OpenTree;
  #isOpen = false;

  private constructor(folder: string) {
    super();
    this.folder = folder;
  }

  /** A new datastore with the group host/x, open until the test ends. */
  static async make(t: TestContext, options: OpenOptions = {}): Promise<OpenStore> {
    const folder = mkdtempSync(join(tmpdir(), 'cairn-store-'));
    const store = new OpenStore(folder);
    t.after(async () => {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    });
    await createDatastore(folder, { reserveBytes: 4096 });
    await store.open();
    await store.mkdir(GROUP);
    if (Object.keys(options).length > 0) {
      await store.close();
      await store.open(options);
    }
    return store;
  }

  /** A new datastore over `count` folders `d0`, `d1` … of `disks`, with the group host/x, open until the test ends. */
  static async spread(
    t: TestContext,
    count: number,
    redundancy: string,
  ): Promise<{ readonly store: OpenStore; readonly disks: string }> {
    const disks = mkdtempSync(join(tmpdir(), 'cairn-disks-'));
    const usual = { weight: 1, readOnly: false, draining: false, minFreeBytes: 0 };
    const backends = Array.from({ length: count }, (_, at) => {
      return { id: `d${at}`, type: 'fs', path: join(disks, `d${at}`), ...usual } as const;
    });
    const folder = join(disks, 'store');
    await createDatastore(folder, { reserveBytes: 4096, spread: { backends, redundancy } });
    const store = await OpenStore.at(t, folder);
    // After it was closed, which is what the test's end does first.
    t.after(() => rmSync(disks, { recursive: true, force: true }));
    await store.mkdir(GROUP);
    return { store, disks };
  }

  /** A datastore that is there, open until the test ends. */
  static async at(t: TestContext, folder: string): Promise<OpenStore> {
    const store = new OpenStore(folder);
    t.after(() => store.close());
    await store.open();
    return store;
  }

  override get vfs(): Vfs {
    return this.tree.vfs;
  }

  async open(options: OpenOptions = {}): Promise<void> {
    setCacheLimit(64 * 1024 * 1024);
    const log = options.log ?? silentLog;
    this.datastore = await openDatastore(this.folder);
    this.live = await openLiveStore({
      catalog: this.datastore.catalog,
      catalogPath: this.datastore.paths.catalog,
      chunks: this.datastore.chunks,
      journalFolder: this.datastore.paths.journal,
      reserve: this.datastore.reserve,
      gate: { pause: () => undefined, resume: () => undefined },
      checkpoints: {
        betweenTransactions: () => undefined,
        committed: () => undefined,
        onFailedSync: () => undefined,
      },
      readOnly: options.readOnly === true,
      clock: systemClock,
      log,
    });
    this.#isOpen = true;
    this.snapshots = new SnapshotService(this.datastore, this.live, log);
    if (options.readOnly) this.live.parts.log.fail('it is mounted read-only', undefined);
    else await this.snapshots.completeInterrupted();
    const group = options.group === undefined ? undefined : parseGroupPath(options.group);
    this.tree = await openTree(this.datastore, this.live, this.snapshots, group);
    if (!options.readOnly) this.tree.parts.orphans.dropAll();
  }

  /** Stores and closes all, as an unmount does. */
  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.snapshots.end();
    if (this.live.parts.log.failure === undefined) {
      await this.live.contents.flushAll();
      await this.live.durability.commitDurably();
    }
    this.live.close();
    this.datastore.close();
  }

  /** Closes without storing anything more, as the end of the process does. */
  async abandon(): Promise<void> {
    this.#isOpen = false;
    await this.snapshots.end();
    this.live.close();
    this.datastore.close();
  }

  async reopen(options: OpenOptions = {}): Promise<void> {
    await this.close();
    await this.open(options);
  }

  /** A maker of its own whose jobs `start` starts. @param isTaken default: as the service does it */
  makerWith(
    start: (script: URL, options: SnapshotJobOptions) => JobThread,
    isTaken: (group: GroupName, time: number) => Promise<boolean> = async () => false,
  ): SnapshotMaker {
    const { catalog, paths } = this.datastore;
    const { contents, durability, packer, parts } = this.live;
    return new SnapshotMaker({
      ...{ catalog, log: parts.log, contents, packer, durability, clock: systemClock, messages: silentLog, isTaken },
      store: paths.root,
      wasForgotten: () => false,
      startJob: (options) => start(new URL('../../src/daemon/snapshot-worker.js', import.meta.url), options),
      removeFolder: (group, time) => removeSnapshotFolder(paths.root, group, time),
    });
  }

  async snapshot(group = GROUP): Promise<string> {
    return (await this.snapshots.create(parseGroupPath(group))).time;
  }
}
