import * as z from 'zod';
import { CairnError } from '../core/errors.js';
import { type KeepCounts, keepCounts } from '../core/keep-counts.js';
import { readJson, writeJson } from './json-file.js';
import type { DatastorePaths } from './paths.js';

const settings = z.looseObject({
  /** When jobs run, by job: `gc`, or `snapshot host/web1`. What is absent runs as it does by default. */
  schedules: z.record(z.string(), z.string()).default({}),
  /** What `prune` keeps, by the group's path. Groups that are absent are not pruned. */
  prune: z.record(z.string(), keepCounts).default({}),
  /** Run by a shell when a scheduled job fails, with JSON on its standard input. */
  onFailure: z.string().nullable().default(null),
});

/** `.cairn/settings.json`: what may be changed at any time. Keys this program does not know are kept. */
export type Settings = z.output<typeof settings>;

/** What to change: a null takes the entry away, what is absent stays. */
export interface SettingsChange {
  readonly schedules?: Readonly<Record<string, string | null>> | undefined;
  readonly prune?: Readonly<Record<string, KeepCounts | null>> | undefined;
  readonly onFailure?: string | null | undefined;
}

/**
 * Reads the settings; those of a datastore that has none are empty.
 * @throws {CairnError} `corrupt` where they make no sense
 */
export function readSettings(paths: DatastorePaths): Settings {
  return parseSettings(readJson(paths.settings) ?? {}, paths.settings);
}

/**
 * The settings that a JSON value stands for.
 * @param name of the value, for people
 * @throws {CairnError} `corrupt` where it makes no sense
 */
export function parseSettings(value: unknown, name: string): Settings {
  const result = settings.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0] ?? { path: [], message: 'not understood' };
  throw new CairnError('corrupt', `${name} makes no sense: ${[...path, message].join(': ')}`);
}

/**
 * Changes the settings durably. Only who holds the datastore's claim may, one change at a time.
 * @returns the settings after it
 */
export async function changeSettings(paths: DatastorePaths, change: SettingsChange): Promise<Settings> {
  const before = readSettings(paths);
  const after: Settings = {
    ...before,
    schedules: merged(before.schedules, change.schedules),
    prune: merged(before.prune, change.prune),
    onFailure: change.onFailure === undefined ? before.onFailure : change.onFailure,
  };
  await writeJson(paths.settings, after);
  return after;
}

function merged<T>(
  before: Readonly<Record<string, T>>,
  change: Readonly<Record<string, T | null>> = {},
): Record<string, T> {
  const entries = Object.entries({ ...before, ...change });
  return Object.fromEntries(entries.filter((entry): entry is [string, T] => entry[1] !== null).sort());
}
