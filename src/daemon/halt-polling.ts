import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CairnError, fromSystemError } from '../core/errors.js';
import type { Log } from '../core/log.js';
import { syncFile, syncFolder } from '../native/files.js';
import { type FileLock, lockFile } from '../native/locks.js';
import { preparePrivateFolder } from './control-socket.js';

/** How long a CPU without work looks out for some before it halts, nanoseconds: longer than a client takes to come back. */
export const WANTED_POLL_NS = 200_000;

/** The guest's setting and who uses it; other places for tests. */
export interface HaltPollingPlaces {
  /** File of the kernel: nanoseconds that an idle CPU of a guest polls before it halts. */
  readonly parameter: string;
  /** File of the kernel: which driver idle CPUs have. */
  readonly driver: string;
  /** Ours; gone after a reboot, as the setting is. */
  readonly folder: string;
}

export const SYSTEM_PLACES: HaltPollingPlaces = {
  parameter: '/sys/module/haltpoll/parameters/guest_halt_poll_ns',
  driver: '/sys/devices/system/cpu/cpuidle/current_driver',
  folder: '/run/cairn/low-latency',
};

/** `on`: CPUs poll; `would-help`: they are a guest's and halt between two requests; `unavailable`: it is not ours to say. */
export type LowLatency = 'on' | 'would-help' | 'unavailable';

/** What was found before it was set, so that whoever comes last puts it back. */
interface Found {
  readonly found: number;
  readonly set: number;
}

const TRIES = 100;
const TRY_MILLISECONDS = 20;

/** How the CPUs of this machine wait now. */
export function lowLatency(places: HaltPollingPlaces = SYSTEM_PLACES): LowLatency {
  try {
    if (readFileSync(places.driver, 'latin1').trim() !== 'haltpoll') return 'unavailable';
    return readParameter(places) >= WANTED_POLL_NS ? 'on' : 'would-help';
  } catch {
    return 'unavailable';
  }
}

/**
 * Has the CPUs of a virtual machine poll before they halt, for as long as any process wants it: waking a halted one takes
 * longer than most requests. Each user has a read lock, which ends with the process; who can have the write lock is alone.
 * What was found is on record before it is changed, and put back by the last one, or after a crash by the next
 * (`restoreHaltPolling`).
 * @returns what ends it
 * @throws {CairnError} `unsupported` where there is no such setting, `access-denied` without the right to set it
 */
export async function pollBeforeHalting(
  log: Pick<Log, 'info' | 'warn'>,
  places: HaltPollingPlaces = SYSTEM_PLACES,
): Promise<() => void> {
  if (lowLatency(places) === 'unavailable') {
    const why = `${places.parameter} is there on virtual machines whose idle driver is haltpoll only`;
    throw new CairnError('unsupported', `--low-latency is not available here: ${why}; mount without it`);
  }
  if (process.geteuid?.() !== 0) {
    throw new CairnError('access-denied', '--low-latency sets how CPUs wait, which only root may do; mount without it');
  }
  preparePrivateFolder(places.folder);
  const using = await joinUsers(places);
  log.info({ nanoseconds: readParameter(places) }, 'CPUs poll before they halt');
  return () => {
    using.release();
    restoreHaltPolling(log, places);
  };
}

/** Puts back what a killed process left set, if nobody uses it; nothing where there is nothing to do. Never throws. */
export function restoreHaltPolling(log: Pick<Log, 'info' | 'warn'>, places: HaltPollingPlaces = SYSTEM_PLACES): void {
  try {
    if (!existsSync(recordPath(places))) return;
    const alone = lockFile(usersPath(places), 'write');
    if (alone === undefined) return;
    try {
      putBack(log, places);
    } finally {
      alone.release();
    }
  } catch (error) {
    log.warn({ error }, `${places.parameter} cannot be put back`);
  }
}

/** @returns the lock of a user, the setting being made */
async function joinUsers(places: HaltPollingPlaces): Promise<FileLock> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const alone = lockFile(usersPath(places), 'write');
    if (alone !== undefined) {
      try {
        await setAlone(places);
        const using = lockFile(usersPath(places), 'read');
        if (using !== undefined) return using;
      } finally {
        alone.release();
      }
    }
    // Who uses it has set it. Whoever put it back just now took the record away.
    const using = lockFile(usersPath(places), 'read');
    if (using !== undefined && readRecord(places) !== undefined) return using;
    using?.release();
    await delay(TRY_MILLISECONDS);
  }
  throw new CairnError('busy', `Another process is changing ${places.parameter} and does not end`);
}

/** A record that is there was left by a process that was killed: what it found is what is to be put back. */
async function setAlone(places: HaltPollingPlaces): Promise<void> {
  try {
    const now = readParameter(places);
    const set = Math.max(now, WANTED_POLL_NS);
    const record = recordPath(places);
    const left = readRecord(places);
    if (left === undefined || left.set !== now) {
      writeFileSync(record, JSON.stringify({ found: now, set } satisfies Found), { mode: 0o600 });
      await syncFile(record);
      await syncFolder(places.folder);
    }
    writeFileSync(places.parameter, `${set}\n`);
  } catch (error) {
    throw fromSystemError(error, `set ${places.parameter}`);
  }
}

/** Somebody else's choice since then is left alone. */
function putBack(log: Pick<Log, 'info'>, places: HaltPollingPlaces): void {
  const record = readRecord(places);
  if (record !== undefined && record.found !== record.set && readParameter(places) === record.set) {
    writeFileSync(places.parameter, `${record.found}\n`);
    log.info({ nanoseconds: record.found }, 'CPUs halt as they did before');
  }
  rmSync(recordPath(places), { force: true });
}

function readParameter({ parameter }: HaltPollingPlaces): number {
  return Number(readFileSync(parameter, 'latin1'));
}

/** Undefined also for one that a crash left half-written: nothing was set then. */
function readRecord(places: HaltPollingPlaces): Found | undefined {
  try {
    const { found, set } = JSON.parse(readFileSync(recordPath(places), 'utf8')) as Partial<Found>;
    return Number.isSafeInteger(found) && Number.isSafeInteger(set) ? { found: found!, set: set! } : undefined;
  } catch {
    return undefined;
  }
}

function recordPath({ folder }: HaltPollingPlaces): string {
  return join(folder, 'found.json');
}

function usersPath({ folder }: HaltPollingPlaces): string {
  return join(folder, 'users');
}
