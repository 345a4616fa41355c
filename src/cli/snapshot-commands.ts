import type { Command } from 'commander';
import { addSnapshotClone } from './snapshot-clone.js';
import { addSnapshotCreate } from './snapshot-create.js';
import { addSnapshotDiff } from './snapshot-diff.js';
import { addSnapshotFind } from './snapshot-find.js';
import { addSnapshotForget } from './snapshot-forget.js';
import { addSnapshotList } from './snapshot-list.js';
import { addSnapshotMarks } from './snapshot-marks.js';
import { addSnapshotRestore } from './snapshot-restore.js';
import { addSnapshotShow } from './snapshot-show.js';

/** `cairn snapshot` and what is below it. */
export function addSnapshotCommands(program: Command): void {
  const snapshot = program.command('snapshot').description('make, list, show, mark and forget snapshots');
  addSnapshotCreate(snapshot);
  addSnapshotList(snapshot);
  addSnapshotShow(snapshot);
  addSnapshotForget(snapshot);
  addSnapshotMarks(snapshot);
  addSnapshotRestore(snapshot);
  addSnapshotClone(snapshot);
  addSnapshotDiff(snapshot);
  addSnapshotFind(snapshot);
}
