import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { ScheduleEntry } from '../control/schedule-commands.js';
import { CairnError } from '../core/errors.js';
import { groupPath } from '../core/group.js';
import { checkSchedules } from '../daemon/schedule/schedule-service.js';
import { DEFAULT_TIMES, storedSchedule } from '../daemon/schedule/stored-schedule.js';
import { datastorePaths } from '../datastore/paths.js';
import { readSettings } from '../datastore/settings.js';
import { announcementOf, askDaemon, askIfMounted, existingStore, optionsOf, surroundings } from './context.js';
import { EXIT_FAILED } from './exit-codes.js';
import { print, printJson, printTable } from './output.js';
import { changeSettingsOf } from './settings-asking.js';
import { chooseGroup } from './store-choice.js';

interface GroupOption {
  readonly group?: string;
}

const JOBS = 'gc, verify, prune, drill, or snapshot with --group';

/** `cairn schedule list|set|unset|run|on-failure` */
export function addSchedule(program: Command): void {
  const schedule = program.command('schedule').description('say what a mounted datastore does by itself, and when');
  schedule
    .command('list')
    .description('list jobs, when they run, and how they last ended')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ cairn schedule list')
    .action(list);
  schedule
    .command('set')
    .description('set when a job runs')
    .argument('<job>', JOBS)
    .argument('<when>', 'hourly, daily, weekly, monthly, never, five cron fields; for prune also after-snapshot')
    .option('--group <group>', 'the group, for snapshot')
    .addHelpText(
      'after',
      `
Snapshots are skipped where nothing changed. A drill restores 20 random files of the newest snapshots to a temporary
folder ($TMPDIR) and compares them. One job runs at a time, up to half an hour after its time, so that not all
machines begin at once. Times are those of this machine's time zone.

Examples:
  $ cairn schedule set snapshot hourly --group host/web1
  $ cairn schedule set gc "30 4 * * 0"
  $ cairn schedule set drill weekly
  $ cairn schedule set verify never`,
    )
    .action(set);
  schedule
    .command('unset')
    .description('let a job run as it does by default')
    .argument('<job>', JOBS)
    .option('--group <group>', 'the group, for snapshot')
    .addHelpText('after', '\nExamples:\n  $ cairn schedule unset snapshot --group host/web1')
    .action(unset);
  schedule
    .command('run')
    .description('run a job now, or after the one that runs, and wait for it')
    .argument('<job>', JOBS)
    .option('--group <group>', 'the group, for snapshot and prune')
    .addHelpText('after', '\nExamples:\n  $ cairn schedule run snapshot --group host/web1')
    .action(run);
  schedule
    .command('on-failure')
    .description('have a shell command run when a job fails, with JSON on its standard input; without one: show it')
    .argument('[command]', 'the command; it has a minute')
    .option('--none', 'have none run any more')
    .addHelpText(
      'after',
      '\nExamples:\n  $ cairn schedule on-failure "mail -s cairn root"\n  $ cairn schedule on-failure --none',
    )
    .action(onFailure);
}

async function list(_: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ json?: boolean }>(command);
  const store = await existingStore(options.store);
  const entries = (await askIfMounted(store, 'schedule-list', {}))?.schedule ?? storedSchedule(datastorePaths(store));
  if (options.json) printJson(entries);
  else printTable(['JOB', 'WHEN', 'NEXT', 'LAST'], entries.map(scheduleRow));
}

/** One job for people. */
export function scheduleRow({ job, group, when, nextRunAt, running, last }: ScheduleEntry): string[] {
  const ended = last === null ? 'not yet' : `${shownTime(last.endedAt)} ${last.outcome}: ${last.message}`;
  const next = running ? 'running' : nextRunAt === null ? '' : shownTime(nextRunAt);
  return [group === null ? job : `${job} ${group}`, when, next, ended];
}

function shownTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
}

async function set(job: string, when: string, _: unknown, command: Command): Promise<void> {
  const { store, key } = await choose(job, command);
  checkSchedules({ [key]: when });
  await changeSettingsOf(store, { schedules: { [key]: when } });
  print(`${key} runs ${when}`);
}

async function unset(job: string, _: unknown, command: Command): Promise<void> {
  const { store, key } = await choose(job, command);
  checkSchedules({ [key]: null });
  if (readSettings(datastorePaths(store)).schedules[key] === undefined) {
    throw new CairnError('not-found', `Nothing is set for ${key}`);
  }
  await changeSettingsOf(store, { schedules: { [key]: null } });
  print(`${key} runs ${DEFAULT_TIMES[key] ?? 'never'}`);
}

async function run(job: string, _: unknown, command: Command): Promise<void> {
  const { store, group } = await choose(job, command);
  const ended = await askDaemon(store, 'schedule-run', { job, group });
  print(`${job}: ${ended.outcome}: ${ended.message}`);
  if (ended.outcome === 'failed') process.exitCode = EXIT_FAILED;
}

async function onFailure(given: string | undefined, _: unknown, command: Command): Promise<void> {
  const options = optionsOf<{ none?: boolean }>(command);
  const store = await existingStore(options.store);
  if (given !== undefined && options.none) throw new CairnError('invalid', 'Give either a command or --none, not both');
  const wanted = options.none || given === '' ? null : given;
  if (wanted !== undefined) await changeSettingsOf(store, { onFailure: wanted });
  const set = wanted === undefined ? readSettings(datastorePaths(store)).onFailure : wanted;
  print(set === null ? 'Nothing is run when a job fails' : `When a job fails: ${set}`);
}

async function choose(job: string, command: Command): Promise<{ store: string; key: string; group: string | null }> {
  const { group, store } = optionsOf<GroupOption>(command);
  if (group === undefined) return { store: await existingStore(store), key: job, group: null };
  const choice = await chooseGroup(group, store, surroundings, (path) => announcementOf(path)?.group ?? null);
  const [path, name] = [await existingStore(choice.store), groupPath(choice.group)];
  if (!existsSync(join(path, name))) throw new CairnError('not-found', `There is no group ${name}`);
  return { store: path, key: `${job} ${name}`, group: name };
}
