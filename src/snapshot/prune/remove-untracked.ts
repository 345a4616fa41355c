import { randomBytes } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { CairnError, fromSystemError } from '../../core/errors.js';
import { type GroupName, groupPath } from '../../core/group.js';
import { formatSnapshotTime } from '../../core/snapshot-time.js';
import { findSnapshot, snapshotPath } from '../../index/snapshot-folder.js';
import { syncFolder } from '../../native/files.js';
import type { ForgetParts } from '../forget.js';
import { dropIndexFiles } from '../index-rows.js';

/**
 * Removes a snapshot that has no row in the catalog: one that others made without a tree of files, or that came to
 * nothing. Its folder goes out of sight in one step, so that no half of it can be taken for a snapshot.
 * @param finished whether it was finished when that was decided
 * @throws {CairnError} `not-found`, `not-permitted` where it is protected, `busy` where it is ours and not yet finished,
 *   or was finished meanwhile, `read-only` where the store takes no changes
 */
export async function removeUntracked(
  parts: ForgetParts,
  group: GroupName,
  time: number,
  finished: boolean,
): Promise<void> {
  parts.log.requireWorking();
  const name = `${groupPath(group)}/${formatSnapshotTime(time)}`;
  const row = parts.catalog.groups.findByName(group);
  if (row !== undefined && parts.catalog.snapshots.findByTime(row.id, time) !== undefined) {
    throw new CairnError('busy', `Snapshot ${name} is being made`);
  }
  const found = await findSnapshot(parts.store, group, time);
  if (found === undefined) throw new CairnError('not-found', `There is no snapshot ${name}`);
  if (found.isProtected) throw new CairnError('not-permitted', `Snapshot ${name} is protected`);
  if (found.finished !== finished) throw new CairnError('busy', `Snapshot ${name} was finished meanwhile`);
  const aside = `${parts.forgottenFolder}/untracked-${randomBytes(6).toString('hex')}`;
  try {
    await rename(snapshotPath(parts.store, group, time), aside);
    await syncFolder(`${parts.store}/${groupPath(group)}`);
    dropIndexFiles(parts.catalog, group, time, found.files);
    await rm(aside, { recursive: true, force: true });
  } catch (error) {
    throw fromSystemError(error, `remove the snapshot ${name}`);
  }
}
