import type { Command } from 'commander';
import type { BackedUp, BackupArguments } from '../control/backup-commands.js';
import { groupPath } from '../core/group.js';
import { realFolderPath } from '../daemon/mounts.js';
import { commandLog } from './command-log.js';
import { announcementOf, askIfMounted, existingStore, optionsOf, surroundings } from './context.js';
import { addExcludeOptions, type ExcludeOptions, patternsOf } from './exclude-options.js';
import { EXIT_PROBLEMS } from './exit-codes.js';
import { interruptible } from './interruption.js';
import { complain, print, printJson, shownBytes } from './output.js';
import { withProgress } from './progress-display.js';
import { chooseGroup } from './store-choice.js';

interface BackupOptions extends ExcludeOptions {
  readonly oneFileSystem?: boolean;
  readonly excludeCaches?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** Problems told one by one; more are only counted. */
const SHOWN_PROBLEMS = 20;

/** `cairn backup SOURCE GROUP` */
export function addBackup(program: Command): void {
  const backup = program
    .command('backup')
    .description('make a snapshot of a folder directly, without a mount in between')
    .argument('<source>', 'the folder to back up')
    .argument(
      '<group>',
      'the group that gets the snapshot, such as host/web1; made where there is none; or its path inside a mount',
    );
  addExcludeOptions(backup)
    .option('-x, --one-file-system', 'leave out what is mounted below the source')
    .option('--exclude-caches', 'leave out what is in folders with a CACHEDIR.TAG')
    .option('-n, --dry-run', 'say what would be read and change nothing')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Files that the group's newest snapshot proves unchanged (size, modification and change time) are not read again. The
group's live tree has no part in it and stays as it is. The snapshot is named by when the backup began, and pruned like
any other. Where the datastore is mounted its daemon reads the source. What cannot be read is named and left out, what
changes while it is read is named; the exit status is 6 then, and "cairn snapshot show" tells how much is missing. The
datastore itself and its mount are left out. After Ctrl-C there is no snapshot; chunks that were stored by then go with the
next collection.

Examples:
  $ cairn backup /home host/web1
  $ cairn backup --one-file-system --exclude-caches --exclude '*.o' --exclude /swapfile / host/web1
  $ cairn backup --dry-run --exclude-from /etc/backup.exclude /srv ns/office/host/files`,
    )
    .action(run);
}

async function run(source: string, group: string, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<BackupOptions>(command);
  const mountedGroup = (store: string): string | null => announcementOf(store)?.group ?? null;
  const chosen = await chooseGroup(group, options.store, surroundings, mountedGroup);
  const done = await backUp(await existingStore(chosen.store), {
    source: await realFolderPath(source),
    group: groupPath(chosen.group),
    excludes: patternsOf(options),
    oneFileSystem: options.oneFileSystem === true,
    excludeCaches: options.excludeCaches === true,
    dryRun: options.dryRun === true,
  });
  if (done.unreadable + done.changedWhileRead > 0) process.exitCode = EXIT_PROBLEMS;
  if (options.json) printJson(done);
  else show(done);
}

function backUp(store: string, args: BackupArguments): Promise<BackedUp> {
  return interruptible(async (signal) => {
    const answer = await askIfMounted(store, 'backup', args, { signal });
    if (answer !== undefined) return answer;
    // All that a datastore is written with; a daemon that answers has it already.
    const { runUnmountedBackup } = await import('../daemon/unmounted-backup.js');
    return withProgress((progress) => runUnmountedBackup(store, args, { signal, progress }, commandLog));
  });
}

function show({ snapshot, figures, problems, unreadable, changedWhileRead }: BackedUp): void {
  for (const { path, message } of problems.slice(0, SHOWN_PROBLEMS)) complain(`${path}: ${message}`);
  const more = unreadable + changedWhileRead - Math.min(problems.length, SHOWN_PROBLEMS);
  if (more > 0) complain(`… and ${more} more`);
  const { files, newFiles, changedFiles, unchangedFiles, folders, others, contentBytes, readBytes, excluded } = figures;
  const left = excluded > 0 ? `, ${excluded} excluded` : '';
  const verb = snapshot === null ? 'Would read' : 'Read';
  print(`Found ${files} files (${shownBytes(contentBytes)}), ${folders} folders, ${others} others${left}`);
  print(
    `${verb} ${shownBytes(readBytes)}: ${newFiles} new, ${changedFiles} changed, ${unchangedFiles} unchanged files`,
  );
  if (snapshot !== null) {
    const sizes = `${snapshot.entries} entries, ${shownBytes(snapshot.addedBytes)} added`;
    print(`Created ${snapshot.group}/${snapshot.time} (${sizes})`);
  }
  if (unreadable > 0) print(`${unreadable} could not be read: the snapshot lacks them, or what is in them`);
  if (changedWhileRead > 0) print(`${changedWhileRead} changed while they were read`);
}
