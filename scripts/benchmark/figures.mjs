// Arithmetic on figures of several rounds.

const sorted = (values) => [...values].sort((a, b) => a - b);

/** The middle value; of an even number of values the mean of the two in the middle. */
export function median(values) {
  const ordered = sorted(values);
  const middle = ordered.length >> 1;
  return ordered.length % 2 === 1 ? ordered[middle] : (ordered[middle - 1] + ordered[middle]) / 2;
}

/** A number for a table: the smaller it is, the more digits behind the point. */
export function shown(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 || size === 0 ? 2 : 4);
}

/** `min – median – max`, or the one value there is; empty without any. */
export function spread(values) {
  if (values.length === 0) return '';
  if (values.length === 1) return shown(values[0]);
  return [Math.min(...values), median(values), Math.max(...values)].map(shown).join(' – ');
}

/**
 * Ratios round by round, so that a change of the machine's speed between rounds cancels out.
 * @param ours, theirs values by number of round; rounds that one of them lacks are left out
 */
export function ratios(ours, theirs) {
  const both = [...ours].filter(([round, value]) => theirs.get(round) > 0 && Number.isFinite(value));
  return both.map(([round, value]) => value / theirs.get(round));
}

/** What a bar says of a median: `(within 0.55)` or `(**over** 0.55)`; of a bar that wants more, `(**below** 0.85)`. */
export function verdict(value, bar) {
  if (bar.atMost !== undefined) return value <= bar.atMost ? `(within ${bar.atMost})` : `(**over** ${bar.atMost})`;
  return value >= bar.atLeast ? `(within ${bar.atLeast})` : `(**below** ${bar.atLeast})`;
}
