import type { Command } from 'commander';
import { CairnError } from '../core/errors.js';
import { existingStore, optionsOf } from './context.js';
import { EXIT_NOT_FOUND } from './exit-codes.js';
import { askGc } from './gc-asking.js';
import { print } from './output.js';

const DIGEST = /^[0-9a-f]{64}$/;
/** What one request to the daemon may name. */
const AT_ONCE = 500;

/** `cairn gc undelete` */
export function addGcUndelete(gc: Command): void {
  gc.command('undelete')
    .description('bring chunks back from quarantine')
    .argument('[digests...]', 'which ones: SHA-256 in hex')
    .option('--all', 'all of them')
    .addHelpText(
      'after',
      `
The next collection takes them again unless something names them by then: put index files back first.

Examples:
  $ cairn gc undelete --all
  $ cairn gc undelete 5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9`,
    )
    .action(run);
}

async function run(digests: string[], _: unknown, command: Command): Promise<void> {
  const { all, ...options } = optionsOf<{ all?: boolean }>(command);
  const wrong = digests.find((digest) => !DIGEST.test(digest));
  if (wrong !== undefined) throw new CairnError('invalid', `Not a digest: ${wrong}; wanted are 64 hex digits`);
  if (digests.length > 0 === (all === true)) {
    throw new CairnError('invalid', 'Say which chunks by their digests, or --all');
  }
  const store = await existingStore(options.store);
  const sum = { restored: 0, missing: 0 };
  for (let from = 0; from === 0 || from < digests.length; from += AT_ONCE) {
    const part = all ? null : digests.slice(from, from + AT_ONCE);
    const { restored, missing } = await askGc(store, 'gc-undelete', { digests: part });
    sum.restored += restored;
    sum.missing += missing;
  }
  print(`Brought back ${sum.restored} chunks${sum.missing > 0 ? `; ${sum.missing} are not in quarantine` : ''}`);
  if (sum.missing > 0) process.exitCode = EXIT_NOT_FOUND;
}
