import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  alignmentBehind,
  FAR_ALIGNMENT_BYTES,
  NEAR_ALIGNMENT_BYTES,
  type PayloadExtent,
  type PayloadListing,
  PayloadPlanner,
  raggedExtents,
} from '../../src/archive/payload.js';
import {
  isPayloadHeader,
  type PayloadPlace,
  payloadHeader,
  payloadStartMarker,
  payloadTailMarker,
} from '../../src/archive/payload-items.js';

/** A store of chunks in memory, and the stream that was listed. */
class Recorder implements PayloadListing {
  readonly chunks = new Map<string, Buffer>();
  readonly listed: { start: number; bytes: Buffer | number }[] = [];
  size = 0;

  store(bytes: Buffer): Buffer {
    const digest = createHash('sha256').update(bytes).digest();
    this.chunks.set(digest.toString('hex'), bytes);
    return digest;
  }

  chunk(digest: Uint8Array, length: number): void {
    const bytes = this.chunks.get(Buffer.from(digest).toString('hex')) as Buffer;
    assert.equal(bytes.length, length);
    this.#list(bytes);
  }

  item(bytes: Uint8Array): void {
    assert.equal(bytes.length, 16);
    this.#list(Buffer.from(bytes));
  }

  zeros(length: number): void {
    assert.ok(length > 0);
    this.#list(length);
  }

  /** The bytes of the stream at [start, start + length). */
  read(start: number, length: number): Buffer {
    const out = Buffer.alloc(length);
    for (const piece of this.listed) {
      if (typeof piece.bytes === 'number') continue;
      if (piece.start < start + length && piece.start + piece.bytes.length > start) {
        const from = Math.max(0, start - piece.start);
        piece.bytes.copy(out, Math.max(0, piece.start - start), from);
      }
    }
    assert.ok(start + length <= this.size);
    return out;
  }

  #list(bytes: Buffer | number): void {
    this.listed.push({ start: this.size, bytes });
    this.size += typeof bytes === 'number' ? bytes : bytes.length;
  }
}

type Step =
  | { readonly kind: 'packed'; readonly pack: number; readonly member: number }
  | { readonly kind: 'large'; readonly pieces: readonly Piece[]; readonly cutLast: number; readonly tail: number }
  | { readonly kind: 'realign'; readonly alignment: number };

interface Piece {
  readonly gap: number;
  readonly bytes: Uint8Array;
}

const piece = fc.record({
  gap: fc.oneof(fc.constant(0), fc.nat(1000), fc.nat(200_000)),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 60 }),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('packed' as const), pack: fc.nat(3), member: fc.nat(7) }),
  fc.record({
    kind: fc.constant('large' as const),
    pieces: fc.array(piece, { maxLength: 5 }),
    cutLast: fc.nat(100),
    tail: fc.nat(50),
  }),
  fc.record({
    kind: fc.constant('realign' as const),
    alignment: fc.constantFrom(0, NEAR_ALIGNMENT_BYTES, FAR_ALIGNMENT_BYTES),
  }),
);

const packs = fc.array(fc.array(fc.uint8Array({ maxLength: 50 }), { minLength: 1, maxLength: 8 }), {
  minLength: 4,
  maxLength: 4,
});

/** Packs: header and content of each member, one after the other. */
function makePack(members: readonly Uint8Array[]): { bytes: Buffer; contentAt: number[] } {
  const contentAt: number[] = [];
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const content of members) {
    contentAt.push(at + 16);
    parts.push(payloadHeader(content.length), content);
    at += 16 + content.length;
  }
  return { bytes: Buffer.concat(parts), contentAt };
}

/** Either the last chunk is used in part, or a hole follows it. */
function largeFile(
  recorder: Recorder,
  { pieces, cutLast, tail }: Extract<Step, { kind: 'large' }>,
): [PayloadExtent[], Buffer] {
  const extents: PayloadExtent[] = [];
  const content: Buffer[] = [];
  let offset = 0;
  pieces.forEach(({ gap, bytes }, i) => {
    const chunk = Buffer.from(bytes);
    const isLast = i === pieces.length - 1;
    const length = isLast && tail < 25 ? Math.max(1, chunk.length - cutLast) : chunk.length;
    content.push(Buffer.alloc(gap), chunk.subarray(0, length));
    offset += gap;
    extents.push({ offset, length, digest: recorder.store(chunk), at: 0, chunkLength: chunk.length });
    offset += length;
  });
  if (tail >= 25) content.push(Buffer.alloc(tail));
  return [extents, Buffer.concat(content)];
}

test('any files: offsets strictly rise, and at each of them are header and content', () => {
  fc.assert(
    fc.property(packs, fc.array(step, { maxLength: 40 }), (packContents, steps) => {
      const recorder = new Recorder();
      const planner = new PayloadPlanner(recorder);
      const made = packContents.map((members) => ({ members, ...makePack(members) }));
      const placed: { place: PayloadPlace; content: Buffer }[] = [];
      for (const each of steps) {
        if (each.kind === 'realign') {
          planner.realign(each.alignment);
          if (each.alignment > 0) assert.equal(planner.position % each.alignment, 0);
        } else if (each.kind === 'packed') {
          const pack = made[each.pack] as (typeof made)[0];
          const member = each.member % pack.members.length;
          const content = Buffer.from(pack.members[member] as Uint8Array);
          const digest = recorder.store(pack.bytes);
          const contentAt = pack.contentAt[member] as number;
          const place = planner.packed(content.length, { digest, chunkLength: pack.bytes.length, contentAt });
          placed.push({ place, content });
        } else {
          const [extents, content] = largeFile(recorder, each);
          placed.push({ place: planner.large(content.length, extents), content });
        }
        assert.equal(planner.position, recorder.size);
      }
      assert.equal(planner.finish(), recorder.size);
      assertStream(recorder, placed);
    }),
    { seed: 21, numRuns: 300 },
  );
});

