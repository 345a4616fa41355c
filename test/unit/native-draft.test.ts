import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ByteRange } from '../../src/core/ranges.js';
import { decodeBlobSync } from '../../src/native/blob.js';
import { Draft, draftMemoryBytes } from '../../src/native/draft.js';

const KIB = 1024;

/** A draft as one array of bytes and one that tells which are dirty. */
class Model {
  readonly size = 1200 * KIB;
  readonly #bytes = Buffer.alloc(this.size);
  readonly #dirty = new Uint8Array(this.size);

  write(offset: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, offset);
    this.#dirty.fill(1, offset, offset + bytes.length);
  }

  drop(start: number, end: number): void {
    this.#dirty.fill(0, start, end);
  }

  covered(start: number, end: number): ByteRange[] {
    const ranges: ByteRange[] = [];
    for (let at = this.#next(1, start); at < end; ) {
      const upTo = Math.min(end, this.#next(0, at));
      ranges.push({ start: at, end: upTo });
      at = this.#next(1, upTo);
    }
    return ranges;
  }

  read(range: ByteRange): Buffer {
    return this.#bytes.subarray(range.start, range.end);
  }

  #next(mark: 0 | 1, from: number): number {
    const found = this.#dirty.indexOf(mark, from);
    return found === -1 ? this.size : found;
  }
}

interface Step {
  readonly action: 'write' | 'drop' | 'truncate';
  readonly offset: number;
  readonly length: number;
  readonly seed: number;
}

/** Offsets and lengths that fall on, next to and away from the borders of blocks. */
const nearBorder = fc
  .tuple(fc.constantFrom(0, 4, 8, 16, 20, 64, 80, 256, 260, 320, 512, 700), fc.integer({ min: -2, max: 2 }))
  .map(([kib, beside]) => Math.max(0, kib * KIB + beside));

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    action: fc.constantFrom('write', 'write', 'write', 'write', 'drop', 'truncate'),
    offset: fc.oneof(nearBorder, fc.nat(700 * KIB)),
    length: fc.oneof(
      fc.nat(20),
      fc.nat(10 * KIB),
      fc.nat(300 * KIB),
      nearBorder.map((n) => Math.min(n, 450 * KIB)),
    ),
    seed: fc.nat(255),
  }),
  { maxLength: 30 },
);

