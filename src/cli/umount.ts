import type { Command } from 'commander';
import { CairnError, kindOf } from '../core/errors.js';
import { restoreHaltPolling } from '../daemon/halt-polling.js';
import { cairnMounts, removeMount } from '../daemon/mounts.js';
import { announcementOf, askIfMounted, existingStore, optionsOf } from './context.js';
import { print } from './output.js';

/** `cairn umount [TARGET]` */
export function addUmount(program: Command): void {
  program
    .command('umount')
    .description('unmount a datastore, once everything written is safe')
    .argument('[target]', 'the mountpoint or the datastore; may be left out where only one is mounted')
    .option('--lazy', 'also while it is in use: what is open stays usable until it is closed')
    .addHelpText(
      'after',
      `
Examples:
  $ cairn umount /mnt/backup
  $ cairn umount --store /srv/backup`,
    )
    .action(run);
}

async function run(target: string | undefined, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ lazy?: boolean }>(command);
  if (target !== undefined && options.store !== undefined) {
    throw new CairnError('invalid', 'Name the mountpoint or the datastore, not both');
  }
  const store = await storeToUnmount(target ?? options.store);
  const answer = await askIfMounted(store, 'unmount', { lazy: options.lazy === true });
  if (answer !== undefined) print(`Unmounted ${store}: everything written is safe`);
  else await removeStale(store);
}

async function storeToUnmount(given: string | undefined): Promise<string> {
  try {
    return await existingStore(given);
  } catch (error) {
    if (given === undefined || kindOf(error) !== 'not-found') throw error;
    throw new CairnError('not-found', `${given} is neither a mountpoint of cairn nor a datastore`, { cause: error });
  }
}

/** What a killed daemon left. The files it had answered for are in the journal, which the next mount reads. */
async function removeStale(store: string): Promise<void> {
  const stale = (await cairnMounts()).filter((mount) => mount.store === store);
  if (stale.length === 0) throw new CairnError('unreachable', `The datastore ${store} is not mounted`);
  const pid = announcementOf(store)?.pid;
  for (const { mountpoint } of stale) {
    await removeMount(mountpoint);
    const daemon = pid === undefined ? 'its daemon' : `its daemon (process ${pid})`;
    print(`Removed the stale mount ${mountpoint}: ${daemon} is gone; the next mount recovers what it had answered`);
  }
  const tell = (_: unknown, message: string) => print(message);
  restoreHaltPolling({ info: tell, warn: tell });
}
