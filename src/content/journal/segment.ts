/** Segments are closed at this size, bytes; a record is never split, so one huge record may exceed it. */
export const SEGMENT_BYTES = 64 * 1024 * 1024;

/** A segment's file name: its number in decimal. A segment is records and nothing else. */
export function segmentName(segment: number): string {
  return String(segment);
}

/** The number a file name in the journal folder stands for, or undefined where it is no segment's. */
export function segmentOfName(name: string): number | undefined {
  return /^[1-9][0-9]{0,14}$/.test(name) ? Number(name) : undefined;
}
