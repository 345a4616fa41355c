import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { CairnError } from '../core/errors.js';
import { groupPath } from '../core/group.js';
import { keepsByRule } from '../core/keep-counts.js';
import { datastorePaths } from '../datastore/paths.js';
import { readSettings } from '../datastore/settings.js';
import { announcementOf, existingStore, optionsOf, surroundings } from './context.js';
import { addKeepOptions, type KeepOptions, keepCountsOf, shownKeep } from './keep-options.js';
import { print, printJson, printTable } from './output.js';
import { changeSettingsOf } from './settings-asking.js';
import { chooseGroup } from './store-choice.js';

/** `cairn policy set|unset|show` */
export function addPolicy(program: Command): void {
  const policy = program.command('policy').description('say which snapshots of a group "cairn prune" keeps');
  addKeepOptions(
    policy
      .command('set')
      .description("set a group's policy, in place of the one it has")
      .argument('<group>', 'the group, such as host/web1, or its path inside a mount'),
  )
    .addHelpText('after', '\nExamples:\n  $ cairn policy set host/web1 --keep-last 3 --keep-daily 14 --keep-monthly 12')
    .action(set);
  policy
    .command('unset')
    .description("take a group's policy away: its snapshots stay until somebody removes them")
    .argument('<group>', 'the group')
    .addHelpText('after', '\nExamples:\n  $ cairn policy unset host/web1')
    .action(unset);
  policy
    .command('show')
    .description('show the policies of a group, or of all that have one')
    .argument('[group]', 'the group')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ cairn policy show\n  $ cairn policy show --json host/web1')
    .action(show);
}

async function set(given: string, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<KeepOptions>(command);
  const counts = keepCountsOf(options);
  if (counts === undefined || !keepsByRule(counts)) {
    throw new CairnError('invalid', 'Nothing says what to keep: give at least one --keep-… of 1 or more');
  }
  const { store, group } = await choose(given, options.store);
  if (!existsSync(join(store, group))) throw new CairnError('not-found', `There is no group ${group}`);
  await changeSettingsOf(store, { prune: { [group]: counts } });
  print(`${group} keeps ${shownKeep(counts)}`);
}

async function unset(given: string, _: unknown, command: Command): Promise<void> {
  const { store, group } = await choose(given, optionsOf(command).store);
  if (readSettings(datastorePaths(store)).prune[group] === undefined) {
    throw new CairnError('not-found', `Group ${group} has no policy`);
  }
  await changeSettingsOf(store, { prune: { [group]: null } });
  print(`${group} keeps everything`);
}

async function show(given: string | undefined, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ json?: boolean }>(command);
  const { store, group } = await choose(given, options.store);
  const all = readSettings(datastorePaths(store)).prune;
  const policies = Object.entries(all).filter(([path]) => group === '' || path === group);
  if (options.json) printJson(policies.map(([path, keep]) => ({ group: path, keep })));
  else if (policies.length === 0) print('No policies: everything is kept');
  else
    printTable(
      ['GROUP', 'KEEPS'],
      policies.map(([path, keep]) => [path, shownKeep(keep)]),
    );
}

/** @returns the group's path; empty where none is given */
async function choose(
  given: string | undefined,
  store: string | undefined,
): Promise<{ readonly store: string; readonly group: string }> {
  if (given === undefined) return { store: await existingStore(store), group: '' };
  const choice = await chooseGroup(given, store, surroundings, (path) => announcementOf(path)?.group ?? null);
  return { store: await existingStore(choice.store), group: groupPath(choice.group) };
}
