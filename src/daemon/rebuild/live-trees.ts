import { CairnError, kindOf } from '../../core/errors.js';
import { parseGroupPath } from '../../core/group.js';
import type { Log } from '../../core/log.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import { systemClock } from '../../core/time.js';
import { makeGroup } from '../../snapshot/make-group.js';
import { CloneService } from '../clone-service.js';
import type { UnmountedStore } from '../unmounted-store.js';
import type { ChosenCopy } from './choose-copy.js';
import type { GroupOnDisk } from './plan-rebuild.js';

/** What a group's live tree was made of. */
export interface RebuiltGroup {
  readonly group: string;
  readonly current: 'copy' | 'snapshot' | 'empty';
  /** The snapshot it is like; null: none. */
  readonly snapshot: string | null;
  /** Why newer snapshots could not be had. */
  readonly passedOver: readonly { readonly snapshot: string; readonly reason: string }[];
}

/** Who waits. */
interface Caller {
  readonly signal: AbortSignal;
  progress(done: number, total: number): void;
}

/**
 * Gives every group on disk a live tree: that of the copy where it goes on to the end, or is newer than the newest snapshot;
 * else a clone of the newest snapshot that is whole.
 */
export async function rebuildLiveTrees(
  opened: UnmountedStore,
  { copy, groups, log }: { copy: ChosenCopy | undefined; groups: readonly GroupOnDisk[]; log: Log },
  caller: Caller,
): Promise<RebuiltGroup[]> {
  const clones = new CloneService(opened.datastore, opened.live, opened.snapshots, log, {
    mountedGroup: undefined,
    dropOrphan: (ino) => opened.live.parts.log.make({ kind: 'drop-orphan', ino }),
    onPlaced: () => undefined,
  });
  const rebuilt: RebuiltGroup[] = [];
  for (const [done, onDisk] of groups.entries()) {
    caller.progress(done, groups.length);
    const made = await rebuildOne(opened, clones, onDisk, copy, caller.signal);
    if (made !== undefined) rebuilt.push(made);
  }
  await clones.end();
  return rebuilt;
}

async function rebuildOne(
  { datastore: { catalog }, live }: UnmountedStore,
  clones: CloneService,
  { group, snapshots }: GroupOnDisk,
  copy: ChosenCopy | undefined,
  signal: AbortSignal,
): Promise<RebuiltGroup | undefined> {
  const name = parseGroupPath(group);
  const row = catalog.groups.findByName(name);
  if (row === undefined) {
    // Others' snapshots without a tree are not shown in a mount; a group without any is one that was just made.
    if (snapshots > 0) return undefined;
    makeGroup({ catalog, log: live.parts.log, clock: systemClock }, name);
    return { group, current: 'empty', snapshot: null, passedOver: [] };
  }
  const finished = catalog.snapshots.list(row.id).filter(({ state }) => state === 'finished');
  const newest = finished[0]?.time ?? Number.NEGATIVE_INFINITY;
  if (copy !== undefined && isNewer(copy, group, newest)) {
    return { group, current: 'copy', snapshot: null, passedOver: [] };
  }
  const passedOver: { snapshot: string; reason: string }[] = [];
  for (const { time } of finished) {
    const snapshot = formatSnapshotTime(time);
    try {
      const source = { group: name, which: time };
      await clones.clone({
        source,
        path: '',
        group: name,
        targetPath: '',
        replace: true,
        signal,
        onEntry: () => undefined,
      });
      return { group, current: 'snapshot', snapshot, passedOver };
    } catch (error) {
      if (!isDamage(error)) throw error;
      passedOver.push({ snapshot, reason: (error as Error).message });
    }
  }
  const current = copy?.groups.has(group) ? 'copy' : 'empty';
  return { group, current, snapshot: null, passedOver };
}

/** Whether a copy's live tree is at least as new as the newest snapshot. */
function isNewer({ groups, journalFits, copy }: ChosenCopy, group: string, newest: number): boolean {
  if (!groups.has(group)) return false;
  return journalFits || copy.madeAt > newest || (groups.get(group) ?? Number.NEGATIVE_INFINITY) >= newest;
}

function isDamage(error: unknown): boolean {
  return error instanceof CairnError && ['corrupt', 'not-found', 'io'].includes(kindOf(error));
}
