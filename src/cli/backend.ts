import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { BackendCommandResult } from '../control/backend-commands.js';
import { CairnError } from '../core/errors.js';
import { MEDIA_TYPES } from '../datastore/backend-config.js';
import { askBackends, showMended } from './backend-asking.js';
import { wholeNumber } from './care-asking.js';
import { existingStore, optionsOf } from './context.js';
import { print, printJson, printTable, shownBytes } from './output.js';
import { addServerOptions, type S3Options, s3SettingsOfAddress } from './s3-options.js';
import { warnOfSameDisk } from './same-disk.js';

interface SettingOptions {
  readonly weight?: string;
  readonly readOnly?: boolean;
  readonly writable?: boolean;
  readonly minFree?: string;
  readonly media?: (typeof MEDIA_TYPES)[number];
  readonly preferred?: boolean;
}

type Described = BackendCommandResult<'backend-list'>;

/** `cairn backend add|list|show|set|drain|remove` */
export function addBackend(program: Command): void {
  const backend = program.command('backend').description('the disks and buckets chunks are spread over');
  addAdd(backend);
  addShowing(backend);
  addChanging(backend);
}

function addAdd(backend: Command): void {
  const add = backend
    .command('add')
    .description('spread new chunks over one more folder or bucket')
    .argument('<id>', 'what it is called from now on')
    .argument('<place>', 'a folder, new or empty, or s3://BUCKET/NAME');
  addSettings(addServerOptions(add))
    .addHelpText(
      'after',
      `
The datastore's own folder becomes the backend "local" when it gets a second one; it must not be mounted then.

Examples:
  $ cairn backend add disk2 /mnt/disk2/cairn
  $ cairn backend add cloud s3://backups/web1 --endpoint https://s3.example.org --weight 0.5`,
    )
    .action(runAdd);
}

function addShowing(backend: Command): void {
  backend
    .command('list')
    .description('show all backends, how they are doing and how much room there is')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ cairn backend list\n  $ cairn backend list --json')
    .action(runList);
  backend
    .command('show')
    .description('show one backend, and which chunks depend on it')
    .argument('<id>', 'the backend')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ cairn backend show disk2')
    .action(runShow);
}

function addChanging(backend: Command): void {
  addSettings(backend.command('set').description('change how a backend is used').argument('<id>', 'the backend'))
    .option('--writable', 'put chunks there again')
    .addHelpText(
      'after',
      '\nExamples:\n  $ cairn backend set disk2 --weight 2\n  $ cairn backend set disk2 --read-only',
    )
    .action(runSet);
  backend
    .command('drain')
    .description('bring everything a backend holds to the others; may be broken off and begun anew')
    .argument('<id>', 'the backend')
    .option('--stop', 'use it again instead')
    .addHelpText('after', '\nExamples:\n  $ cairn backend drain disk2\n  $ cairn backend remove disk2')
    .action(runDrain);
  backend
    .command('remove')
    .description('do without a backend from now on; it has to be empty (drain)')
    .argument('<id>', 'the backend')
    .option('--lost', 'it is gone, and what it held with it: "cairn repair" then makes that good')
    .addHelpText('after', '\nExamples:\n  $ cairn backend remove disk2\n  $ cairn backend remove --lost disk3')
    .action(runRemove);
}

function addSettings(command: Command): Command {
  return command
    .option('--weight <number>', 'its share among the others (default: 1)')
    .option('--read-only', 'put nothing new there')
    .option('--min-free <bytes>', 'room to leave free (default: 0)')
    .addOption(new Option('--media <type>', 'what it is, for people').choices(MEDIA_TYPES))
    .option('--preferred', 'use it before all others');
}

async function runAdd(id: string, place: string, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<SettingOptions & S3Options>(command);
  const store = await existingStore(options.store);
  const { preferred, ...settings } = settingsOf(options);
  const backend = { id, ...placeOf(place, options), ...settings };
  await askBackends(store, 'backend-change', { kind: 'add', backend });
  if (preferred) await askBackends(store, 'backend-change', { kind: 'set', id, changes: { preferred } });
  print(`New chunks are spread over ${id} too`);
  const { backends } = await askBackends(store, 'backend-list', {});
  const folders = backends.filter(({ type }) => type === 'fs');
  await warnOfSameDisk(
    folders.map((other) => ({ id: other.id, path: other.place })),
    id,
  );
}

async function runList(_: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ json?: boolean }>(command);
  const described = await askBackends(await existingStore(options.store), 'backend-list', {});
  if (options.json) printJson(described);
  else showAll(described);
}

