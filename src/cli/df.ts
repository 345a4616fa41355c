import { basename } from 'node:path';
import type { Command } from 'commander';
import type { SpaceMeasured } from '../control/space-commands.js';
import { CairnError } from '../core/errors.js';
import { groupPath } from '../core/group.js';
import { formatSnapshotTime, snapshotTimeOf } from '../core/snapshot-time.js';
import { querySpace } from '../daemon/query-thread.js';
import { announcementOf, askIfMounted, existingStore, optionsOf, surroundings } from './context.js';
import { complain, print, printJson, printTable, shownBytes } from './output.js';
import { chooseGroup } from './store-choice.js';
import { chooseTree } from './tree-choice.js';

type Entry = SpaceMeasured['entries'][number];

/** What is asked for: everything, a group with all that is in it, or one tree of it. */
interface Wanted {
  readonly store: string;
  readonly group?: string;
  /** A snapshot's time, `latest` or `current`. */
  readonly which?: string;
}

/** `cairn df [GROUP|SNAPSHOT]` */
export function addDf(program: Command): void {
  program
    .command('df')
    .description('show how much space groups and snapshots take, and what deleting them would free')
    .argument('[what]', 'a group or snapshot, such as host/web1 or host/web1/latest, or its path inside a mount')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
LOGICAL    length of all files (of a snapshot: of its streams, holes included)
UNIQUE     its chunks, each counted once
STORED     the same as stored: compressed
FREES      what garbage collection gives back once it is deleted: nothing else needs it
DEDUP      LOGICAL / UNIQUE

Live trees are shown as of the last commit, a few seconds ago.

Examples:
  $ cairn df
  $ cairn df host/web1
  $ cairn df --json host/web1/latest`,
    )
    .action(run);
}

async function run(given: string | undefined, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ json?: boolean }>(command);
  const wanted = await choose(given, options.store);
  const report = (await askIfMounted(wanted.store, 'space', {})) ?? (await measured(wanted.store));
  const entries = chosen(report.entries, wanted);
  if (options.json) {
    const shown = entries.map(({ groupId: _id, archive: _archive, ...entry }) => ({ ...entry, dedup: dedup(entry) }));
    printJson({ ...report, entries: shown });
  } else show(report, entries, wanted);
  for (const path of report.unreadable) complain(`${path} cannot be read: it is not counted`);
}

async function measured(store: string): Promise<SpaceMeasured> {
  const report = await querySpace(store);
  return { ...report, entries: [...report.entries], unreadable: [...report.unreadable] };
}

async function choose(given: string | undefined, store: string | undefined): Promise<Wanted> {
  if (given === undefined) return { store: await existingStore(store) };
  const last = basename(given);
  if (last === 'latest' || last === 'current' || snapshotTimeOf(last) !== undefined) {
    const { store: path, tree } = await chooseTree(given, store);
    const which = typeof tree.which === 'number' ? formatSnapshotTime(tree.which) : tree.which;
    return { store: path, group: groupPath(tree.group), which };
  }
  const choice = await chooseGroup(given, store, surroundings, (path) => announcementOf(path)?.group ?? null);
  return { store: await existingStore(choice.store), group: groupPath(choice.group) };
}

/** @throws {CairnError} `not-found` */
function chosen(entries: readonly Entry[], { group, which }: Wanted): readonly Entry[] {
  if (group === undefined) return entries;
  const mine = entries.filter((entry) => entry.group === group && entry.kind !== 'store');
  if (mine.length === 0) throw new CairnError('not-found', `There is no group ${group}`);
  if (which === undefined) return mine;
  const snapshots = mine.filter(({ kind }) => kind === 'snapshot');
  const found =
    which === 'current'
      ? mine.find(({ kind }) => kind === 'live')
      : which === 'latest'
        ? snapshots.at(-1)
        : snapshots.find(({ time }) => time === which);
  if (found === undefined) throw new CairnError('not-found', `There is no snapshot ${group}/${which}`);
  return [found];
}

function show(report: SpaceMeasured, entries: readonly Entry[], { group }: Wanted): void {
  const rows = entries.map((entry) => [
    nameOf(entry),
    shownBytes(entry.logicalBytes),
    shownBytes(entry.uniqueBytes),
    shownBytes(entry.storedBytes),
    entry.kind === 'store' ? '' : shownBytes(entry.exclusiveBytes),
    dedup(entry) === null ? '' : `${dedup(entry)?.toFixed(1)}x`,
  ]);
  printTable(['', 'LOGICAL', 'UNIQUE', 'STORED', 'FREES', 'DEDUP'], rows);
  if (group !== undefined) return;
  const { presentBytes, unusedBytes, quarantinedBytes, badChunks } = report;
  print(`Chunk files ${shownBytes(presentBytes)}, of which ${shownBytes(unusedBytes)} nothing uses`);
  print(`Quarantine  ${shownBytes(quarantinedBytes)}`);
  if (badChunks > 0) print(`Bad chunks  ${badChunks}`);
}

function nameOf({ kind, group, time }: Entry): string {
  if (kind === 'store') return 'everything';
  if (kind === 'group') return group;
  return `  ${kind === 'live' ? 'current' : time}`;
}

function dedup({ logicalBytes, uniqueBytes }: Pick<Entry, 'logicalBytes' | 'uniqueBytes'>): number | null {
  return uniqueBytes === 0 ? null : Math.round((logicalBytes / uniqueBytes) * 100) / 100;
}
