import { type Command, InvalidArgumentError, Option } from 'commander';
import { KEEP_RULES, type KeepCounts, type KeepRule } from '../core/keep-counts.js';

const MEANING: Record<KeepRule, string> = {
  last: 'keep the last N snapshots',
  hourly: 'keep the newest snapshot of each of the last N hours that have one',
  daily: 'the same for days',
  weekly: 'the same for weeks (Monday to Sunday)',
  monthly: 'the same for months',
  yearly: 'the same for years',
};

/** What commander makes of `--keep-…`. */
export type KeepOptions = { readonly [rule in KeepRule as `keep${Capitalize<rule>}`]?: number };

/** Adds `--keep-last N` and the like to a command. */
export function addKeepOptions(command: Command): Command {
  for (const rule of KEEP_RULES) {
    command.addOption(new Option(`--keep-${rule} <n>`, MEANING[rule]).argParser(parseCount));
  }
  return command;
}

/** The counts that were given; undefined where none was. */
export function keepCountsOf(options: KeepOptions): KeepCounts | undefined {
  const named = options as Readonly<Record<string, number | undefined>>;
  const given = KEEP_RULES.map((rule) => [rule, named[`keep${rule[0]?.toUpperCase()}${rule.slice(1)}`]] as const);
  const entries = given.filter(([, count]) => count !== undefined);
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as KeepCounts);
}

/** Counts for people: `last 3, daily 7`. */
export function shownKeep(counts: KeepCounts): string {
  const on = KEEP_RULES.filter((rule) => (counts[rule] ?? 0) > 0);
  return on.map((rule) => `${rule} ${counts[rule]}`).join(', ') || 'everything';
}

function parseCount(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('Wanted is a whole number from 0 to 999999.');
  return Number(text);
}
