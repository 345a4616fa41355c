import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { AttributesReader } from '../../src/archive/attributes-reader.js';
import type { AttributeRecord } from '../../src/archive/attributes-record.js';
import { type AttributesSummary, AttributesWriter } from '../../src/archive/attributes-writer.js';
import { kindOf } from '../../src/core/errors.js';

function written(records: readonly AttributeRecord[]): { stream: Buffer; summary: AttributesSummary } {
  const pieces: Uint8Array[] = [];
  const writer = new AttributesWriter((bytes) => pieces.push(bytes));
  for (const record of records) writer.add(record, hashOf(record));
  const summary = writer.finish();
  return { stream: Buffer.concat(pieces), summary };
}

/** Stands for the hash of the entry's name: the same for the same ctime. */
function hashOf({ ctime }: AttributeRecord): number {
  return createHash('sha256').update(`${ctime?.seconds}.${ctime?.nanoseconds}`).digest().readUInt32LE();
}

function open(stream: Buffer): AttributesReader {
  const read = (offset: number, length: number): Buffer => stream.subarray(offset, offset + length);
  const reader = AttributesReader.open({ read, size: stream.length });
  assert.ok(reader instanceof AttributesReader);
  return reader;
}

const time = fc.record(
  { seconds: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), nanoseconds: fc.nat(999_999_999) },
  { noNullPrototype: true },
);
const bytes = fc.uint8Array({ maxLength: 300 });

const body = fc.record(
  {
    nlink: fc.nat(70_000),
    ctime: time,
    btime: time,
    atime: time,
    back: fc.nat(1000),
    sameBack: fc.nat(1000),
    nameLength: fc.integer({ min: 1, max: 255 }),
    xattrs: fc.array(fc.record({ name: bytes, value: bytes }, { noNullPrototype: true }), { maxLength: 3 }),
    holes: fc.array(fc.tuple(fc.nat(2 ** 40), fc.integer({ min: 1, max: 2 ** 40 })), { maxLength: 4 }),
  },
  { requiredKeys: ['nlink', 'nameLength', 'xattrs', 'holes'], noNullPrototype: true },
);

const records: fc.Arbitrary<AttributeRecord[]> = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 10_000 }), body), { maxLength: 400 })
  .map((list) => {
    let entryPosition = 0;
    return list.map(([distance, { back, sameBack, nameLength, holes, ...rest }]) => {
      entryPosition += distance;
      let end = 0;
      return {
        ...rest,
        entryPosition,
        holes: holes.map(([gap, length]) => {
          const start = end + gap;
          end = start + length;
          return { start, end };
        }),
        ...(back !== undefined && { folder: { parent: Math.max(0, entryPosition - back - 1), nameLength } }),
        ...(sameBack !== undefined && { sameAs: Math.max(0, entryPosition - sameBack - 1) }),
      };
    });
  });

test('any records are found again, and nothing else', () => {
  fc.assert(
    fc.property(records, (list) => {
      const { stream, summary } = written(list);
      const reader = open(stream);
      assert.equal(reader.recordCount, list.length);
      assert.equal(summary.size, stream.length);
      const known = new Set(list.map(({ entryPosition }) => entryPosition));
      for (const record of list) {
        assert.deepEqual(reader.record(record.entryPosition), record);
        for (const near of [record.entryPosition - 1, record.entryPosition + 1]) {
          if (!known.has(near)) assert.equal(reader.record(near), undefined);
        }
      }
    }),
    { seed: 31, numRuns: 100 },
  );
});

test('a stream without records is empty and readable', () => {
  const { stream } = written([]);
  assert.equal(stream.length, 40);
  assert.equal(open(stream).record(0), undefined);
});

const simple = (entryPosition: number, id: number): AttributeRecord => ({
  entryPosition,
  nlink: 1,
  ctime: { seconds: 1_700_000_000 + id, nanoseconds: id },
  xattrs: [],
  holes: [],
});

/** The stream the README works through. */
const EXAMPLE = [
  '24d8d7633375d53a',
  `02${'0004'}b0010d`,
  '03030202',
  'c0010361' + '2e620176' + '0180208020',
  '1817',
  '0200000000000000' + '0100000000000000' + '0200000000000000' + '24d8d7633375d53a',
].join('');

test('the worked example of the README comes out to the byte', () => {
  const { stream } = written([
    { entryPosition: 24, nlink: 3, ctime: { seconds: 1, nanoseconds: 2 }, xattrs: [], holes: [] },
    {
      entryPosition: 200,
      nlink: 1,
      xattrs: [{ name: Buffer.from('a.b'), value: Buffer.from('v') }],
      holes: [{ start: 4096, end: 8192 }],
    },
  ]);
  assert.equal(stream.toString('hex'), EXAMPLE);
});

