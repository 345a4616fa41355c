import { CairnError } from './errors.js';

const FORM = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/;

/** A snapshot's folder name: the time in UTC, whole seconds, e.g. `2026-11-20T10:00:00Z` (pbs-format §1.5). */
export function formatSnapshotTime(epochSeconds: number): string {
  return new Date(epochSeconds * 1000).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** Epoch seconds of a snapshot's folder name, or undefined where it is not one (2026-02-30 is not). */
export function snapshotTimeOf(name: string): number | undefined {
  if (!FORM.test(name)) return undefined;
  const milliseconds = Date.parse(name);
  if (Number.isNaN(milliseconds)) return undefined;
  const epochSeconds = milliseconds / 1000;
  return formatSnapshotTime(epochSeconds) === name ? epochSeconds : undefined;
}

/**
 * Epoch seconds of a snapshot's folder name.
 * @throws {CairnError} `invalid` for anything else
 */
export function parseSnapshotTime(name: string): number {
  const epochSeconds = snapshotTimeOf(name);
  if (epochSeconds === undefined) {
    throw new CairnError('invalid', `Not a snapshot time: ${JSON.stringify(name)}; wanted is 2026-11-20T10:00:00Z`);
  }
  return epochSeconds;
}
