import { CairnError } from '../core/errors.js';
import type { Log } from '../core/log.js';

const TOLD_EVERY_SECONDS = 15;
const GIVEN_UP_AFTER_SECONDS = 300;

/**
 * Waits for a part of the mount that was told to end, and says so where that takes long. The mount has gone by then and what was
 * acknowledged is in the journal: so a part that never ends is no reason for the daemon to stay.
 * @param what e.g. `a collection`
 * @throws {CairnError} `io` when it was waited for in vain; what `end` fails with
 */
export async function awaitEnd(what: string, end: Promise<unknown> | undefined, log: Log): Promise<void> {
  let seconds = 0;
  let ticking: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    ticking = setInterval(() => {
      seconds += TOLD_EVERY_SECONDS;
      if (seconds < GIVEN_UP_AFTER_SECONDS) log.warn({ seconds }, `The end of the mount waits for ${what}`);
      else reject(new CairnError('io', `Waited ${seconds} s in vain for ${what} to end; the next mount loses nothing`));
    }, TOLD_EVERY_SECONDS * 1000);
  });
  try {
    await Promise.race([end, late]);
  } finally {
    clearInterval(ticking);
  }
}
