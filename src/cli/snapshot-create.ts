import type { Command } from 'commander';
import { groupPath } from '../core/group.js';
import { announcementOf, existingStore, optionsOf, surroundings } from './context.js';
import { print, printJson, shownBytes } from './output.js';
import { askSnapshots } from './snapshot-asking.js';
import { chooseGroup } from './store-choice.js';

/** `cairn snapshot create GROUP` */
export function addSnapshotCreate(snapshot: Command): void {
  snapshot
    .command('create')
    .description("keep a group's live tree as it is now")
    .argument('<group>', 'the group, such as host/web1, or its path inside a mount')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ cairn snapshot create host/web1
  $ cairn snapshot create /mnt/backup/host/web1`,
    )
    .action(run);
}

async function run(given: string, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ json?: boolean }>(command);
  const { store, group } = await chooseGroup(given, options.store, surroundings, mountedGroup);
  const created = await askSnapshots(await existingStore(store), 'snapshot-create', { group: groupPath(group) });
  if (options.json) printJson(created);
  else {
    const recut = created.recutFiles > 0 ? `, ${created.recutFiles} files with cloned ranges cut anew` : '';
    const sizes = `${created.entries} entries, ${shownBytes(created.sizeBytes)}, ${shownBytes(created.addedBytes)} new${recut}`;
    print(`Created ${created.group}/${created.time} (${sizes})`);
  }
}

function mountedGroup(store: string): string | null {
  return announcementOf(store)?.group ?? null;
}
