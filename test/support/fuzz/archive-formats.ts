import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { AttributesReader } from '../../../src/archive/attributes-reader.js';
import type { AttributeRecord } from '../../../src/archive/attributes-record.js';
import { ATTRIBUTES_TAIL_BYTES, AttributesWriter } from '../../../src/archive/attributes-writer.js';
import { isPayloadHeader } from '../../../src/archive/payload-items.js';
import { ArchiveReader } from '../../../src/archive/reader.js';
import { anyTree, encodeTree } from '../archive-trees.js';
import type { Random } from '../random.js';
import { damaged, damagedInPlace } from './damage.js';
import type { FuzzTarget } from './run.js';

/** Reads of the stream before a reader counts as one that never ends, for each byte of the stream. */
const READS_PER_BYTE = 20;
const MOST_ENTRIES = 5000;
const ITEM_HEADER_BYTES = 16;
const ATTRIBUTES_MAGIC_BYTES = 8;

/** Reads inside the stream, so many times and no more. */
function limitedReads(stream: Buffer): (offset: number, length: number) => Buffer {
  let left = 1000 + READS_PER_BYTE * stream.length;
  return (offset, length) => {
    assert.ok(offset >= 0 && length >= 0 && offset + length <= stream.length, 'a read beyond the stream');
    left -= 1;
    assert.ok(left > 0, 'reading does not end');
    return stream.subarray(offset, offset + length);
  };
}

/** Where the items of an archive's stream start and end, headers included; in the order they stand. */
function itemsOf(stream: Buffer): { start: number; end: number }[] {
  const items: { start: number; end: number }[] = [];
  for (let start = 0; start + ITEM_HEADER_BYTES <= stream.length; ) {
    const end = start + Number(stream.readBigUInt64LE(start + 8));
    items.push({ start, end });
    start = end;
  }
  return items;
}

/** Changes what a few items hold; their headers, and where things are, stay as they were. */
function withDamagedItems(random: Random, stream: Buffer): Buffer {
  const result = Buffer.from(stream);
  const items = itemsOf(stream).filter(({ start, end }) => end - start > ITEM_HEADER_BYTES);
  for (let left = random.between(1, 3); left > 0; left -= 1) {
    const { start, end } = random.pick(items);
    damagedInPlace(random, result.subarray(start + ITEM_HEADER_BYTES, end)).copy(result, start + ITEM_HEADER_BYTES);
  }
  return result;
}

/** Reads all there is in an archive: every entry, its attributes, and each name by lookup. */
function readArchive(stream: Buffer, payload: Buffer | undefined): void {
  const options = { read: limitedReads(stream), size: stream.length };
  const opened = ArchiveReader.open(payload === undefined ? options : { ...options, payloadSize: payload.length });
  assert.ok(opened instanceof ArchiveReader);
  let entries = 0;
  const folders = [opened.root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const listed = opened.list(folder, 0, 1000);
    assert.ok(Array.isArray(listed));
    for (const { name, entry } of listed) {
      entries += 1;
      assert.ok(entries < MOST_ENTRIES && entry.position > opened.root);
      assert.ok(name.length > 0 && !name.includes(0) && !name.includes(0x2f), 'a name leads out of its folder');
      opened.xattrs(entry.position);
      opened.lookup(folder, name);
      if (entry.payload !== undefined && !entry.payload.inline && payload !== undefined) {
        isPayloadHeader(
          payload.subarray(entry.payload.offset, entry.payload.offset + ITEM_HEADER_BYTES),
          0,
          entry.size,
        );
      }
      if (entry.kind !== 'folder') continue;
      assert.ok(entry.position > folder, 'a folder leads back');
      folders.push(entry.position);
    }
  }
}

/** Longer archives take longer to read and are damaged in the same ways. */
const MOST_ARCHIVE_BYTES = 16 * 1024;
/** Archives to damage: making one takes far longer than damaging it. */
const ARCHIVES = fc
  .sample(anyTree, { seed: 7, numRuns: 150 })
  .flatMap((tree) => [
    { ...encodeTree(tree, 1), isSplit: false },
    { ...encodeTree(tree, 2), isSplit: true },
  ])
  .filter(({ metadata }) => metadata.length <= MOST_ARCHIVE_BYTES);

