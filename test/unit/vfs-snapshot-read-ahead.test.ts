import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { payloadHeader } from '../../src/archive/payload-items.js';
import { zeroChunkDigest } from '../../src/chunk/zero-chunks.js';
import { digestHex } from '../../src/core/digest.js';
import { DynamicIndexBuilder, parseDynamicIndex } from '../../src/index/dynamic-index.js';
import { insertChunk, setCacheLimit } from '../../src/native/chunk-cache.js';
import { sha256Sync } from '../../src/native/hash.js';
import { PayloadReader } from '../../src/vfs/snapshots/payload-reader.js';
import { ReadAhead } from '../../src/vfs/snapshots/read-ahead.js';
import { noise } from '../support/noise.js';
import { Random } from '../support/random.js';
import { joinPieces } from '../support/read-pieces.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const READ_BYTES = 128 * KIB;

interface File {
  readonly offset: number;
  readonly size: number;
  readonly content: Buffer;
}

/** A payload stream whose chunks come from memory; counts what is loaded. */
class Payload {
  readonly files: File[] = [];
  readonly loads = new Map<string, number>();
  readonly #chunks = new Map<string, Buffer>();
  readonly #loading = new Map<string, Promise<void>>();
  readonly #builder = new DynamicIndexBuilder();
  #reader: PayloadReader | undefined;

  addChunk(plain: Buffer): void {
    const digest = sha256Sync(plain);
    this.#chunks.set(digestHex(digest), plain);
    this.#builder.append(digest, plain.length);
  }

  addZeros(length: number): void {
    this.#builder.append(zeroChunkDigest(length), length);
  }

  /** A chunk of small files, each behind its header. */
  addPack(seed: string, sizes: readonly number[]): void {
    const parts: Buffer[] = [];
    let offset = this.#builder.contentLength;
    for (const [i, size] of sizes.entries()) {
      const content = noise(`${seed}-${i}`, size);
      this.files.push({ offset, size, content });
      parts.push(payloadHeader(size), content);
      offset += 16 + size;
    }
    this.addChunk(Buffer.concat(parts));
  }

