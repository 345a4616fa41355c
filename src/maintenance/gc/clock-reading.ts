/** The machine's two clocks at one moment. */
export interface ClockReading {
  /** Which run of the machine it was: the clock of its uptime begins with it. */
  readonly bootId: string;
  /** How long the machine had been up; nobody can set that. */
  readonly upSeconds: number;
  /** Seconds since 1970, as they were set at that moment. */
  readonly wallSeconds: number;
}

/** What NTP may correct, or an uptime be inexact. */
const TOLERATED_SECONDS = 60;

/**
 * Whether the wall clock was set between two readings. It cannot be told across a restart of the machine.
 * @param before undefined: there is none
 */
export function clockWasSet(before: ClockReading | undefined, now: ClockReading): boolean {
  if (before === undefined || before.bootId !== now.bootId) return false;
  const passed = now.upSeconds - before.upSeconds;
  return Math.abs(now.wallSeconds - before.wallSeconds - passed) > TOLERATED_SECONDS;
}