/** pxar archives, whole ones and the metadata streams of split ones with their payload streams. */
const archives: FuzzTarget = {
  name: 'pxar',
  refusals: ['corrupt', 'unsupported', 'not-a-directory'],
  make(random) {
    const { metadata, payload, isSplit } = random.pick(ARCHIVES);
    const repaired = random.below(3) > 0;
    const input = repaired ? withDamagedItems(random, metadata) : damaged(random, metadata);
    const payloadStream = isSplit ? damaged(random, payload) : undefined;
    return { repaired, input, feed: () => readArchive(input, payloadStream) };
  },
};

/** A position any reader of the archive may be asked for, whether an entry is there or not. */
const entries: FuzzTarget = {
  name: 'pxar-positions',
  refusals: ['corrupt', 'unsupported', 'not-a-directory'],
  make(random) {
    const { metadata, folderLinks } = random.pick(ARCHIVES);
    const repaired = random.below(3) > 0;
    const input = repaired ? metadata : damaged(random, metadata);
    const position =
      repaired && folderLinks.size > 0 ? random.pick([...folderLinks.keys()]) : random.below(input.length);
    const feed = () => {
      const reader = ArchiveReader.open({ read: limitedReads(input), size: input.length }) as ArchiveReader;
      reader.entry(position);
      reader.xattrs(position);
      reader.childCount(position);
      reader.lookup(position, random.bytes(random.between(1, 255)));
      reader.list(position, random.below(input.length), 100);
    };
    return { repaired, input, feed };
  },
};

function attributeRecords(random: Random): AttributeRecord[] {
  let entryPosition = 0;
  return Array.from({ length: random.between(0, 60) }, () => {
    entryPosition += random.between(1, 5000);
    const time = () => ({ seconds: random.between(-(2 ** 30), 2 ** 30), nanoseconds: random.below(10 ** 9) });
    const xattrs = Array.from({ length: random.below(3) }, () => ({
      name: random.bytes(random.between(1, 20)),
      value: random.bytes(random.below(60)),
    }));
    const start = random.below(2 ** 30);
    return {
      ...{ entryPosition, nlink: random.between(1, 3), xattrs },
      ...(random.below(2) === 0 && { ctime: time(), btime: time(), atime: time() }),
      ...(random.below(3) === 0 && {
        folder: { parent: random.below(entryPosition), nameLength: random.between(1, 255) },
      }),
      holes: random.below(3) === 0 ? [{ start, end: start + random.between(1, 2 ** 20) }] : [],
    };
  });
}

function wholeAttributes(random: Random): { stream: Buffer; records: AttributeRecord[]; indexBytes: number } {
  const pieces: Uint8Array[] = [];
  const writer = new AttributesWriter((bytes) => pieces.push(bytes));
  const records = attributeRecords(random);
  for (const record of records) writer.add(record, random.below(200));
  writer.finish();
  const stream = Buffer.concat(pieces);
  return { stream, records, indexBytes: Number(stream.readBigUInt64LE(stream.length - ATTRIBUTES_TAIL_BYTES)) };
}

/** The attributes streams of our snapshots; repaired, magic, tail and the index of the pages are whole. */
const attributes: FuzzTarget = {
  name: 'attributes',
  share: 0.3,
  refusals: ['corrupt'],
  outerRefusal: /wrong magic|malformed tail|malformed index/,
  make(random) {
    const { stream, records, indexBytes } = wholeAttributes(random);
    const pagesEnd = stream.length - ATTRIBUTES_TAIL_BYTES - indexBytes;
    const repaired = records.length > 0 && random.below(3) > 0;
    const input = repaired ? Buffer.from(stream) : damaged(random, stream);
    if (repaired) {
      damagedInPlace(random, input.subarray(ATTRIBUTES_MAGIC_BYTES, pagesEnd)).copy(input, ATTRIBUTES_MAGIC_BYTES);
    }
    const feed = () => {
      const reader = AttributesReader.open({ read: limitedReads(input), size: input.length });
      assert.ok(reader instanceof AttributesReader);
      let failure: unknown;
      for (const { entryPosition } of records) failure = attempt(() => reader.record(entryPosition)) ?? failure;
      reader.record(random.below(2 ** 32));
      if (failure !== undefined) throw failure;
    };
    return { repaired, input, feed };
  },
};

/** What the work throws: one bad record must not keep the others from being asked for. */
function attempt(work: () => unknown): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
}

export const ARCHIVE_FORMATS: readonly FuzzTarget[] = [archives, entries, attributes];