function patternOf(step: Step): Buffer {
  const bytes = Buffer.alloc(step.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = step.seed + at * 7 + (at >> 8);
  return bytes;
}

function apply(step: Step, draft: Draft, model: Model): void {
  const end = step.offset + step.length;
  if (step.action === 'write') {
    draft.write(step.offset, patternOf(step));
    model.write(step.offset, patternOf(step));
  } else if (step.action === 'drop') {
    draft.drop(step.offset, end);
    model.drop(step.offset, end);
  } else {
    draft.truncate(step.offset);
    model.drop(step.offset, model.size);
  }
}

test('a draft does what one array does', () => {
  const before = draftMemoryBytes();
  fc.assert(
    fc.property(steps, (list) => {
      const draft = new Draft();
      const model = new Model();
      for (const step of list) {
        apply(step, draft, model);
        const ranges = model.covered(0, model.size);
        assert.deepEqual(draft.ranges(), ranges);
        const end = step.offset + step.length;
        assert.deepEqual(draft.covered(step.offset, end), model.covered(step.offset, end));
        assert.equal(
          draft.dirtyBytes,
          ranges.reduce((total, range) => total + range.end - range.start, 0),
        );
      }
      for (const range of draft.ranges()) {
        assert.ok(draft.read(range.start, range.end - range.start).equals(model.read(range)));
        assert.throws(() => draft.read(range.start, range.end - range.start + 1), RangeError);
      }
      draft.dispose();
    }),
    { numRuns: 150 },
  );
  assert.equal(draftMemoryBytes(), before, 'every block went back');
});

test('memory follows the dirty bytes', () => {
  const before = draftMemoryBytes();
  const held = () => draftMemoryBytes() - before;
  const draft = new Draft();
  draft.write(0, Buffer.alloc(100));
  assert.equal(held(), 4 * KIB);
  draft.write(100, Buffer.alloc(50 * KIB));
  assert.ok(held() <= 64 * KIB);
  for (let at = 0; at < 64; at++) draft.write(at * KIB * KIB + 7, Buffer.alloc(1));
  assert.ok(held() <= 64 * KIB + 63 * 4 * KIB, 'scattered bytes take a page each');
  draft.truncate(4 * KIB);
  assert.equal(held(), 4 * KIB);
  draft.drop(0, 4 * KIB);
  assert.equal(held(), 0);
  for (let at = 0; at < 512; at++) draft.write(at * 4 * KIB, Buffer.alloc(4 * KIB));
  assert.equal(held(), 2 * KIB * KIB, 'a stream leaves no gaps');
  draft.dispose();
  assert.equal(held(), 0);
});

test('offsets up to 2^53 work', () => {
  const draft = new Draft();
  const last = Number.MAX_SAFE_INTEGER - 5;
  draft.write(last, Buffer.from('hello'));
  assert.deepEqual(draft.ranges(), [{ start: last, end: last + 5 }]);
  assert.equal(draft.read(last, 5).toString(), 'hello');
  assert.throws(() => draft.write(last + 1, Buffer.alloc(5)), RangeError);
  draft.dispose();
});

test('encode and digest take the bytes as one run', async () => {
  const draft = new Draft();
  const text = Buffer.from('what is written in pieces '.repeat(30_000));
  for (let at = 0; at < text.length; at += 5000) draft.write(1000 + at, text.subarray(at, at + 5000));
  for (const [from, length] of [
    [0, text.length],
    [300_001, 100],
    [77, 270_000],
    [500, 0],
  ] as const) {
    const plain = text.subarray(from, from + length);
    const start = 1000 + from;
    for (const level of [0, 1]) {
      const out = Buffer.alloc(length + 12);
      const blob = out.subarray(0, await draft.encode(start, start + length, out, level));
      assert.ok(decodeBlobSync(blob, text.length).equals(plain));
    }
    const digest = await draft.digest(start, start + length);
    assert.deepEqual(digest, createHash('sha256').update(plain).digest());
  }
  draft.dispose();
});

test('ranges that are not wholly dirty are refused', async () => {
  const draft = new Draft();
  draft.write(10, Buffer.alloc(10));
  draft.write(21, Buffer.alloc(10));
  const cutter = { kind: 'fixed', chunkBytes: 4 } as const;
  for (const [start, end] of [
    [9, 12],
    [10, 21],
    [19, 22],
    [25, 32],
    [40, 50],
  ] as const) {
    assert.throws(() => draft.read(start, end - start), RangeError);
    await assert.rejects(draft.cut(start, end, cutter, true), RangeError);
    await assert.rejects(draft.encode(start, end, Buffer.alloc(100), 1), RangeError);
    await assert.rejects(draft.digest(start, end), RangeError);
  }
  await assert.rejects(draft.encode(10, 20, Buffer.alloc(21), 1), RangeError);
  draft.dispose();
});

test('a job goes on with the old bytes while the draft is written elsewhere and disposed', async () => {
  const before = draftMemoryBytes();
  const draft = new Draft();
  const bytes = randomBytes(3 * KIB * KIB);
  draft.write(0, bytes);
  const expected = createHash('sha256').update(bytes).digest();
  const jobs = Array.from({ length: 8 }, () => draft.digest(0, bytes.length));
  for (let at = 0; at < 50; at++) draft.write(bytes.length + at * 70_000, Buffer.alloc(60_000));
  draft.dispose();
  draft.dispose();
  for (const digest of await Promise.all(jobs)) assert.deepEqual(digest, expected);
  assert.equal(draftMemoryBytes(), before);
  assert.throws(() => draft.write(0, Buffer.alloc(1)), /closed/);
  assert.throws(() => draft.dirtyBytes, /closed/);
});

test('wrong arguments are refused', () => {
  const draft = new Draft();
  assert.throws(() => draft.write(-1, Buffer.alloc(1)), RangeError);
  assert.throws(() => draft.write(0.5, Buffer.alloc(1)), RangeError);
  assert.throws(() => draft.write(0, 'x' as unknown as Uint8Array), TypeError);
  assert.throws(() => draft.drop(5, 4), RangeError);
  assert.throws(() => draft.covered(-1, 4), RangeError);
  draft.dispose();
});
