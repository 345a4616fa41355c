import { realpath } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { CairnError } from '../core/errors.js';
import { createDatastore, type Layout } from '../datastore/create.js';
import { optionsOf } from './context.js';
import { interruptible } from './interruption.js';
import { print } from './output.js';
import { withProgress } from './progress-display.js';

const LAYOUTS: readonly Layout[] = ['cairn', 'pbs'];

/** `cairn init PATH` */
export function addInit(program: Command): void {
  program
    .command('init')
    .description('create a datastore in an empty or new folder')
    .argument('<path>', 'the folder')
    .addOption(
      new Option('--layout <layout>', 'folders for chunks: 256 of our own, or the 65,536 of Proxmox Backup Server')
        .choices(LAYOUTS)
        .default(LAYOUTS[0]),
    )
    .option('--verify-new', 'read every new chunk back and verify it before anything names it')
    .addHelpText(
      'after',
      `
Examples:
  $ cairn init /srv/backup
  $ cairn init --layout pbs /srv/pbs-store
  $ cairn init --verify-new /srv/backup`,
    )
    .action(run);
}

async function run(path: string, _: unknown, command: Command): Promise<void> {
  const { layout, verifyNew } = optionsOf<{ layout: Layout; verifyNew?: boolean }>(command);
  if (/^s3:/i.test(path)) {
    throw new CairnError('unsupported', `${path}: datastores on S3 are not supported yet; give the path of a folder`);
  }
  if (path === '') throw new CairnError('invalid', 'The path of the datastore is empty');
  // Modes of the folders are part of the format (pbs-format §1.1), whatever the user's mask.
  process.umask(0o022);
  await interruptible((signal) =>
    withProgress((update) =>
      createDatastore(path, {
        layout,
        verifyNew: verifyNew === true,
        signal,
        onProgress: (done, total) => update({ step: 'making folders', done, total, unit: 'items' }),
      }),
    ),
  );
  print(`Created the datastore ${await realpath(path)}`);
}
