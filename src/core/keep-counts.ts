import * as z from 'zod';

/** The rules of what prune keeps, in the order they are applied (pbs-format §8.3). */
export const KEEP_RULES = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;
export type KeepRule = (typeof KEEP_RULES)[number];

const count = z.int().min(0).max(1_000_000).optional();

/** How many snapshots (of `last`) or periods of time each rule keeps; absent or 0: the rule is off. */
export const keepCounts = z.strictObject({
  last: count,
  hourly: count,
  daily: count,
  weekly: count,
  monthly: count,
  yearly: count,
});
export type KeepCounts = Readonly<z.output<typeof keepCounts>>;

/** Whether any rule is on; without one everything is kept. */
export function keepsByRule(counts: KeepCounts): boolean {
  return KEEP_RULES.some((rule) => (counts[rule] ?? 0) > 0);
}