  /** A file with chunks of its own. */
  addLarge(seed: string, chunkBytes: readonly number[]): void {
    const content = noise(
      seed,
      chunkBytes.reduce((sum, bytes) => sum + bytes, 0),
    );
    this.files.push({ offset: this.#builder.contentLength, size: content.length, content });
    this.addChunk(payloadHeader(content.length));
    let at = 0;
    for (const bytes of chunkBytes) {
      this.addChunk(content.subarray(at, at + bytes));
      at += bytes;
    }
  }

  get reader(): PayloadReader {
    this.#reader ??= new PayloadReader(
      parseDynamicIndex(this.#builder.finish({ uuid: Buffer.alloc(16, 1), ctime: 1 }).bytes),
      {
        load: (digest) => this.#load(digestHex(digest)),
        read: async (digest) => this.#plain(digestHex(digest)),
        readAheadBytes: 4 * MIB,
      },
    );
    return this.#reader;
  }

  get loadCount(): number {
    return [...this.loads.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Reads a file as the kernel does. @returns how many of the reads had to wait */
  async read({ content, ...place }: File): Promise<number> {
    let waits = 0;
    for (let offset = 0; offset < place.size; offset += READ_BYTES) {
      const pieces = this.reader.read(place, offset, READ_BYTES);
      if (pieces instanceof Promise) waits += 1;
      const wanted = content.subarray(offset, offset + READ_BYTES);
      assert.ok(joinPieces(await pieces).equals(wanted), `bytes of the file at ${place.offset}`);
    }
    return waits;
  }

  /** Takes the chunk away that ends with this file. */
  lose({ content }: File): void {
    for (const [hex, plain] of this.#chunks) {
      if (plain.subarray(-content.length).equals(content)) this.#chunks.delete(hex);
    }
  }

  /** As the chunk store does it: one load per chunk in flight. */
  #load(hex: string): Promise<void> {
    const running = this.#loading.get(hex);
    if (running !== undefined) return running;
    this.loads.set(hex, (this.loads.get(hex) ?? 0) + 1);
    const loading = this.#bring(hex).finally(() => this.#loading.delete(hex));
    this.#loading.set(hex, loading);
    return loading;
  }

  async #bring(hex: string): Promise<void> {
    await undefined;
    insertChunk(Buffer.from(hex, 'hex'), this.#plain(hex));
  }

  #plain(hex: string): Buffer {
    const plain = this.#chunks.get(hex);
    assert.ok(plain !== undefined, `chunk ${hex} was never stored`);
    return plain;
  }
}

beforeEach(() => {
  setCacheLimit(0);
  setCacheLimit(64 * MIB);
});

test('a chunk cache that holds nothing fails no read', async () => {
  setCacheLimit(0);
  const payload = new Payload();
  payload.addPack('pack', [100_000, 1, 60_000]);
  payload.addLarge('large', [700, 900, 100_000, 13]);
  payload.addZeros(MIB);
  for (const file of payload.files) await payload.read(file);
});

test('small files read in order: each chunk is loaded once, and only the first is waited for', async () => {
  const payload = new Payload();
  payload.addChunk(Buffer.alloc(16, 7));
  for (let i = 0; i < 200; i++) payload.addPack(`pack-${i}`, [100_000, 1, 60_000, 40_000, 50_000]);
  let waits = 0;
  for (const file of payload.files) waits += await payload.read(file);
  assert.equal(payload.loads.size, 200);
  assert.equal(payload.loadCount, 200);
  assert.equal(waits, 1);
});

test('a large file read from its start is waited for once, and its header and its holes are never loaded', async () => {
  const payload = new Payload();
  payload.addLarge('large', [700 * KIB, MIB, 900 * KIB, 1.5 * MIB, 2 * MIB, 13]);
  payload.addZeros(16 * MIB);
  payload.addPack('behind', [5000, 6000]);
  const [large, behind] = payload.files as [File, File];
  assert.equal(await payload.read(large), 1);
  assert.equal(payload.loadCount, 6);
  await payload.read(behind);
  assert.equal(payload.loadCount, 7);
});

test('who reads here and there causes no loads but those of what is read', async () => {
  const payload = new Payload();
  for (let i = 0; i < 40; i++) payload.addLarge(`image-${i}`, [2 * MIB]);
  const random = new Random(7);
  const seen = new Set<File>();
  for (let i = 0; i < 12; i++) {
    const file = payload.files[(i * 17 + 3) % payload.files.length] as File;
    const offset = MIB + random.below(MIB - 5000);
    await payload.reader.read(file, offset, 4096);
    seen.add(file);
  }
  assert.equal(payload.loadCount, seen.size);
});

test('several readers of one stream, each in order, load no chunk twice', async () => {
  const payload = new Payload();
  for (let i = 0; i < 240; i++) payload.addPack(`shared-${i}`, [120_000, 130_000]);
  const third = payload.files.length / 3;
  let waits = 0;
  for (let i = 0; i < third; i++) {
    for (const start of [0, third, 2 * third]) waits += await payload.read(payload.files[start + i] as File);
  }
  assert.equal(payload.loadCount, 240);
  assert.equal(waits, 3);
});

test('a chunk that cannot be loaded ahead is an error for who reads it, and for nobody else', async () => {
  const payload = new Payload();
  payload.addPack('first', [100_000, 100_000]);
  payload.addPack('second', [100_000]);
  const [one, two, behind] = payload.files as [File, File, File];
  payload.lose(behind);
  await payload.read(one);
  await payload.read(two);
  assert.equal(payload.loadCount, 2);
  await assert.rejects(payload.read(behind), /was never stored/);
});

test('a window grows with the reader, and nothing is said twice', () => {
  const ahead = new ReadAhead(4 * MIB);
  assert.equal(ahead.next(0, 100, false), undefined);
  const told: number[] = [];
  let up = 100;
  for (let at = 100; at < 40 * MIB; at += 64 * KIB) {
    const range = ahead.next(at, at + 64 * KIB, false);
    if (range === undefined) continue;
    assert.ok(range.start >= up && range.start >= at + 64 * KIB, `${range.start} was said already`);
    up = range.end;
    told.push(range.end - (at + 64 * KIB));
    assert.equal(ahead.next(at, at + 64 * KIB, false), undefined, 'the same again');
  }
  assert.deepEqual(told.slice(0, 3), [MIB, 2 * MIB, 4 * MIB]);
  assert.ok(told.every((bytes) => bytes <= 4 * MIB));
});