function assertStream(recorder: Recorder, placed: readonly { place: PayloadPlace; content: Buffer }[]): void {
  assert.deepEqual(recorder.read(0, 16), payloadStartMarker());
  assert.deepEqual(recorder.read(recorder.size - 16, 16), payloadTailMarker());
  let last = 15;
  for (const { place, content } of placed) {
    assert.ok(place.offset > last);
    last = place.offset;
    assert.equal(place.size, content.length);
    assert.ok(isPayloadHeader(recorder.read(place.offset, 16), 0, place.size));
    assert.deepEqual(recorder.read(place.offset + 16, place.size), content);
  }
}

test('files of one pack in its order share one listing; out of order it is listed again', () => {
  const recorder = new Recorder();
  const planner = new PayloadPlanner(recorder);
  const pack = makePack([Buffer.from('one'), Buffer.from('two'), Buffer.from('three')]);
  const digest = recorder.store(pack.bytes);
  const place = (member: number, size: number): number => {
    const piece = { digest, chunkLength: pack.bytes.length, contentAt: pack.contentAt[member] as number };
    return planner.packed(size, piece).offset;
  };
  assert.deepEqual([place(0, 3), place(1, 3), place(2, 5)], [16, 35, 54]);
  assert.equal(recorder.listed.length, 2);
  const second = 16 + pack.bytes.length;
  assert.deepEqual([place(0, 3), place(2, 5), place(2, 5)], [second, second + 38, second + pack.bytes.length + 38]);
  assert.equal(recorder.listed.length, 4);
});

test('what was placed before a realignment does not show behind it', () => {
  const tail = (before: number): unknown => {
    const recorder = new Recorder();
    const planner = new PayloadPlanner(recorder);
    const pack = makePack([Buffer.from('one'), Buffer.from('two')]);
    const piece = { digest: recorder.store(pack.bytes), chunkLength: pack.bytes.length, contentAt: 16 };
    for (let i = 0; i < before; i += 1) planner.packed(3, piece);
    planner.realign(FAR_ALIGNMENT_BYTES);
    return planner.packed(3, { ...piece, contentAt: 35 });
  };
  assert.deepEqual(tail(1), tail(2));
  assert.deepEqual(tail(1), { offset: FAR_ALIGNMENT_BYTES + 19, size: 3 });
});

test('extents no index can list are told and refused', () => {
  const digest = Buffer.alloc(32, 1);
  const extent = (offset: number, length: number, at: number, chunkLength: number): PayloadExtent => ({
    offset,
    length,
    digest,
    at,
    chunkLength,
  });
  const listable = [extent(0, 100, 0, 100), extent(150, 50, 0, 80)];
  assert.deepEqual(raggedExtents(200, listable), []);
  const ragged = [
    extent(0, 50, 0, 100),
    extent(50, 50, 50, 100),
    extent(100, 50, 0, 80),
    extent(150, 50, 30, 80),
    extent(150, 100, 0, 100),
  ];
  assert.deepEqual(raggedExtents(200, ragged), ragged);
  const planner = (): PayloadPlanner => new PayloadPlanner({ chunk: () => {}, item: () => {}, zeros: () => {} });
  for (const each of ragged) assert.throws(() => planner().large(200, [each]), { kind: 'invalid' });
  assert.throws(() => planner().large(100, [extent(0, 100, 0, 100), extent(50, 50, 0, 50)]), { kind: 'invalid' });
  assert.throws(() => planner().large(50, [extent(0, 100, 0, 100)]), { kind: 'invalid' });
  assert.throws(() => planner().packed(10, { digest, chunkLength: 100, contentAt: 15 }), { kind: 'invalid' });
  assert.throws(() => planner().packed(10, { digest, chunkLength: 100, contentAt: 91 }), { kind: 'invalid' });
  assert.equal(planner().packed(10, { digest, chunkLength: 100, contentAt: 90 }).offset, 16 + 74);
});

test('the payload starts afresh once in 4,096 files, and far along once in 65,536 or in a GiB', () => {
  const points = (size: number): Map<number, number> => {
    const counts = new Map<number, number>();
    for (let i = 0; i < 65_536; i += 1) {
      const hash = createHash('sha256').update(String(i)).digest().readUInt32LE();
      const alignment = alignmentBehind(hash, size);
      counts.set(alignment, (counts.get(alignment) ?? 0) + 1);
    }
    return counts;
  };
  const near = points(0).get(NEAR_ALIGNMENT_BYTES) ?? 0;
  assert.ok(near >= 8 && near <= 32, String(near));
  assert.ok((points(0).get(FAR_ALIGNMENT_BYTES) ?? 0) <= 4);
  const far = points(2 ** 20).get(FAR_ALIGNMENT_BYTES) ?? 0;
  assert.ok(far >= 40 && far <= 100, String(far));
  assert.equal(points(2 ** 30).get(FAR_ALIGNMENT_BYTES), 65_536);
  assert.equal(alignmentBehind(0, 0), FAR_ALIGNMENT_BYTES);
  assert.equal(alignmentBehind(2 ** 32 - 1, 0), NEAR_ALIGNMENT_BYTES);
  assert.equal(alignmentBehind(2 ** 31, 0), 0);
});
