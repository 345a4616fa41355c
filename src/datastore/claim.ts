import { closeSync, existsSync, openSync } from 'node:fs';
import { CairnError, fromSystemError } from '../core/errors.js';
import { type FileLock, lockFile, lockHolder } from '../native/locks.js';
import { type Announcement, writeAnnouncement } from './announcement.js';
import type { DatastorePaths } from './paths.js';
import { makeRoomToOpen } from './reserve.js';

/** The right of one process to use a datastore alone: what a daemon holds while it is mounted. */
export interface Claim {
  /** Says where the holder can be asked. */
  announce(value: Announcement): void;
  /** Gives the datastore free. Does nothing the second time. */
  release(): void;
}

/**
 * Claims a datastore: `.cairn/lock` exclusively and PBS's `.lock` shared, so that no foreign collector runs.
 * The claim ends with the thread that made it. Nobody in this process may open and close either file meanwhile:
 * the locks would be lost (pbs-format §1.6).
 * @throws {CairnError} `busy`, naming the holder, where it is claimed already; `read-only` or `access-denied`
 *   where the files cannot be opened for writing; `not-ready` where its catalog was being rebuilt
 * @param purpose `rebuild` for whoever goes on with that
 */
export function claimDatastore(paths: DatastorePaths, purpose: 'use' | 'rebuild' = 'use'): Claim {
  const locks: FileLock[] = [];
  try {
    locks.push(lockFile(paths.lock, 'write') ?? refused(paths, 'in use'));
    locks.push(lockFile(paths.pbsLock, 'read') ?? refused(paths, 'being collected'));
    if (purpose === 'use' && existsSync(paths.rebuilding)) throw unfinished(paths);
    makeRoomToOpen(paths.reserve);
    return claimWith(locks, openSync(paths.lock, 'r+'));
  } catch (error) {
    for (const lock of locks) lock.release();
    throw fromSystemError(error, `lock the datastore ${paths.root}`);
  }
}

function claimWith(locks: readonly FileLock[], descriptor: number): Claim {
  let released = false;
  return {
    announce: (value) => writeAnnouncement(descriptor, value),
    release: () => {
      if (released) return;
      released = true;
      try {
        writeAnnouncement(descriptor, undefined);
      } catch {
        // It stays, as a killed process's does: nobody answers where it says.
      }
      closeSync(descriptor);
      for (const lock of locks) lock.release();
    },
  };
}

function unfinished({ root }: DatastorePaths): CairnError {
  const remedy = `run "cairn repair --rebuild-catalog --store ${root}" again`;
  return new CairnError('not-ready', `The rebuilding of the catalog of ${root} was interrupted: ${remedy}`);
}

function refused(paths: DatastorePaths, why: 'in use' | 'being collected'): never {
  const pid = why === 'in use' ? lockHolder(paths.lock, 'write') : lockHolder(paths.pbsLock, 'read');
  const holder = pid === undefined ? 'another process' : `process ${pid}`;
  throw new CairnError('busy', `The datastore ${paths.root} is ${why} by ${holder}`);
}
