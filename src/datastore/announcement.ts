import { ftruncateSync, readFileSync, writeSync } from 'node:fs';
import * as z from 'zod';
import { fromSystemError } from '../core/errors.js';
import type { DatastorePaths } from './paths.js';

const announcement = z.object({
  pid: z.number().int().positive(),
  /** Path of the control socket. */
  socket: z.string(),
  mountpoints: z.array(z.string()),
  /** The one group that is mounted, or null for the whole datastore. */
  group: z.string().nullable(),
});

/** What a daemon writes into `.cairn/lock`: who it is and where it can be asked. */
export type Announcement = z.output<typeof announcement>;

/**
 * What the last daemon of this datastore announced, or undefined where it took it back. A killed daemon
 * does not: only its socket tells whether it lives. Never call it in the process that holds the lock, which
 * would lose it (pbs-format §1.6).
 * @throws {CairnError} where the file cannot be read
 */
export function readAnnouncement(paths: DatastorePaths): Announcement | undefined {
  let text: string;
  try {
    text = readFileSync(paths.lock, 'utf8');
  } catch (error) {
    const failure = fromSystemError(error, `read ${paths.lock}`);
    if (failure.kind === 'not-found') return undefined;
    throw failure;
  }
  try {
    return announcement.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Replaces the content of an open lock file; undefined empties it. */
export function writeAnnouncement(descriptor: number, value: Announcement | undefined): void {
  ftruncateSync(descriptor, 0);
  if (value !== undefined) writeSync(descriptor, `${JSON.stringify(value)}\n`, 0);
}
