import { KEEP_RULES, type KeepCounts, type KeepRule, keepsByRule } from '../../core/keep-counts.js';

/** A snapshot as far as retention goes. */
export interface RetentionSnapshot {
  /** Epoch seconds. */
  readonly time: number;
  readonly isFinished: boolean;
  readonly isProtected: boolean;
}

/** Why a snapshot is kept: by a rule, `protected`, `partial` (perhaps still being made) or because no rule was given. */
export type KeepReason = KeepRule | 'protected' | 'partial' | 'no rule';

/** Why it goes: broken off, a newer one stands for the same period of a rule, or no rule reaches it. */
export type RemoveReason = 'unfinished' | `same period as a ${KeepRule} one` | 'not covered';

/** What becomes of a snapshot. */
export type Verdict =
  | { readonly keep: true; readonly reason: KeepReason }
  | { readonly keep: false; readonly reason: RemoveReason };

/**
 * Says what becomes of the snapshots of one group, exactly as PBS does (pbs-format §8.3). Periods are those of this
 * machine's time zone.
 * @param snapshots in any order, no two of one time
 * @returns one verdict each, newest first
 */
export function judge<T extends RetentionSnapshot>(
  snapshots: readonly T[],
  counts: KeepCounts,
): { readonly snapshot: T; readonly verdict: Verdict }[] {
  const newestFirst = [...snapshots].sort((a, b) => b.time - a.time);
  const verdicts = new Map<T, Verdict>();
  if (keepsByRule(counts)) {
    judgeUnfinished(newestFirst, verdicts);
    for (const rule of KEEP_RULES) applyRule(newestFirst, verdicts, rule, counts[rule] ?? 0);
  }
  const otherwise: Verdict = keepsByRule(counts)
    ? { keep: false, reason: 'not covered' }
    : { keep: true, reason: 'no rule' };
  return newestFirst.map((snapshot) => ({
    snapshot,
    verdict: finalVerdict(snapshot, verdicts.get(snapshot) ?? otherwise),
  }));
}

/** Protected ones stay, whatever the rules say. */
function finalVerdict({ isProtected }: RetentionSnapshot, verdict: Verdict): Verdict {
  return isProtected && !verdict.keep ? { keep: true, reason: 'protected' } : verdict;
}

/** The newest of all may still be under way; others without a manifest came to nothing. */
function judgeUnfinished<T extends RetentionSnapshot>(newestFirst: readonly T[], verdicts: Map<T, Verdict>): void {
  newestFirst.forEach((snapshot, index) => {
    if (snapshot.isFinished) return;
    verdicts.set(snapshot, index === 0 ? { keep: true, reason: 'partial' } : { keep: false, reason: 'unfinished' });
  });
}

/** One rule: the newest snapshot of each of the `count` newest periods that no rule before it covers. */
function applyRule<T extends RetentionSnapshot>(
  newestFirst: readonly T[],
  verdicts: Map<T, Verdict>,
  rule: KeepRule,
  count: number,
): void {
  if (count <= 0) return;
  const covered = new Set(
    newestFirst.filter((it) => isKeptByRule(verdicts.get(it))).map((it) => period(it.time, rule)),
  );
  const selected = new Set<string>();
  for (const snapshot of newestFirst) {
    if (verdicts.has(snapshot)) continue;
    if (snapshot.isProtected) {
      verdicts.set(snapshot, { keep: true, reason: 'protected' });
      continue;
    }
    const id = period(snapshot.time, rule);
    if (covered.has(id)) continue;
    if (selected.has(id)) {
      verdicts.set(snapshot, { keep: false, reason: `same period as a ${rule} one` });
      continue;
    }
    if (selected.size >= count) return;
    selected.add(id);
    verdicts.set(snapshot, { keep: true, reason: rule });
  }
}

/** Only what a rule keeps covers its period: a protected or partial snapshot does not. */
function isKeptByRule(verdict: Verdict | undefined): boolean {
  return verdict?.keep === true && verdict.reason !== 'protected' && verdict.reason !== 'partial';
}

/** The id of the period a time falls into, in this machine's time zone. */
function period(time: number, rule: KeepRule): string {
  const date = new Date(time * 1000);
  const [year, month, day] = [date.getFullYear(), date.getMonth() + 1, date.getDate()];
  switch (rule) {
    case 'last':
      return String(time);
    case 'hourly':
      return `${year}/${month}/${day}/${date.getHours()}`;
    case 'daily':
      return `${year}/${month}/${day}`;
    case 'weekly':
      return isoWeek(year, month, day);
    case 'monthly':
      return `${year}/${month}`;
    case 'yearly':
      return String(year);
  }
}

const DAY_MS = 86_400_000;

/** ISO 8601 year and week of a date: the week belongs to the year its Thursday is in. */
function isoWeek(year: number, month: number, day: number): string {
  const midnight = Date.UTC(year, month - 1, day);
  const fromMonday = (new Date(midnight).getUTCDay() + 6) % 7;
  const thursday = new Date(midnight + (3 - fromMonday) * DAY_MS);
  const firstOfYear = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  return `${thursday.getUTCFullYear()}/${Math.floor((thursday.getTime() - firstOfYear) / DAY_MS / 7) + 1}`;
}
