/** A point in time as `struct timespec` has it: whole seconds since 1970 (may be negative) and 0…999,999,999 ns. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** Where the time comes from; tests pass their own. */
export interface Clock {
  now(): Timestamp;
}

/** The wall clock, with the microseconds `performance.timeOrigin` gives. */
export const systemClock: Clock = {
  now(): Timestamp {
    const milliseconds = performance.timeOrigin + performance.now();
    const seconds = Math.floor(milliseconds / 1000);
    return { seconds, nanoseconds: Math.floor((milliseconds - seconds * 1000) * 1000) * 1000 };
  },
};
