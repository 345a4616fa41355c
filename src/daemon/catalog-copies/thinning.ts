/** How many copies are kept: the newest of each of the last so many hours and days. */
const HOURS = 24;
const DAYS = 7;
const HOUR_SECONDS = 3600;
const DAY_SECONDS = 24 * HOUR_SECONDS;

/**
 * Those of the copies that are kept: the newest two, and the newest of each of the last 24 hours and of each of the last 7
 * days, by UTC. One that claims to come from the future counts as made now.
 * @param copies newest first; `madeAt` in seconds since 1970
 */
export function copiesToKeep<T extends { readonly madeAt: number }>(copies: readonly T[], nowSeconds: number): T[] {
  const kept = new Set<T>(copies.slice(0, 2));
  for (const [unit, most] of [
    [HOUR_SECONDS, HOURS],
    [DAY_SECONDS, DAYS],
  ] as const) {
    const seen = new Set<number>();
    for (const copy of copies) {
      const age = Math.floor(nowSeconds / unit) - Math.floor(Math.min(copy.madeAt, nowSeconds) / unit);
      if (age >= most || seen.has(age)) continue;
      seen.add(age);
      kept.add(copy);
    }
  }
  return copies.filter((copy) => kept.has(copy));
}
