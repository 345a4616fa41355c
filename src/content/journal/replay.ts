import type { Change } from '../../catalog/change.js';
import type { Extent } from '../../catalog/extent.js';
import { readFile, readRange } from '../../native/files.js';
import { listSegments } from './journal.js';
import {
  claimedSequence,
  type FoundRecord,
  findNextRecord,
  findRecord,
  placed,
  RECORD_FIXED_BYTES,
  tornChange,
} from './record.js';
import { segmentName } from './segment.js';

/** What replay acts on. */
export interface ReplayTarget {
  /** Sequence of the last change SQLite has. */
  readonly appliedSequence: number;
  /**
   * Applies one change; the same function as at run time.
   * @returns why it cannot be made, which is the change's own fault; undefined where it was made
   * @throws for trouble that says nothing about the change
   */
  apply(change: Change): string | undefined;
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
  /** Whether a whole record is what it stopped at: no power cut makes such a one. */
  readonly refused?: boolean;
  /** Whether it stopped at a torn record with nothing behind it: also what a process leaves that dies as it writes. */
  readonly tornEnd?: boolean;
}

/** Where a segment has bytes that are no whole record. */
interface TornPlace {
  readonly segment: number;
  /** What the torn record claims, or else the next whole one behind it; undefined where neither can be told. */
  readonly sequence: number | undefined;
  /** What the torn record seems to have been about. */
  readonly change: Change | undefined;
}

interface LocatedRecord {
  readonly segment: number;
  readonly record: FoundRecord;
}

/**
 * Applies the journal's changes that SQLite lacks, in order, up to the first record that is torn or, behind the
 * last barrier, names a chunk that does not verify: what counts is a consistent prefix (design §3). A record that
 * cannot be made or understood ends it, too: whoever asked for the change was told that it failed, and the store took
 * no other, so that the next mount has to come past it. Running it again changes nothing.
 */
export async function replay(folder: string, target: ReplayTarget): Promise<ReplayResult> {
  const segments = await segmentsToRead(folder, target.appliedSequence);
  const lastBarrier = await findLastBarrier(folder, segments);
  let lastSequence = target.appliedSequence;
  let applied = 0;
  let torn: TornPlace | undefined;
  const noteTorn = (place: TornPlace): void => {
    torn = place;
  };
  for await (const { segment, record } of records(folder, segments, noteTorn)) {
    torn = undefined;
    if (record.sequence <= lastSequence) continue;
    if (record.sequence !== lastSequence + 1) {
      const stoppedBy = `record ${lastSequence + 1} is missing: segment ${segment} goes on with ${record.sequence}`;
      return stopped(folder, segments, { lastSequence, applied, stoppedBy });
    }
    if (record.content.type !== 'barrier') {
      const obstacle = await applyRecord(target, { segment, record }, record.sequence > lastBarrier);
      if (obstacle !== undefined) return stopped(folder, segments, { lastSequence, applied, ...obstacle });
      applied += 1;
    }
    lastSequence = record.sequence;
  }
  if (torn === undefined) return { highestSequence: lastSequence, applied, dropped: [] };
  return stoppedByTorn(folder, segments, torn, { lastSequence, applied });
}

/** What a torn record was about is told as far as it can be read, with what lies behind it; not those that were told before. */
async function stoppedByTorn(
  folder: string,
  segments: readonly number[],
  { segment, sequence, change }: TornPlace,
  at: { lastSequence: number; applied: number },
): Promise<ReplayResult> {
  const { lastSequence, applied } = at;
  if (sequence !== undefined && sequence <= lastSequence) {
    return { highestSequence: lastSequence, applied, dropped: [] };
  }
  const stoppedBy = `record ${lastSequence + 1} in segment ${segment} is torn`;
  const result = await stopped(folder, segments, { ...at, stoppedBy });
  return {
    ...result,
    dropped: change === undefined ? result.dropped : [change, ...result.dropped],
    tornEnd: result.dropped.length === 0,
  };
}

/** Why replay goes no further. */
interface Obstacle {
  readonly stoppedBy: string;
  readonly refused: boolean;
}

async function applyRecord(
  target: ReplayTarget,
  { segment, record }: LocatedRecord,
  verify: boolean,
): Promise<Obstacle | undefined> {
  const { sequence, content } = record;
  if (content.type === 'barrier') return undefined;
  if (content.type === 'unreadable') {
    return { stoppedBy: `record ${sequence} cannot be understood: ${content.reason}`, refused: true };
  }
  const change = placed(content.change, segment, record.bodiesAt);
  const bad = verify ? await firstBadChunk(change, target) : undefined;
  if (bad !== undefined) {
    return { stoppedBy: `record ${sequence} names a chunk that does not verify: ${bad}`, refused: false };
  }
  const contradiction = target.apply(change);
  if (contradiction === undefined) return undefined;
  return { stoppedBy: `record ${sequence} contradicts the catalog: ${contradiction}`, refused: true };
}

async function stopped(
  folder: string,
  segments: readonly number[],
  at: { lastSequence: number; applied: number; stoppedBy: string; refused?: boolean },
): Promise<ReplayResult> {
  const dropped: Change[] = [];
  let highestSequence = at.lastSequence;
  for await (const { record } of recordsAndBehind(folder, segments)) {
    if (record.sequence <= at.lastSequence) continue;
    highestSequence = Math.max(highestSequence, record.sequence);
    if (record.content.type === 'change') dropped.push(record.content.change);
  }
  return { highestSequence, applied: at.applied, dropped, stoppedBy: at.stoppedBy, refused: at.refused === true };
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

/** @param onTorn told of each segment that goes on behind its last whole record */
async function* records(
  folder: string,
  segments: readonly number[],
  onTorn: (place: TornPlace) => void = () => undefined,
): AsyncGenerator<LocatedRecord> {
  for (const segment of segments) {
    const bytes = await readSegment(folder, segment);
    let offset = 0;
    for (let record = findRecord(bytes, 0); record !== undefined; record = findRecord(bytes, offset)) {
      yield { segment, record };
      offset = record.end;
    }
    if (offset < bytes.length) onTorn(tornPlace(segment, bytes, offset));
  }
}

function tornPlace(segment: number, bytes: Buffer, at: number): TornPlace {
  const sequence = claimedSequence(bytes.subarray(at)) ?? findNextRecord(bytes, at)?.sequence;
  return { segment, sequence, change: tornChange(bytes, at) };
}

/** Also those behind a torn place of their segment, to tell what is lost with them. */
async function* recordsAndBehind(folder: string, segments: readonly number[]): AsyncGenerator<LocatedRecord> {
  for (const segment of segments) {
    const bytes = await readSegment(folder, segment);
    let offset = 0;
    for (let record = findNextRecord(bytes, 0); record !== undefined; record = findNextRecord(bytes, offset)) {
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
