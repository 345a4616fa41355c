import type { Change } from '../../catalog/change.js';
import type { Extent } from '../../catalog/extent.js';
import { CairnError } from '../../core/errors.js';
import { readFile, readRange } from '../../native/files.js';
import { listSegments } from './journal.js';
import { claimedSequence, type FoundRecord, findRecord, placed, RECORD_FIXED_BYTES } from './record.js';
import { segmentName } from './segment.js';

/** What replay acts on. */
export interface ReplayTarget {
  /** Sequence of the last change SQLite has. */
  readonly appliedSequence: number;
  /** Applies one change; the same function as at run time. @throws {CairnError} `corrupt` where it makes no sense */
  apply(change: Change): void;
  /** Whether the chunk is there and decodes to its digest. @throws for any other trouble than absent or corrupt */
  verifyChunk(extent: Extent & { kind: 'chunk' }): Promise<boolean>;
}

/** How a replay ended. */
export interface ReplayResult {
  /**
   * The highest sequence found. SQLite is to be committed with it before anything is appended: what was dropped is
   * below it and never looked at again.
   */
  readonly highestSequence: number;
  readonly applied: number;
  /** Changes behind the place where it stopped, and why it did; none and undefined when it reached the end. */
  readonly dropped: readonly Change[];
  readonly stoppedBy?: string;
}

interface LocatedRecord {
  readonly segment: number;
  readonly record: FoundRecord;
}

/**
 * Applies the journal's changes that SQLite lacks, in order, up to the first record that is torn or, behind the
 * last barrier, names a chunk that does not verify: what counts is a consistent prefix (design §3).
 * Running it again changes nothing.
 */
export async function replay(folder: string, target: ReplayTarget): Promise<ReplayResult> {
  const segments = await segmentsToRead(folder, target.appliedSequence);
  const lastBarrier = await findLastBarrier(folder, segments);
  let lastSequence = target.appliedSequence;
  let applied = 0;
  for await (const { segment, record } of records(folder, segments)) {
    if (record.sequence <= lastSequence) continue;
    if (record.sequence !== lastSequence + 1) {
      const stoppedBy = `record ${lastSequence + 1} is missing: segment ${segment} goes on with ${record.sequence}`;
      return stopped(folder, segments, { lastSequence, applied, stoppedBy });
    }
    if (record.content.type === 'change') {
      const change = placed(record.content.change, segment, record.bodiesAt);
      const bad = record.sequence > lastBarrier ? await firstBadChunk(change, target) : undefined;
      if (bad !== undefined) {
        const stoppedBy = `record ${record.sequence} names a chunk that does not verify: ${bad}`;
        return stopped(folder, segments, { lastSequence, applied, stoppedBy });
      }
      const contradiction = applyOrSay(target, change);
      if (contradiction !== undefined) {
        const stoppedBy = `record ${record.sequence} contradicts the catalog: ${contradiction}`;
        return stopped(folder, segments, { lastSequence, applied, stoppedBy });
      }
      applied += 1;
    }
    lastSequence = record.sequence;
  }
  return { highestSequence: lastSequence, applied, dropped: [] };
}

/**
 * Applies the change. @returns why it cannot be, where it makes no sense: nobody was told that it was made, and nothing
 * came after it, for the store then turned read-only
 */
function applyOrSay(target: ReplayTarget, change: Change): string | undefined {
  try {
    target.apply(change);
    return undefined;
  } catch (error) {
    if (error instanceof CairnError && error.kind === 'corrupt') return error.message;
    throw error;
  }
}

async function stopped(
  folder: string,
  segments: readonly number[],
  at: { lastSequence: number; applied: number; stoppedBy: string },
): Promise<ReplayResult> {
  const dropped: Change[] = [];
  let highestSequence = at.lastSequence;
  for await (const { record } of records(folder, segments)) {
    if (record.sequence <= at.lastSequence) continue;
    highestSequence = Math.max(highestSequence, record.sequence);
    if (record.content.type === 'change') dropped.push(record.content.change);
  }
  return { highestSequence, applied: at.applied, dropped, stoppedBy: at.stoppedBy };
}

/** Leaves out the segments whose records SQLite has all: those before the last one that starts at or below the next. */
async function segmentsToRead(folder: string, appliedSequence: number): Promise<number[]> {
  const all = await listSegments(folder);
  let first = 0;
  for (let i = 1; i < all.length; i++) {
    const path = `${folder}/${segmentName(all[i] as number)}`;
    const start = claimedSequence(await readRange(path, 0, RECORD_FIXED_BYTES));
    if (start === undefined || start > appliedSequence + 1) break;
    first = i;
  }
  return all.slice(first);
}

async function findLastBarrier(folder: string, segments: readonly number[]): Promise<number> {
  let last = 0;
  for await (const { record } of records(folder, segments)) {
    if (record.content.type === 'barrier') last = Math.max(last, record.content.upTo);
  }
  return last;
}

async function* records(folder: string, segments: readonly number[]): AsyncGenerator<LocatedRecord> {
  for (const segment of segments) {
    const bytes = await readSegment(folder, segment);
    let offset = 0;
    for (let record = findRecord(bytes, 0); record !== undefined; record = findRecord(bytes, offset)) {
      yield { segment, record };
      offset = record.end;
    }
  }
}

async function readSegment(folder: string, segment: number): Promise<Buffer> {
  return readFile(`${folder}/${segmentName(segment)}`);
}

async function firstBadChunk(change: Change, target: ReplayTarget): Promise<string | undefined> {
  if (change.kind !== 'content') return undefined;
  for (const extent of change.extents) {
    if (extent.kind !== 'chunk') continue;
    const good = await target.verifyChunk(extent);
    if (!good) return Buffer.from(extent.digest).toString('hex');
  }
  return undefined;
}
