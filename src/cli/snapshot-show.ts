import type { Command } from 'commander';
import { openDatastoreReader } from '../datastore/open.js';
import { describeSnapshot, type SnapshotDescription } from '../snapshot/describe.js';
import { optionsOf } from './context.js';
import { print, printJson, printTable, shownBytes } from './output.js';
import { chooseSnapshot } from './tree-choice.js';

/** `cairn snapshot show SNAPSHOT` */
export function addSnapshotShow(snapshot: Command): void {
  snapshot
    .command('show')
    .description('tell what is known of a snapshot: files, sizes, notes, protection, chunks')
    .argument('<snapshot>', 'the snapshot, such as host/web1/latest, or its path inside a mount')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
"alone" is what forgetting this snapshot, and nothing else, would free.

Examples:
  $ cairn snapshot show host/web1/latest
  $ cairn snapshot show --json host/web1/2026-11-20T10:00:00Z`,
    )
    .action(run);
}

async function run(given: string, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ json?: boolean }>(command);
  const { store, tree } = await chooseSnapshot(given, options.store);
  const datastore = await openDatastoreReader(store);
  try {
    const description = await describeSnapshot(datastore.catalog, store, tree);
    if (options.json) printJson(description);
    else show(description);
  } finally {
    datastore.close();
  }
}

function show(description: SnapshotDescription): void {
  const { verified, chunks } = description;
  print(`${description.group}/${description.time}`);
  const facts: [string, string][] = [
    ['size', shownBytes(description.sizeBytes)],
    ['entries', description.entries === null ? 'not known' : String(description.entries)],
    ...incomplete(description),
    ['protected', description.protected ? 'yes' : 'no'],
    ['signed', description.signed ? 'yes' : 'no'],
    ['verified', verifiedText(verified)],
  ];
  if (chunks === null) facts.push(['chunks', 'not known: nothing is recorded of its index files']);
  else {
    facts.push([
      'chunks',
      `${chunks.count}, ${shownBytes(chunks.plainBytes)}, ${shownBytes(chunks.storedBytes)} stored`,
    ]);
    facts.push(['alone', `${chunks.exclusive.count} chunks, ${shownBytes(chunks.exclusive.storedBytes)} stored`]);
  }
  for (const line of description.notes.split('\n')) if (line !== '') facts.push(['notes', line]);
  printTable(['', ''], facts);
  printTable(
    ['FILE', 'SIZE', ''],
    description.files.map(({ name, bytes, encrypted }) => [name, shownBytes(bytes), encrypted ? 'encrypted' : '']),
  );
}

function incomplete({ unreadable }: SnapshotDescription): [string, string][] {
  return unreadable === 0 ? [] : [['incomplete', `${unreadable} paths of its source could not be read`]];
}

function verifiedText({ state, at }: SnapshotDescription['verified']): string {
  if (state === 'none') return 'never';
  const when = at === null ? '' : `, ${new Date(at * 1000).toISOString()}`;
  return `${state}${when}`;
}
