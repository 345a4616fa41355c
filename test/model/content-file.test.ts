import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CHUNKER_DYNAMIC, CHUNKER_FIXED, STORAGE_PACKED } from '../../src/catalog/inode.js';
import { FIXED_CUTTER, PACKED_LIMIT_BYTES } from '../../src/chunk/limits.js';
import type { OpenContent } from '../../src/content/open-content.js';
import { setCacheLimit } from '../../src/native/chunk-cache.js';
import { draftMemoryBytes } from '../../src/native/draft.js';
import { bodyOf, TestLiveStore } from '../support/live-store.js';
import { Random, seedOfRun } from '../support/random.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const LARGEST_BYTES = 14 * MIB;
const STEPS = 120;

interface Range {
  readonly start: number;
  readonly end: number;
}

/** What a file should hold, and what it held when it was last flushed. */
class FileModel {
  bytes = Buffer.alloc(0);
  flushed = Buffer.alloc(0);
  /** Smallest size since then. */
  smallest = 0;
  touched: Range[] = [];
  content: OpenContent | undefined;

  constructor(
    readonly ino: number,
    readonly fixed: boolean,
  ) {}

  write(offset: number, bytes: Uint8Array): void {
    this.#resize(Math.max(this.bytes.length, offset + bytes.length));
    this.bytes.set(bytes, offset);
    this.touched.push({ start: offset, end: offset + bytes.length });
  }

  truncate(size: number): void {
    this.smallest = Math.min(this.smallest, size);
    this.#resize(size);
  }

  noteFlushed(): void {
    this.flushed = Buffer.from(this.bytes);
    this.smallest = this.bytes.length;
    this.touched = [];
  }

  /** Checks what came back after a crash and goes on from there. */
  adopt(actual: Buffer): void {
    const kept = Math.min(this.flushed.length, this.smallest);
    assert.ok(actual.length >= kept, `flushed bytes are gone: ${actual.length} of ${kept}`);
    const expected = Buffer.from(this.flushed.subarray(0, kept));
    const found = Buffer.from(actual.subarray(0, kept));
    for (const { start, end } of this.touched) {
      expected.subarray(start, end).fill(0);
      found.subarray(start, end).fill(0);
    }
    assertSame(found, expected, `file ${this.ino} after a crash`);
    this.bytes = Buffer.from(actual);
    this.noteFlushed();
  }

  #resize(size: number): void {
    if (size === this.bytes.length) return;
    const next = Buffer.alloc(size);
    this.bytes.copy(next);
    this.bytes = next;
  }
}

function assertSame(actual: Buffer, expected: Buffer, what: string): void {
  assert.equal(actual.length, expected.length, `${what}: size`);
  if (actual.equals(expected)) return;
  let at = 0;
  while (actual[at] === expected[at]) at++;
  assert.fail(`${what}: byte ${at} is ${actual[at]}, not ${expected[at]}`);
}

/** Random operations on a few files, each checked against its model. */
class Run {
  readonly #store: TestLiveStore;
  readonly #random: Random;
  readonly #files: FileModel[];

