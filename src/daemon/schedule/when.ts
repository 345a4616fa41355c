import { createHash } from 'node:crypto';
import { Cron } from 'croner';
import { CairnError } from '../../core/errors.js';

/** Never by itself. */
export const NEVER = 'never';
/** After each snapshot, for its group. */
export const AFTER_SNAPSHOT = 'after-snapshot';

/** What may be said in place of a cron pattern. */
const NAMED: Readonly<Record<string, string>> = {
  hourly: '0 * * * *',
  daily: '0 3 * * *',
  weekly: '0 3 * * 0',
  monthly: '0 3 1 * *',
};
const MOST_JITTER_MS = 30 * 60 * 1000;

/** @throws {CairnError} `invalid` for what is no time of this job */
export function checkWhen(job: string, when: string): void {
  if (when === NEVER || (when === AFTER_SNAPSHOT && job === 'prune')) return;
  try {
    if (patternOf(when).nextRun() !== null) return;
  } catch {
    // Said below.
  }
  const others = job === 'prune' ? `, ${AFTER_SNAPSHOT}` : '';
  const names = `${Object.keys(NAMED).join(', ')}, ${NEVER}${others}`;
  throw new CairnError(
    'invalid',
    `Not a time: ${JSON.stringify(when)}; wanted is one of ${names}, or five cron fields such as "30 3 * * *"`,
  );
}

/** The first time behind `afterMs` (epoch milliseconds); undefined where none is set. In this machine's time zone. */
export function nextTime(when: string, afterMs: number): number | undefined {
  if (when === NEVER || when === AFTER_SNAPSHOT) return undefined;
  return patternOf(when).nextRun(new Date(afterMs))?.getTime();
}

/**
 * How much later a job runs than its time says, so that not all machines begin at once: the same for each run, at most half
 * an hour and a tenth of the time between two runs.
 * @param seed differs from store to store
 */
export function jitterMs(seed: string, when: string, afterMs: number): number {
  const first = nextTime(when, afterMs);
  const second = first === undefined ? undefined : nextTime(when, first);
  if (first === undefined || second === undefined) return 0;
  const fraction = createHash('sha256').update(seed).digest().readUInt32LE(0) / 2 ** 32;
  return Math.floor(Math.min(MOST_JITTER_MS, (second - first) / 10) * fraction);
}

function patternOf(when: string): Cron {
  return new Cron(NAMED[when] ?? when, { paused: true, mode: '5-part' });
}
