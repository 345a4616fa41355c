/** A half-open range of bytes: `start` is in it, `end` is not. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The bytes both ranges have, or undefined where they share none. */
export function intersection(a: ByteRange, b: ByteRange): ByteRange | undefined {
  const start = Math.max(a.start, b.start);
  const end = Math.min(a.end, b.end);
  return start < end ? { start, end } : undefined;
}
