import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { ArchiveEncoder, type EntryMetadata } from '../../src/archive/encoder.js';
import {
  FAR_ALIGNMENT_BYTES,
  type PayloadExtent,
  type PayloadListing,
  PayloadPlanner,
} from '../../src/archive/payload.js';
import {
  type PayloadPlace,
  payloadHeader,
  payloadStartMarker,
  payloadTailMarker,
} from '../../src/archive/payload-items.js';
import * as standing from '../../src/chunk/standing-chunks.js';
import { zeroChunkDigest, zeroChunkLengthsOf } from '../../src/chunk/zero-chunks.js';
import { DynamicIndexBuilder } from '../../src/index/dynamic-index.js';
import { decodeIndex, streamOfIndex } from '../support/spec-decoder/indexes.js';
import { decodeArchive } from '../support/spec-decoder/pxar.js';

const stat: Omit<EntryMetadata, 'mode'> = { uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0, xattrs: [] };
const stamp = { uuid: Buffer.alloc(16), ctime: 0 };

/** Chunks in memory and the index over them, as snapshot creation makes it. */
class Store implements PayloadListing {
  readonly chunks = new Map<string, Uint8Array>();
  readonly builder = new DynamicIndexBuilder();

  put(bytes: Uint8Array): Buffer {
    const digest = createHash('sha256').update(bytes).digest();
    this.chunks.set(digest.toString('hex'), bytes);
    return digest;
  }

  chunk(digest: Uint8Array, length: number): void {
    this.builder.append(digest, length);
  }

  item(bytes: Uint8Array): void {
    this.builder.append(this.put(bytes), bytes.length);
  }

  zeros(length: number): void {
    for (const each of zeroChunkLengthsOf(length)) this.builder.append(zeroChunkDigest(each), each);
  }

  load(hex: string, zeros: ReadonlyMap<string, number>): Uint8Array {
    const length = zeros.get(hex);
    return length === undefined ? (this.chunks.get(hex) as Uint8Array) : Buffer.alloc(length);
  }
}

interface ModelFile {
  /** Content of a packed file (pack number), or the pieces of a large one with a hole before each. */
  readonly pack: number | undefined;
  readonly content: Uint8Array;
  readonly pieces: readonly { readonly hole: number; readonly bytes: Uint8Array }[];
  readonly tail: number;
  readonly realign: boolean;
}

const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 });
const file: fc.Arbitrary<ModelFile> = fc
  .record({
    pack: fc.option(fc.nat(2)),
    content: bytes,
    tail: fc.nat(70_000),
    pieces: fc.array(fc.record({ hole: fc.nat(100_000), bytes }), { maxLength: 4 }),
    realign: fc.nat(30).map((number) => number === 0),
  })
  .map(({ pack, ...rest }) => ({ ...rest, pack: pack ?? undefined }));

/** Packs of the packed files, each in an order of its own; where each content is. */
function packFiles(store: Store, files: readonly ModelFile[]) {
  const pieces = new Map<ModelFile, { digest: Buffer; chunkLength: number; contentAt: number }>();
  for (const pack of [0, 1, 2]) {
    const members = files.filter((each) => each.pack === pack).reverse();
    const chunk = Buffer.concat(members.flatMap(({ content }) => [payloadHeader(content.length), content]));
    const digest = store.put(chunk);
    let at = 16;
    for (const member of members) {
      pieces.set(member, { digest, chunkLength: chunk.length, contentAt: at });
      at += 16 + member.content.length;
    }
  }
  return pieces;
}

function largeFile(store: Store, model: ModelFile): { extents: PayloadExtent[]; content: Buffer } {
  const extents: PayloadExtent[] = [];
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const { hole, bytes: data } of model.pieces) {
    offset += hole;
    parts.push(Buffer.alloc(hole), data);
    extents.push({ offset, length: data.length, digest: store.put(data), at: 0, chunkLength: data.length });
    offset += data.length;
  }
  parts.push(Buffer.alloc(model.tail));
  return { extents, content: Buffer.concat(parts) };
}

test('archive, payload plan and index together are what the independent decoder reads', () => {
  const zeros = new Map(
    [...Array(25).keys()].map((i) => [Buffer.from(zeroChunkDigest(2 ** i)).toString('hex'), 2 ** i]),
  );
  fc.assert(
    fc.property(fc.array(file, { maxLength: 25 }), (files) => {
      const store = new Store();
      const packed = packFiles(store, files);
      const planner = new PayloadPlanner(store);
      const metadata: Uint8Array[] = [];
      const encoder = new ArchiveEncoder((piece) => metadata.push(piece), { ...stat, mode: 0o40755 });
      const contents: Buffer[] = [];
      files.forEach((model, i) => {
        if (model.realign) planner.realign(FAR_ALIGNMENT_BYTES);
        const piece = packed.get(model);
        let place: PayloadPlace;
        if (piece === undefined) {
          const { extents, content } = largeFile(store, model);
          contents.push(content);
          place = planner.large(content.length, extents);
        } else {
          contents.push(Buffer.from(model.content));
          place = planner.packed(model.content.length, piece);
        }
        encoder.file(Buffer.from(`file ${i}`), { ...stat, mode: 0o100644 }, place);
      });
      encoder.endFolder();
      assert.equal(planner.finish(), store.builder.contentLength);
      const index = decodeIndex(store.builder.finish(stamp).bytes);
      const payload = streamOfIndex(index, (hex) => store.load(hex, zeros));
      const { root } = decodeArchive(Buffer.concat(metadata), payload);
      assert.deepEqual(
        root.children.map((child) => child.payload?.content()),
        contents,
      );
    }),
    { seed: 77, numRuns: 60 },
  );
});

test('the standing chunks are the markers and the header of an empty file', () => {
  assert.deepEqual(standing.payloadStartMarker.bytes(), payloadStartMarker());
  assert.deepEqual(standing.payloadTailMarker.bytes(), payloadTailMarker());
  assert.deepEqual(standing.emptyFilePayload.bytes(), payloadHeader(0));
});
