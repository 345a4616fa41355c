import type { Progress } from '../control/messages.js';
import type { PruneArguments, Pruned } from '../control/prune-commands.js';
import { CairnError, kindOf } from '../core/errors.js';
import { groupPath, parseGroupPath } from '../core/group.js';
import { type KeepCounts, keepsByRule } from '../core/keep-counts.js';
import { parseSnapshotTime } from '../core/snapshot-time.js';
import { datastorePaths } from '../datastore/paths.js';
import { readSettings } from '../datastore/settings.js';
import type { GroupPolicy } from '../snapshot/prune/plan-prune.js';
import { queryPrune } from './query-thread.js';

/** A snapshot that is to go. */
export interface DoomedSnapshot {
  readonly group: string;
  readonly time: number;
  readonly finished: boolean;
}

/** What pruning needs of its surroundings. */
export interface PruneParts {
  /** The datastore's folder. */
  readonly store: string;
  /** Removes one snapshot durably. @throws {CairnError} `not-found` where it is gone already */
  remove(snapshot: DoomedSnapshot): Promise<unknown>;
  progress(progress: Progress): void;
  readonly signal: AbortSignal;
}

/**
 * Prunes groups as asked, or as their policies say; a dry run only plans.
 * @throws {CairnError} `invalid` where nothing says what to keep, `not-found` for a group that is none, `interrupted` when
 *   given up: what was removed until then is gone
 */
export async function prune(parts: PruneParts, { groups, keep, dryRun }: PruneArguments): Promise<Pruned> {
  const plan = await queryPrune(parts.store, policiesOf(parts.store, groups, keep));
  const doomed = plan.groups.flatMap(({ group, snapshots }) =>
    snapshots
      .filter((snapshot) => !snapshot.keep)
      .map(({ time, finished }) => ({ group, time: parseSnapshotTime(time), finished })),
  );
  const result = {
    groups: plan.groups.map(({ group, snapshots }) => ({ group, snapshots: [...snapshots] })),
    freedBytes: plan.freedBytes,
  };
  if (dryRun) return { ...result, removed: 0 };
  // Oldest first: where it is given up, what is left is what a shorter history would be.
  let count = 0;
  for (const [done, snapshot] of doomed.reverse().entries()) {
    if (parts.signal.aborted) throw new CairnError('interrupted', `Given up; ${count} snapshots were removed`);
    parts.progress({ step: 'removing', done, total: doomed.length, unit: 'items' });
    if (await removed(parts, snapshot)) count += 1;
  }
  return { ...result, removed: count };
}

/** Somebody else may have been faster. */
async function removed(parts: PruneParts, snapshot: DoomedSnapshot): Promise<boolean> {
  try {
    await parts.remove(snapshot);
    return true;
  } catch (error) {
    if (kindOf(error) !== 'not-found') throw error;
    return false;
  }
}

function policiesOf(store: string, groups: readonly string[] | null, keep: KeepCounts | null): GroupPolicy[] {
  const { prune: stored } = readSettings(datastorePaths(store));
  if (keep !== null && !keepsByRule(keep)) {
    throw new CairnError('invalid', 'Nothing says what to keep: give at least one --keep-… of 1 or more');
  }
  const paths = groups?.map((path) => groupPath(parseGroupPath(path))) ?? Object.keys(stored);
  return paths.map((path) => {
    const counts = keep ?? stored[path];
    if (counts === undefined || !keepsByRule(counts)) {
      throw new CairnError('invalid', `Group ${path} has no policy: give --keep-… or set one with "cairn policy set"`);
    }
    return { group: parseGroupPath(path), keep: counts };
  });
}
