import assert from 'node:assert/strict';
import { headerBytesOf, parseShardHeader, writeShardHeader } from '../../../src/backend/erasure/shard-header.js';
import { piecesOf } from '../../../src/core/redundancy.js';
import { parsePoint, pinName, pointFolder } from '../../../src/daemon/recovery-points/recovery-point.js';
import { formatBucketNote, parseBucketNote } from '../../../src/datastore/bucket-note.js';
import type { DatastoreConfig } from '../../../src/datastore/config.js';
import { objectRecordPath } from '../../../src/index/object-files.js';
import { encodeObjectRecord, parseObjectRecord } from '../../../src/index/object-record.js';
import { crc64Sync } from '../../../src/native/erasure.js';
import { damaged, edge } from './damage.js';
import type { FuzzTarget } from './run.js';
import { otherJson } from './text-formats.js';

const ID = 'a/b';
const RECORD = {
  ...{ format: 1, id: ID, index: 'a+2Fb.0123456789abcdef.didx', bytes: 5, chunks: 1, etag: '0'.repeat(32) },
  ...{ sha256: 'a'.repeat(64), compression: 'zstd:3', created: '2026-11-20T10:00:00.000Z', deleted: null },
  metadata: { 'content-type': 'text/plain' },
};
const NOTE = {
  ...{ format: 1, uuid: '0b6d7c4e-9a1f-4c3e-8d52-6f1a2b3c4d5e', created: '2026-11-20T10:00:00Z' },
  ...{ prefixDigits: 2, verifyNew: false },
};
const STORED = { parts: ['catalog-0', 'catalog-1'], bytes: 9 };
const POINT = {
  ...{ format: 1, machine: '0b6d7c4e9a1f4c3e', host: 'web1', madeAt: 1_795_000_000 },
  ...{ appliedSequence: 7, catalog: STORED, journal: [{ ...STORED, segment: 1 }], pin: 'pins/a/b.didx', settings: {} },
};

function useRecord(text: Buffer): void {
  const path = objectRecordPath(ID);
  const record = parseObjectRecord(path, text);
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  const { indexPath } = record;
  if (indexPath !== undefined) {
    assert.ok(indexPath.startsWith(folder) && !/[/\0]/.test(indexPath.slice(folder.length)), indexPath);
  }
  assert.deepEqual(parseObjectRecord(path, encodeObjectRecord(record)), record);
}

function useNote(text: Buffer): void {
  const note = parseBucketNote(text, 'a bucket');
  assert.deepEqual(parseBucketNote(formatBucketNote(note as DatastoreConfig), 'a bucket'), note);
}

function usePoint(text: Buffer): void {
  const point = parsePoint(text);
  assert.ok(!pointFolder(point).split('/').includes('..') && !pinName(point).split('/').includes('..'));
}

/** What Cairn writes as JSON beside the chunks, in an object store and for objects. */
const bucketFiles: FuzzTarget = {
  name: 'bucket-files',
  refusals: ['corrupt', 'unsupported'],
  make(random) {
    const [value, use] = random.pick([
      [RECORD, useRecord],
      [NOTE, useNote],
      [POINT, usePoint],
    ] as [unknown, (text: Buffer) => void][]);
    const { text, repaired } = otherJson(random, value);
    return { repaired, input: text, feed: () => use(text) };
  },
};

const SHARD = {
  ...{ redundancy: { data: 4, parity: 2 }, index: 3, objectBytes: 1001, objectCrc: 5n, shardBytes: 251, shardCrc: 6n },
  ...{ generation: 1_795_000_000_000_000, name: '.chunks/a948/a948904f2f0f479b8f8197694b30184b' },
};
const COUNT_FIELDS = [16, 24, 32];
const BYTE_FIELDS = [9, 10, 11];
const CRC_BYTES = 8;

/** Headers of pieces of objects; repaired, their CRC-64 fits. */
const shardHeaders: FuzzTarget = {
  name: 'shard-header',
  refusals: ['corrupt', 'unsupported'],
  outerRefusal: /header is damaged|begin as one/,
  make(random) {
    const whole = Buffer.alloc(headerBytesOf(SHARD.name));
    writeShardHeader(SHARD, whole);
    const repaired = random.below(3) > 0;
    if (repaired) {
      for (let left = random.between(0, 2); left > 0; left -= 1) {
        if (random.below(2) === 0) whole.writeBigUInt64LE(edge(random), random.pick(COUNT_FIELDS));
        else whole[random.pick(BYTE_FIELDS)] = random.pick([0, 1, 2, 254, 255, random.below(256)]);
      }
      const end = whole.length - CRC_BYTES;
      whole.writeBigUInt64LE(crc64Sync(whole.subarray(0, end)), end);
    }
    const input = repaired ? whole : damaged(random, whole);
    const feed = () => {
      const { redundancy, index, objectBytes, shardBytes, generation } = parseShardHeader(input);
      assert.ok(index < piecesOf(redundancy) && piecesOf(redundancy) <= 255);
      for (const count of [objectBytes, shardBytes, generation]) assert.ok(Number.isSafeInteger(count), `${count}`);
    };
    return { repaired, input, feed };
  },
};

export const BUCKET_FORMATS: readonly FuzzTarget[] = [bucketFiles, shardHeaders];
