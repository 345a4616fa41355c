// Prints what the addon's primitives do on this machine, one thread each: node scripts/bench-native.mjs [dist folder]
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const dist = resolve(process.argv[2] ?? 'dist');
const door = (name) => import(pathToFileURL(join(dist, 'src', 'native', `${name}.js`)).href);
const [hash, chunker, blob, draft, cache, decoding, journal, erasure] = await Promise.all(
  ['hash', 'chunker', 'blob', 'draft', 'chunk-cache', 'chunk-decoding', 'journal-file', 'erasure'].map(door),
);

const MIB = 1 << 20;
const CHUNK = MIB;
const ROUNDS = 5;

/** The best of several rounds, in bytes and calls per second. */
async function measure(name, bytes, calls, round) {
  let best = Number.POSITIVE_INFINITY;
  for (let index = 0; index < ROUNDS; index++) {
    const start = process.hrtime.bigint();
    await round();
    best = Math.min(best, Number(process.hrtime.bigint() - start) / 1e9);
  }
  const rate = `${(bytes / best / 1e6).toFixed(0)} MB/s`.padStart(12);
  console.log(`${name.padEnd(44)}${rate}${`${((best / calls) * 1e6).toFixed(2)} µs/call`.padStart(20)}`);
}

function pieces(bytes, size) {
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
}

const program = readFileSync(process.execPath).subarray(0, 64 * MIB);
const random = randomBytes(64 * MIB);
const dynamic = { kind: 'dynamic', minBytes: MIB / 4, averageBytes: MIB, maxBytes: 4 * MIB };
const unskipped = { kind: 'dynamic', minBytes: 64, averageBytes: 2 ** 27, maxBytes: 2 ** 28 };
const out = Buffer.alloc(4 * MIB + blob.BLOB_HEADER_BYTES);

async function benchPrimitives() {
  await measure('sha256, 1 MiB', program.length, 64, () => {
    for (const piece of pieces(program, CHUNK)) hash.sha256Sync(piece);
  });
  await measure('gear scan, every byte', random.length, 1, () => chunker.scanChunksSync(random, unskipped, false));
  await measure('cut: scan + sha256', random.length, 1, () => chunker.scanChunksSync(random, dynamic, true));
  await measure('crc32, 1 MiB', program.length, 64, () => {
    for (const piece of pieces(program, CHUNK)) hash.crc32(piece);
  });
}

/** One call at a time, so one thread. */
async function benchErasure() {
  for (const [data, parity] of [
    [4, 2],
    [6, 3],
    [8, 4],
    [10, 4],
  ]) {
    const counts = { data, parity };
    const shardBytes = Math.ceil(CHUNK / data);
    const room = Buffer.alloc(parity * shardBytes);
    await measure(`erasure encode and sums ${data}+${parity}, 1 MiB`, random.length, 64, async () => {
      for (const piece of pieces(random, CHUNK)) await erasure.encodeObject(counts, piece, shardBytes, room);
    });
    const left = Array.from({ length: data }, (_, index) => ({
      index: index + parity,
      bytes: random.subarray(index * shardBytes, (index + 1) * shardBytes),
    }));
    const lost = Array.from({ length: parity }, (_, index) => index);
    await measure(`erasure rebuild ${parity} of ${data}+${parity}, 1 MiB`, 64 * CHUNK, 64, async () => {
      for (let call = 0; call < 64; call++) await erasure.rebuildShards(counts, left, lost);
    });
  }
  await measure('crc64, 1 MiB', random.length, 1, () => erasure.crc64(pieces(random, CHUNK)));
}

async function benchBlobs() {
  for (const [name, bytes] of [
    ['program', program],
    ['random', random],
  ]) {
    const plains = pieces(bytes, CHUNK);
    for (const level of [1, 2, 3]) {
      let stored = 0;
      await measure(`encodeBlob zstd ${level}, 1 MiB, ${name}`, bytes.length, plains.length, () => {
        stored = 0;
        for (const plain of plains) stored += blob.encodeBlobSync(plain, out, level);
      });
      console.log(`  ${(stored / bytes.length).toFixed(3)} of the bytes`);
    }
    const blobs = plains.map((plain) => Buffer.from(out.subarray(0, blob.encodeBlobSync(plain, out, 1))));
    const digests = plains.map((plain) => hash.sha256Sync(plain));
    cache.setCacheLimit(16 * MIB);
    await measure(`decodeIntoCache (checks SHA-256), ${name}`, bytes.length, plains.length, async () => {
      for (const [at, bytes] of blobs.entries()) {
        cache.dropCached(digests[at]);
        const expected = { digest: digests[at], maxPlainBytes: CHUNK, plainLength: CHUNK };
        await decoding.decodeIntoCache(expected, bytes);
      }
    });
    await measure(`decodeBlob, ${name}`, bytes.length, plains.length, async () => {
      for (const bytes of blobs) await blob.decodeBlob(bytes, CHUNK);
    });
  }
}

async function benchDrafts() {
  for (const size of [4096, 128 << 10, MIB]) {
    const writes = pieces(random, size);
    await measure(`draft write + dispose, ${size >> 10} KiB, 32 MiB runs`, random.length, writes.length, () => {
      let target = new draft.Draft();
      writes.forEach((bytes, at) => {
        const offset = (at * size) % (32 * MIB);
        if (offset === 0) {
          target.dispose();
          target = new draft.Draft();
        }
        target.write(offset, bytes);
      });
      target.dispose();
    });
  }
  await measure('draft of one 4 KiB file', 10_000 * 4096, 10_000, () => {
    for (let file = 0; file < 10_000; file++) {
      const target = new draft.Draft();
      target.write(0, random.subarray(0, 4096));
      target.dispose();
    }
  });
  const target = new draft.Draft();
  target.write(0, program.subarray(0, 16 * MIB));
  await measure('draft cut, 16 MiB', 16 * MIB, 1, () => target.cut(0, 16 * MIB, dynamic, true));
  await measure('draft encode zstd 1, 1 MiB', MIB, 1, () => target.encode(0, MIB, out, 1));
  target.dispose();
}

async function benchJournal(folder) {
  const header = Buffer.alloc(40, 1);
  for (const [size, count] of [
    [160, 50_000],
    [4096, 10_000],
    [256 << 10, 400],
  ]) {
    let number = 0;
    const body = random.subarray(0, size);
    const name = size < 1024 ? `${size} B` : `${size >> 10} KiB`;
    await measure(`journal append, header + ${name}`, count * (size + header.length), count, () => {
      const path = join(folder, `${size}-${number++}`);
      const file = journal.JournalFile.open(path, { create: true, preallocateBytes: 64 * MIB });
      for (let record = 0; record < count; record++) file.append(header, [body]);
      file.close();
    });
  }
}

async function benchPool() {
  const tiny = Buffer.alloc(1);
  await measure('round trip through the pool, one by one', 0, 20_000, async () => {
    for (let call = 0; call < 20_000; call++) await hash.sha256(tiny);
  });
  await measure('round trip through the pool, 100 at once', 0, 20_000, async () => {
    for (let call = 0; call < 200; call++) await Promise.all(Array.from({ length: 100 }, () => hash.sha256(tiny)));
  });
}

const folder = mkdtempSync(join(tmpdir(), 'cairn-bench-'));
try {
  await benchPrimitives();
  await benchErasure();
  await benchBlobs();
  await benchDrafts();
  await benchJournal(folder);
  await benchPool();
} finally {
  rmSync(folder, { recursive: true });
}