async function runShow(id: string, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ json?: boolean }>(command);
  const { backend, dependence } = await askBackends(await existingStore(options.store), 'backend-show', { id });
  if (options.json) return printJson({ ...backend, dependence });
  printTable(
    ['', ''],
    Object.entries(backend).map(([key, value]) => [key, value === null ? '' : String(value)]),
  );
  if (dependence === null) return print('Where pieces are is not recorded yet: "cairn repair" records it');
  const { chunks, lost, lastPieces, failing, lostWithFailing } = dependence;
  print(
    `${chunks} chunks have a piece there. Without it ${lost} could not be read, ${lastPieces} bore no further loss`,
  );
  const others = failing.filter((other) => other !== id);
  if (others.length > 0) print(`Without it and ${others.join(', ')}: ${lostWithFailing} could not be read`);
}

async function runSet(id: string, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<SettingOptions>(command);
  const changes = settingsOf(options);
  if (Object.keys(changes).length === 0) throw new CairnError('invalid', 'Nothing says what to change (see --help)');
  await askBackends(await existingStore(options.store), 'backend-change', { kind: 'set', id, changes });
  print(`Changed the backend ${id}`);
}

async function runDrain(id: string, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ stop?: boolean }>(command);
  const store = await existingStore(options.store);
  await askBackends(store, 'backend-change', { kind: 'drain', id, draining: options.stop !== true });
  if (options.stop) return print(`The backend ${id} is used again`);
  const report = await askBackends(store, 'backend-mend', { apply: true });
  showMended(report, true);
  if (report.complete) print(`The backend ${id} is empty: "cairn backend remove ${id}" takes it away`);
}

async function runRemove(id: string, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ lost?: boolean }>(command);
  const lost = options.lost === true;
  await askBackends(await existingStore(options.store), 'backend-change', { kind: 'remove', id, lost });
  print(`The datastore does without the backend ${id}${lost ? ': run "cairn repair" now' : ''}`);
}

function showAll(described: Described): void {
  const { redundancy, overhead, tolerance, backends, converting, waitingForRepair } = described;
  if (backends.length === 0) {
    print("The datastore's folder is all there is");
    return;
  }
  printTable(
    ['ID', 'TYPE', 'PLACE', 'WEIGHT', 'STATE', 'SIZE', 'FREE', 'PIECES', 'HELD'],
    backends.map((backend) => [
      backend.id,
      backend.type,
      backend.place,
      String(backend.weight),
      stateOf(backend),
      shownRoom(backend.totalBytes),
      shownRoom(backend.availableBytes),
      String(backend.pieces ?? ''),
      shownRoom(backend.pieceBytes),
    ]),
  );
  const bears = tolerance === 1 ? 'one backend' : `${tolerance} backends`;
  print(`Redundancy ${redundancy}: ${overhead.toFixed(2)} bytes stored for each kept, ${bears} may be lost`);
  print(`Room for chunks: ${shownRoom(described.totalBytes)}, free ${shownRoom(described.availableBytes)}`);
  for (const [group, own] of Object.entries(described.groupRedundancy)) print(`Redundancy of ${group}: ${own}`);
  if (converting) print('Some chunks are not as the redundancy has it yet: "cairn repair" brings that about');
  if (waitingForRepair > 0) print(`${waitingForRepair} chunks lack pieces and wait to be mended`);
  if (described.comparedAt === null) {
    print('Pieces are counted as they are put, and were never compared with what is there: "cairn repair" does');
  }
  if (described.recordProblem !== null) print(`Pieces may be miscounted: ${described.recordProblem}`);
  for (const { id, reason } of backends) if (reason !== null) print(`${id}: ${reason}`);
}

function stateOf({ state, draining, readOnly, preferred }: Described['backends'][number]): string {
  const words = [draining ? 'draining' : '', readOnly ? 'read-only' : '', preferred ? 'preferred' : ''];
  return [state, ...words.filter((word) => word !== '')].join(', ');
}

function shownRoom(bytes: number | null): string {
  return bytes === null ? '' : shownBytes(bytes);
}

/** What the options say; what they do not say is absent. @throws {CairnError} `invalid` */
export function settingsOf(options: SettingOptions) {
  const { weight, readOnly, writable, minFree, media, preferred } = options;
  if (readOnly && writable) throw new CairnError('invalid', '--read-only and --writable exclude each other');
  return {
    ...(weight !== undefined && { weight: weightOf(weight) }),
    ...((readOnly || writable) && { readOnly: readOnly === true }),
    ...(minFree !== undefined && { minFreeBytes: wholeNumber(minFree, '--min-free', 0) }),
    ...(media !== undefined && { media }),
    ...(preferred && { preferred }),
  };
}

/** What a place is, as a config has it. @throws {CairnError} `invalid` */
export function placeOf(place: string, options: S3Options): Record<string, unknown> {
  if (place === '') throw new CairnError('invalid', 'The place of the backend is empty');
  if (/^s3:/i.test(place)) return { type: 's3', s3: s3SettingsOfAddress(place, options) };
  return { type: 'fs', path: resolve(place) };
}

function weightOf(text: string): number {
  const weight = Number(text);
  if (text.trim() !== '' && Number.isFinite(weight) && weight > 0) return weight;
  throw new CairnError('invalid', `--weight is a number above 0, not ${JSON.stringify(text)}`);
}
