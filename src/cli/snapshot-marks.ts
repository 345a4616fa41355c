import { readFile } from 'node:fs/promises';
import { text as allText } from 'node:stream/consumers';
import type { Command } from 'commander';
import { CairnError, fromSystemError } from '../core/errors.js';
import { formatTreeName } from '../core/tree-name.js';
import { openDatastoreReader } from '../datastore/open.js';
import { requireSnapshot } from '../snapshot/find-snapshot.js';
import { readNotes } from '../snapshot/marks.js';
import { optionsOf } from './context.js';
import { print, printJson } from './output.js';
import { askSnapshots } from './snapshot-asking.js';
import { type ChosenTree, chooseSnapshot } from './tree-choice.js';

/** `cairn snapshot protect SNAPSHOT…`, `unprotect SNAPSHOT…` and `notes SNAPSHOT [TEXT]` */
export function addSnapshotMarks(snapshot: Command): void {
  snapshot
    .command('protect')
    .description('let nobody forget these snapshots, prune and Proxmox Backup Server included')
    .argument('<snapshots...>', 'snapshots, such as host/web1/latest, or their paths inside a mount')
    .addHelpText('after', '\nExamples:\n  $ cairn snapshot protect host/web1/latest')
    .action((given, _, command) => protect(given, command, true));
  snapshot
    .command('unprotect')
    .description('let these snapshots be forgotten again')
    .argument('<snapshots...>', 'snapshots, such as host/web1/latest, or their paths inside a mount')
    .addHelpText('after', '\nExamples:\n  $ cairn snapshot unprotect host/web1/2026-11-20T10:00:00Z')
    .action((given, _, command) => protect(given, command, false));
  snapshot
    .command('notes')
    .description('show the notes of a snapshot, or write them')
    .argument('<snapshot>', 'the snapshot, such as host/web1/latest, or its path inside a mount')
    .argument('[text]', 'the new notes; "" removes them')
    .option('--file <path>', 'read the new notes from a file, or from standard input (-)')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ cairn snapshot notes host/web1/latest
  $ cairn snapshot notes host/web1/latest "before the upgrade"
  $ cairn snapshot notes --file notes.txt host/web1/latest`,
    )
    .action(notes);
}

async function protect(given: readonly string[], command: Command, isProtected: boolean): Promise<void> {
  const options = optionsOf(command);
  const chosen: ChosenTree[] = [];
  for (const text of given) chosen.push(await chooseSnapshot(text, options.store));
  for (const { store, tree } of chosen) {
    await askSnapshots(store, 'snapshot-protect', { snapshot: formatTreeName(tree), protected: isProtected });
    print(`${isProtected ? 'Protected' : 'Unprotected'} ${formatTreeName(tree)}`);
  }
}

async function notes(given: string, text: string | undefined, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ file?: string; json?: boolean }>(command);
  const { store, tree } = await chooseSnapshot(given, options.store);
  if (text !== undefined && options.file !== undefined) {
    throw new CairnError('invalid', 'Give the notes as an argument or by --file, not both');
  }
  const wanted = options.file === undefined ? text : await notesFrom(options.file);
  if (wanted === undefined) return showNotes(store, tree, options.json === true);
  await askSnapshots(store, 'snapshot-note', { snapshot: formatTreeName(tree), text: wanted });
}

async function showNotes(store: string, tree: ChosenTree['tree'], json: boolean): Promise<void> {
  const datastore = await openDatastoreReader(store);
  try {
    const found = await readNotes(store, requireSnapshot(datastore.catalog, tree));
    if (json) printJson({ notes: found });
    else if (found !== '') print(found);
  } finally {
    datastore.close();
  }
}

async function notesFrom(path: string): Promise<string> {
  try {
    return (path === '-' ? await allText(process.stdin) : await readFile(path, 'utf8')).trimEnd();
  } catch (error) {
    throw fromSystemError(error, `read the notes from ${path}`);
  }
}