test('each thing that can be wrong in a stream is found', () => {
  const damages: [what: string, at: number, bytes: string][] = [
    ['magic', 0, '00'],
    ['magic of the tail', 64, '00'],
    ['length of the index', 33, '03'],
    ['number of pages', 41, '02'],
    ['number of records below that of pages', 49, '00'],
    ['length of the page', 32, '16'],
    ['number of records of the page 0', 8, '00'],
    ['number of records of the page too large', 8, '7f'],
    ['first record not at the page', 9, '01'],
    ['two records at one position', 11, '8000'],
    ['records that do not fill the page', 13, '0c'],
    ['record shorter than announced', 14, '00'],
    ['record longer than announced', 14, '07'],
    ['time of a billion nanoseconds', 14, '0280ffff7f'],
    ['parent that is no earlier entry', 14, '100001' + '00'],
    ['same inode as no earlier entry', 14, '21018000'],
    ['parent before the stream', 14, '10197f00'],
    ['more extended attributes than bytes', 19, '7f'],
    ['name longer than the record', 20, '7f'],
    ['hole of no length', 29, '8000'],
  ];
  for (const [what, at, bytes] of damages) {
    const stream = Buffer.from(EXAMPLE, 'hex');
    stream.write(bytes, at, 'hex');
    const readBoth = (): void => {
      const reader = open(stream);
      reader.record(24);
      reader.record(200);
    };
    assert.throws(readBoth, { name: 'CairnError', kind: 'corrupt' }, what);
  }
  const gap = Buffer.from(EXAMPLE.replace('1817', '001817'), 'hex');
  assert.throws(() => open(gap), { kind: 'corrupt' });
});

test('entries that come and go elsewhere leave pages as they were', () => {
  const many = Array.from({ length: 20_000 }, (_, i) => i);
  const pagesOf = (ids: readonly number[], shift: number): Set<string> => {
    const { stream, summary } = written(ids.map((id, i) => simple(shift + 120 * (i + 1), id)));
    assert.ok(Math.abs(summary.pages - ids.length / 64) < ids.length / 640, String(summary.pages));
    return pageDigests(stream, summary.pages);
  };
  const before = pagesOf(many, 0);
  const after = pagesOf([50_000, ...many.slice(0, 9000), ...many.slice(9003)], 7777);
  const fresh = [...after].filter((digest) => !before.has(digest));
  assert.ok(fresh.length <= 4, `${fresh.length} pages are new`);
});

/** Digests of the pages, by what the README says of index and tail. */
function pageDigests(stream: Buffer, pages: number): Set<string> {
  const indexBytes = Number(stream.readBigUInt64LE(stream.length - 32));
  assert.equal(Number(stream.readBigUInt64LE(stream.length - 24)), pages);
  let at = stream.length - 32 - indexBytes;
  const number = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = stream[at] as number;
      at += 1;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  const digests = new Set<string>();
  let start = 8;
  for (let i = 0; i < pages; i += 1) {
    number();
    const length = number();
    digests.add(
      createHash('sha256')
        .update(stream.subarray(start, start + length))
        .digest('hex'),
    );
    start += length;
  }
  return digests;
}

test('pages are loaded as needed, once', async () => {
  const list = Array.from({ length: 5000 }, (_, i) => simple(24 + 100 * i, i));
  const { stream, summary } = written(list);
  let reads = 0;
  const read = async (offset: number, length: number): Promise<Buffer> => {
    reads += 1;
    return stream.subarray(offset, offset + length);
  };
  const reader = await AttributesReader.open({ read, size: stream.length });
  const opening = reads;
  for (const record of list) assert.deepEqual(await reader.record(record.entryPosition), record);
  assert.equal(reads - opening, summary.pages);
});

test('records out of order and impossible ones are refused', () => {
  const writer = new AttributesWriter(() => {});
  writer.add(simple(100, 1), 0);
  assert.throws(() => writer.add(simple(100, 2), 0), { kind: 'invalid' });
  assert.throws(() => writer.add({ ...simple(200, 2), nlink: -1 }, 0), { kind: 'invalid' });
  const ctime = { seconds: 0, nanoseconds: 1e9 };
  assert.throws(() => writer.add({ ...simple(300, 2), ctime }, 0), { kind: 'invalid' });
  const xattrs = [{ name: Buffer.from('user.huge'), value: Buffer.alloc(33 * 1024 * 1024) }];
  assert.throws(() => new AttributesWriter(() => {}).add({ ...simple(1, 1), xattrs }, 0), { kind: 'too-large' });
});

test("a damaged stream gives records or 'corrupt', nothing else", () => {
  const change = fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.nat(255));
  fc.assert(
    fc.property(records, fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(60), (list, changes, cut) => {
      const { stream } = written(list);
      for (const [at, value] of changes) stream[Math.floor(at * stream.length)] = value;
      try {
        const reader = open(cut < 50 ? stream : stream.subarray(0, stream.length - cut));
        for (const { entryPosition } of list) reader.record(entryPosition);
      } catch (error) {
        assert.equal(kindOf(error), 'corrupt', String((error as Error).stack));
      }
    }),
    { seed: 33, numRuns: 400 },
  );
});

test('random bytes are corrupt', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
      assert.throws(() => open(Buffer.from(random)), { kind: 'corrupt' });
    }),
    { seed: 34 },
  );
});