  constructor(store: TestLiveStore, random: Random) {
    this.#store = store;
    this.#random = random;
    this.#files = ([CHUNKER_DYNAMIC, CHUNKER_DYNAMIC, CHUNKER_FIXED] as const).map((chunker, index) => {
      return new FileModel(store.makeFile(`f${index}`, chunker), chunker === CHUNKER_FIXED);
    });
  }

  async step(): Promise<string> {
    const file = this.#random.pick(this.#files);
    const [what, act] = this.#random.pick<[string, (file: FileModel) => unknown]>([
      ['append', (it) => this.#append(it)],
      ['append', (it) => this.#append(it)],
      ['append', (it) => this.#append(it)],
      ['overwrite', (it) => this.#overwrite(it)],
      ['overwrite', (it) => this.#overwrite(it)],
      ['write behind the end', (it) => this.#writeBehind(it)],
      ['truncate', (it) => this.#truncate(it)],
      ['flush', (it) => this.#flush(it)],
      ['flush', (it) => this.#flush(it)],
      ['write while flushing', (it) => this.#writeWhileFlushing(it)],
      ['close', (it) => this.#close(it)],
      ['relieve', () => this.#store.live.contents.relieve()],
      ['capture', () => this.#capture()],
      ['pack', () => this.#pack()],
      ['write while packing', (it) => this.#writeWhilePacking(it)],
      ['commit', () => this.#store.live.durability.commit()],
      ['crash', () => this.#crash()],
      ['read', (it) => this.#read(it)],
      ['read', (it) => this.#read(it)],
    ]);
    await act(file);
    return what;
  }

  /** Everything stored, nothing held, and the same after one more opening. */
  async end(): Promise<void> {
    for (const file of this.#files) await this.#close(file);
    await this.#pack();
    for (const file of this.#files) this.#checkPlaces(file);
    assert.equal(this.#store.live.contents.dirtyBytes, 0);
    await this.#store.commitAll();
    await this.#store.crash();
    for (const file of this.#files) await this.#check(file);
  }

  async #append(file: FileModel): Promise<void> {
    const length = this.#random.pick([900, 70 * KIB, 300 * KIB, 2 * MIB, 5 * MIB]) + this.#random.below(1000);
    if (file.bytes.length + length > LARGEST_BYTES) return this.#truncate(file);
    await this.#write(file, file.bytes.length, length);
  }

  async #overwrite(file: FileModel): Promise<void> {
    const offset = this.#random.below(file.bytes.length + 1);
    await this.#write(file, offset, this.#random.pick([1, 4 * KIB, 200 * KIB, 3 * MIB]));
  }

  async #writeBehind(file: FileModel): Promise<void> {
    const offset = file.bytes.length + this.#random.pick([1, 4 * KIB, 3 * MIB]);
    if (offset < LARGEST_BYTES) await this.#write(file, offset, this.#random.between(1, 100 * KIB));
  }

  async #write(file: FileModel, offset: number, length: number): Promise<void> {
    const bytes = this.#random.bytes(length);
    const content = this.#open(file);
    const request = this.#random.pick([64 * KIB, MIB]);
    for (let at = 0; at < length; at += request) {
      const part = bytes.subarray(at, at + request);
      await content.write(offset + at, bodyOf(part));
      file.write(offset + at, part);
    }
  }

  async #truncate(file: FileModel): Promise<void> {
    const size = this.#random.pick([0, PACKED_LIMIT_BYTES - 1, file.bytes.length, this.#random.below(LARGEST_BYTES)]);
    await this.#open(file).truncate(size, this.#store.clock.now());
    file.truncate(size);
  }

  async #flush(file: FileModel): Promise<void> {
    await file.content?.flush();
    file.noteFlushed();
  }

  async #writeWhileFlushing(file: FileModel): Promise<void> {
    const flushing = this.#open(file).flush();
    await this.#write(file, file.bytes.length, this.#random.pick([1000, 5 * MIB]));
    await flushing;
    await this.#flush(file);
  }

  async #writeWhilePacking(file: FileModel): Promise<void> {
    const packing = this.#store.live.packer.run();
    await this.#overwrite(file);
    await packing;
  }

  async #close(file: FileModel): Promise<void> {
    if (file.content !== undefined) await this.#store.live.contents.close(file.ino);
    file.content = undefined;
    file.noteFlushed();
  }

  #open(file: FileModel): OpenContent {
    file.content ??= this.#store.openFile(file.ino);
    return file.content;
  }

  #capture(): void {
    this.#store.live.contents.capture();
    for (const file of this.#files) file.noteFlushed();
  }

  async #pack(): Promise<void> {
    await this.#store.live.packer.run();
  }

  async #crash(): Promise<void> {
    await this.#store.crash();
    for (const file of this.#files) {
      file.content = undefined;
      file.adopt(await this.#store.read(file.ino));
    }
    assert.deepEqual(
      this.#store.log.lines.filter((line) => !line.startsWith('info ')),
      [],
    );
  }

  async #read(file: FileModel): Promise<void> {
    const start = this.#random.below(file.bytes.length + 1);
    const length = this.#random.pick([1, 5000, 1 * MIB]);
    assertSame(
      await this.#store.read(file.ino, start, length),
      file.bytes.subarray(start, start + length),
      `file ${file.ino} from ${start}`,
    );
  }

  async #check(file: FileModel): Promise<void> {
    assertSame(await this.#store.read(file.ino), file.bytes, `file ${file.ino}`);
  }

  /** Nothing is left in the journal; small files are one piece; chunks of images lie on their grid. */
  #checkPlaces(file: FileModel): void {
    const { catalog } = this.#store.datastore;
    const extents = [...catalog.extents.all(file.ino)];
    assert.deepEqual(
      extents.filter(({ kind }) => kind === 'journal'),
      [],
    );
    const storage = catalog.inodes.find(file.ino)?.storage;
    if (storage === STORAGE_PACKED) assert.equal(extents.length, 1);
    if (!file.fixed || file.bytes.length < PACKED_LIMIT_BYTES) return;
    const { chunkBytes } = FIXED_CUTTER as { chunkBytes: number };
    for (const { offset, length } of extents) {
      const cells = Math.floor((offset + length - 1) / chunkBytes) - Math.floor(offset / chunkBytes);
      assert.equal(cells, 0, `chunk ${offset}+${length} crosses the grid`);
    }
  }
}

async function play(t: TestContext, seed: number): Promise<void> {
  const store = await TestLiveStore.make(t);
  const run = new Run(store, new Random(seed));
  const done: string[] = [];
  try {
    for (let step = 0; step < STEPS; step++) done.push(await run.step());
    await run.end();
  } catch (error) {
    t.diagnostic(`SEED=${seed}, after: ${done.slice(-12).join(', ')}`);
    throw error;
  }
}

test('files hold what was written, through flushes, packing, captures and crashes', async (t) => {
  setCacheLimit(48 * MIB);
  const seed = seedOfRun(t);
  for (let round = 0; round < 3; round++) await t.test(`seed ${seed + round}`, (sub) => play(sub, seed + round));
  assert.equal(draftMemoryBytes(), 0, 'drafts are left in memory');
});

test('a file has the bytes it was given whatever its size and the size of the writes', async (t) => {
  const store = await TestLiveStore.make(t);
  const random = new Random(7);
  const borders = [PACKED_LIMIT_BYTES, MIB, 4 * MIB, 8 * MIB, 16 * MIB];
  const sizes = [0, 1, ...borders.flatMap((size) => [size - 1, size, size + 1])];
  for (const chunker of [CHUNKER_DYNAMIC, CHUNKER_FIXED] as const) {
    for (const size of sizes) {
      const request = random.pick([100_001, 128 * KIB, MIB]);
      const bytes = random.bytes(size);
      const ino = store.makeFile(`${chunker}-${size}`, chunker);
      const content = store.openFile(ino);
      for (let at = 0; at < size; at += request) await content.write(at, bodyOf(bytes.subarray(at, at + request)));
      await store.live.contents.close(ino);
      assertSame(await store.read(ino), bytes, `${size} bytes written by ${request}`);
      await store.live.packer.run();
      assertSame(await store.read(ino), bytes, `${size} bytes, packed`);
    }
  }
  assert.equal(draftMemoryBytes(), 0);
});
