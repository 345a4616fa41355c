/** Bytes that extents hold, and how many of them lie in the journal. */
export interface ExtentBytes {
  readonly bytes: number;
  readonly journalBytes: number;
}

/** A list and what it holds. */
export interface ExtentList extends ExtentBytes {
  readonly list: number;
}

/** Behind the last byte a file can have. */
export const LIST_END = Number.MAX_SAFE_INTEGER;

/** Rows one request may touch (design §3). */
export const MAX_LIST_ROWS = 1000;
