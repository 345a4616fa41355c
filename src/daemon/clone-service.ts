import type { LiveStore } from '../content/open-live-store.js';
import type { TreeCloned } from '../control/snapshot-commands.js';
import { CairnError } from '../core/errors.js';
import { type GroupName, groupPath } from '../core/group.js';
import type { Log } from '../core/log.js';
import { snapshotTimeOf } from '../core/snapshot-time.js';
import { systemClock } from '../core/time.js';
import type { TreeName } from '../core/tree-name.js';
import type { WritableDatastore } from '../datastore/open.js';
import { type CloneParts, cloneTree } from '../snapshot/clone/clone-tree.js';
import { removeHiddenTree, unnamedTrees } from '../snapshot/clone/unnamed-trees.js';
import { requireSnapshot } from '../snapshot/find-snapshot.js';
import { openSnapshotView } from './open-snapshot-view.js';
import type { SnapshotService } from './snapshot-service.js';
import { StoreFolders } from './store-folders.js';

/** What a clone does to the mount. */
export interface CloneHooks {
  /** The group mounted alone, whose live tree is the mount's root. */
  readonly mountedGroup: GroupName | undefined;
  /** Ends an inode that lost its last name, when nobody uses it any more. */
  dropOrphan(ino: number): void;
  /** Something appeared under a name, or took the place of what was there. */
  onPlaced(parentIno: number, name: Uint8Array): void;
}

/** What to clone; paths are relative, empty for whole trees. */
export interface CloneCall {
  readonly source: TreeName;
  readonly path: string;
  readonly group: GroupName;
  readonly targetPath: string;
  readonly replace: boolean;
  readonly signal: AbortSignal;
  onEntry(entries: number): void;
}

/** Clones of one mounted datastore: made on the mount worker, in steps. */
export class CloneService {
  readonly #datastore: WritableDatastore;
  readonly #snapshots: SnapshotService;
  readonly #parts: CloneParts;
  readonly #hooks: CloneHooks;
  readonly #log: Log;
  readonly #ending = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  constructor(datastore: WritableDatastore, live: LiveStore, snapshots: SnapshotService, log: Log, hooks: CloneHooks) {
    const folders = new StoreFolders(datastore.paths.root, (group) => snapshots.guard.claim(group));
    this.#datastore = datastore;
    this.#snapshots = snapshots;
    this.#hooks = hooks;
    this.#log = log;
    this.#parts = {
      ...{ catalog: datastore.catalog, log: live.parts.log, clock: systemClock, durability: live.durability },
      openView: (found) => openSnapshotView(datastore, found),
      makeGroupFolder: (group) => folders.createGroup(group),
      dropOrphan: (ino) => hooks.dropOrphan(ino),
      onPlaced: (parent, name) => hooks.onPlaced(parent, name),
    };
  }

  /** Removes, in the background, what interrupted clones left, and live trees that were replaced. */
  removeUnnamed(): void {
    const isGoing = (): boolean => !this.#ending.signal.aborted;
    const removing = (async () => {
      for (const ino of unnamedTrees(this.#datastore.catalog)) await removeHiddenTree(this.#parts, ino, isGoing);
    })().catch((error: unknown) => this.#log.warn({ error }, 'What an interrupted clone left cannot be removed'));
    this.#track(removing);
  }

  /** Gives up what is under way and resolves when nothing is. */
  async end(): Promise<void> {
    this.#ending.abort();
    await Promise.allSettled([...this.#running]);
  }

  /** @throws as `cloneTree`; `busy` where the live tree that would be replaced is the mount's root */
  clone(call: CloneCall): Promise<TreeCloned> {
    const cloning = this.#clone(call);
    this.#track(cloning);
    return cloning;
  }

  #track(work: Promise<unknown>): void {
    this.#running.add(work);
    const done = (): boolean => this.#running.delete(work);
    work.then(done, done);
  }

  async #clone(call: CloneCall): Promise<TreeCloned> {
    const { mountedGroup } = this.#hooks;
    this.#snapshots.guard.requireOurs(call.group);
    if (call.targetPath === '' && mountedGroup && groupPath(mountedGroup) === groupPath(call.group)) {
      throw new CairnError('busy', `The live tree of ${groupPath(call.group)} is mounted alone: unmount it first`);
    }
    if (call.source.which !== 'current') return this.#cloneSnapshot(call, call.source);
    // The live tree goes on changing: it is cloned as a snapshot that is taken for this.
    const { time } = await this.#snapshots.create(call.source.group);
    const source: TreeName = { group: call.source.group, which: snapshotTimeOf(time) ?? 'latest' };
    try {
      return await this.#cloneSnapshot(call, source);
    } finally {
      await this.#snapshots.forgetNamed(source);
    }
  }

  async #cloneSnapshot(call: CloneCall, name: TreeName): Promise<TreeCloned> {
    const { path, group, targetPath, replace, onEntry } = call;
    const source = requireSnapshot(this.#datastore.catalog, name);
    const signal = AbortSignal.any([call.signal, this.#ending.signal]);
    const { entries } = await cloneTree(this.#parts, { source, path, group, targetPath, replace, signal, onEntry });
    return { group: groupPath(group), entries };
  }
}
