import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { RoaringBitmap32 } from 'roaring-wasm';
import { ChunkSet, decodeSet, encodeSet, setChecksum } from '../../../src/catalog/chunk-set.js';
import type { Catalog } from '../../../src/catalog/open.js';
import { ByteWriter } from '../../../src/content/journal/byte-writer.js';
import {
  findNextRecord,
  findRecord,
  RECORD_FIXED_BYTES,
  tornChange,
  writeRecord,
} from '../../../src/content/journal/record.js';
import { crc32 } from '../../../src/native/hash.js';
import { anyChange } from '../any-change.js';
import type { Random } from '../random.js';
import { damaged } from './damage.js';
import type { FuzzTarget } from './run.js';

const CHANGES = fc.sample(anyChange, { seed: 5, numRuns: 600 });
const CRC_AT = 4;
const CHECKED_FROM = 8;

/** A record with bodies behind it, as a segment has it. */
function wholeRecord(random: Random, sequence: number): Buffer {
  const bodies = random.bytes(random.below(60));
  const writer = new ByteWriter();
  const isBarrier = random.below(8) === 0;
  const content = isBarrier
    ? ({ type: 'barrier', upTo: sequence } as const)
    : ({ type: 'change', change: random.pick(CHANGES) } as const);
  writeRecord(writer, sequence, bodies.length, content);
  return withCrc(Buffer.concat([writer.view(), bodies]));
}

function withCrc(record: Buffer): Buffer {
  record.writeUInt32LE(crc32(record.subarray(CHECKED_FROM)), CRC_AT);
  return record;
}

/** What a record says is changed; lengths and CRC say that this is how it was written. */
function repairedRecord(random: Random, record: Buffer): Buffer {
  const headerBytes = record.readUInt32LE(8);
  const change = damaged(random, record.subarray(RECORD_FIXED_BYTES - 1, headerBytes));
  const repaired = Buffer.concat([record.subarray(0, RECORD_FIXED_BYTES - 1), change, record.subarray(headerBytes)]);
  repaired.writeUInt32LE(Math.max(RECORD_FIXED_BYTES, RECORD_FIXED_BYTES - 1 + change.length), 8);
  return withCrc(repaired);
}

interface Segment {
  readonly bytes: Buffer;
  readonly repaired: boolean;
}

function segment(random: Random): Segment {
  const records = Array.from({ length: random.between(1, 4) }, (_, i) => wholeRecord(random, i + 1));
  const repaired = random.below(3) > 0;
  if (!repaired) return { repaired, bytes: damaged(random, Buffer.concat(records)) };
  const at = random.below(records.length);
  records[at] = repairedRecord(random, records[at] as Buffer);
  return { repaired, bytes: Buffer.concat(records) };
}

/** Segments as replay reads them. */
const segments: FuzzTarget = {
  name: 'journal',
  refusals: ['corrupt', 'invalid'],
  make(random) {
    const { bytes, repaired } = segment(random);
    const feed = () => {
      let at = 0;
      for (let found = findRecord(bytes, 0); found !== undefined; found = findRecord(bytes, at)) at = found.end;
      // What is torn there, and what lies behind it, is told.
      tornChange(bytes, at);
      for (let found = findNextRecord(bytes, at); found !== undefined; found = findNextRecord(bytes, at))
        at = found.end;
    };
    return { repaired, input: bytes, feed };
  },
};

/** The changes of segments, applied to a catalog that knows none of what they are about. */
export function journalOn(catalog: Catalog): FuzzTarget {
  return {
    name: 'journal-applied',
    refusals: ['corrupt', 'invalid', 'out-of-range', 'exists', 'not-empty', 'not-found', 'too-large'],
    make(random) {
      const { bytes, repaired } = segment(random);
      const feed = () => {
        let at = 0;
        try {
          for (let found = findRecord(bytes, 0); found !== undefined; found = findRecord(bytes, at)) {
            at = found.end;
            if (found.content.type === 'change') catalog.apply(found.content.change);
          }
        } finally {
          catalog.transactions.rollback();
          catalog.transactions.begin();
        }
      };
      return { repaired, input: bytes, feed };
    },
  };
}

/** Sets of chunks as the catalog keeps them; repaired, the checksum is that of the damaged bytes. */
const sets: FuzzTarget = {
  name: 'chunk-set',
  refusals: ['corrupt'],
  make(random) {
    const header = random.bytes(96);
    const ids = Array.from({ length: random.below(300) }, () => random.below(random.pick([100, 70_000, 2 ** 32])));
    const whole = new ChunkSet(new RoaringBitmap32(ids));
    if (random.below(3) === 0) whole.addAll(new ChunkSet(RoaringBitmap32.fromRange(random.below(1000), 70_000)));
    const encoded = Buffer.from(encodeSet(whole));
    whole.dispose();
    const checksum = setChecksum(header, encoded);
    const input = random.below(8) === 0 ? encoded : damaged(random, encoded);
    const repaired = random.below(3) > 0;
    const feed = () => {
      const set = decodeSet(header, input, repaired ? setChecksum(header, input) : checksum);
      if (set === undefined) return;
      // Where the checksum vouches for damaged bytes the set may be any; reckoning with it must come to an end.
      const other = set.clone();
      other.removeAll(set);
      other.addAll(set);
      if (input === encoded) assert.ok(other.equals(set));
      for (const each of [other, set]) each.dispose();
    };
    return { repaired, input, feed };
  },
};

export const JOURNAL_FORMATS: readonly FuzzTarget[] = [segments, sets];
