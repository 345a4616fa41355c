import { Command } from 'commander';
import { programVersion } from '../daemon/version.js';
import { addBackup } from './backup.js';
import { addCheck } from './check.js';
import { addDf } from './df.js';
import { addGc } from './gc.js';
import { addGcStatus } from './gc-status.js';
import { addGcUndelete } from './gc-undelete.js';
import { addInit } from './init.js';
import { addMetrics } from './metrics.js';
import { addMount } from './mount.js';
import { addPolicy } from './policy.js';
import { addPrune } from './prune.js';
import { addRepair } from './repair.js';
import { addSchedule } from './schedule.js';
import { addSnapshotClone } from './snapshot-clone.js';
import { addSnapshotCreate } from './snapshot-create.js';
import { addSnapshotDiff } from './snapshot-diff.js';
import { addSnapshotFind } from './snapshot-find.js';
import { addSnapshotForget } from './snapshot-forget.js';
import { addSnapshotList } from './snapshot-list.js';
import { addSnapshotMarks } from './snapshot-marks.js';
import { addSnapshotRestore } from './snapshot-restore.js';
import { addSnapshotShow } from './snapshot-show.js';
import { addStatus } from './status.js';
import { addSync } from './sync.js';
import { addUmount } from './umount.js';
import { addVerify } from './verify.js';

/** The command line `cairn`. Commands throw; whoever parses with it turns that into a line and an exit code. */
export function createProgram(): Command {
  const program = new Command('cairn')
    .description('A deduplicating backup filesystem: mount it, rsync into it, take snapshots, browse them')
    .version(programVersion())
    .option(
      '--store <path>',
      'the datastore: its folder or a mountpoint (default: $CAIRN_STORE, or the only one mounted)',
    )
    .option('--debug', 'log more, and show where an error came from')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'cairn: ')) })
    .exitOverride()
    .addHelpText(
      'after',
      `
Examples:
  $ cairn init /srv/backup
  $ cairn mount --daemon /srv/backup /mnt/backup
  $ rsync -aHAX /home/ /mnt/backup/host/web1/current/
  $ cairn snapshot create host/web1
  $ cairn backup /etc host/web1-etc`,
    );
  addInit(program);
  addMount(program);
  addUmount(program);
  addSync(program);
  addBackup(program);
  addSnapshotRestore(program);
  addStatus(program);
  addMetrics(program);
  addVerify(program);
  addCheck(program);
  addRepair(program);
  const gc = addGc(program);
  addGcStatus(gc);
  addGcUndelete(gc);
  addDf(program);
  addPrune(program);
  addPolicy(program);
  addSnapshotClone(program);
  addSchedule(program);
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
  return program;
}
