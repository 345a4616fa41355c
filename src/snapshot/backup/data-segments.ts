import type { Cutter } from '../../native/chunker.js';
import type { SourceFile } from '../../native/source.js';

/** A hole below this is read as zeros. */
const LEAST_HOLE_BYTES = 64 * 1024;
/** Runs of data asked for in one go. */
const RANGES_AT_ONCE = 1024;

/** [start, end) of a file, to be cut by itself. */
export interface DataSegment {
  readonly start: number;
  readonly end: number;
}

/**
 * The runs of data of a file's first `size` bytes, small holes included. Where chunks are of one length they begin at its
 * multiples, whatever holes there are: a run that does not is given in two parts.
 */
export async function* dataSegments(file: SourceFile, size: number, cutter: Cutter): AsyncGenerator<DataSegment> {
  const grid = cutter.kind === 'fixed' ? cutter.chunkBytes : 1;
  let run: DataSegment | undefined;
  for (let at = 0; at < size; ) {
    const { searched, ranges } = await file.dataRanges(at, size, RANGES_AT_ONCE);
    for (let i = 0; i < ranges.length; i += 2) {
      const [start, end] = [ranges[i] as number, ranges[i + 1] as number];
      if (run !== undefined && start - run.end < LEAST_HOLE_BYTES) run = { start: run.start, end };
      else {
        if (run !== undefined) yield* onGrid(run, grid);
        run = { start, end };
      }
    }
    at = searched;
  }
  if (run === undefined) return;
  if (size - run.end < LEAST_HOLE_BYTES) run = { start: run.start, end: size };
  yield* onGrid(run, grid);
}

function* onGrid({ start, end }: DataSegment, grid: number): Generator<DataSegment> {
  const aligned = Math.ceil(start / grid) * grid;
  if (aligned === start || aligned >= end) yield { start, end };
  else {
    yield { start, end: aligned };
    yield { start: aligned, end };
  }
}
