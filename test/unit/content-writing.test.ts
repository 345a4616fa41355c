import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ChunkExtent } from '../../src/catalog/extent.js';
import { ChunkSink } from '../../src/content/chunk-sink.js';
import { StreamCutter } from '../../src/content/stream-cutter.js';
import { WriteBudget } from '../../src/content/write-budget.js';
import { CairnError } from '../../src/core/errors.js';
import type { Cutter } from '../../src/native/chunker.js';
import { Draft } from '../../src/native/draft.js';
import { JournalFile } from '../../src/native/journal-file.js';
import { digestOf, ofKind } from '../support/catalog.js';
import { bodyOf, TestLiveStore } from '../support/live-store.js';
import { Random } from '../support/random.js';

const MIB = 1024 * 1024;

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test('writers wait in line for memory and go on as it shrinks', async () => {
  let memory = 0;
  const budget = new WriteBudget(100, () => memory);
  assert.equal(budget.full, false);
  await budget.room();
  memory = 100;
  const order: number[] = [];
  const waiting = [1, 2, 3].map((number) => budget.room().then(() => order.push(number)));
  budget.shrunk();
  await turn();
  assert.deepEqual(order, []);
  assert.equal(budget.full, true);
  memory = 99;
  budget.shrunk();
  await Promise.all(waiting);
  assert.deepEqual(order, [1, 2, 3]);
  assert.equal(budget.full, false);
});

test('what makes drafts shrink is called again for as long as writers wait', async () => {
  let memory = 300;
  let presses = 0;
  const budget = new WriteBudget(100, () => memory);
  // The first call finds all drafts busy; a later one does not.
  budget.onPressure(() => {
    presses += 1;
    if (presses < 3) return;
    memory = 50;
    budget.shrunk();
  });
  const waiting = budget.room();
  assert.equal(presses, 1);
  budget.shrunk();
  assert.equal(presses, 2);
  budget.shrunk();
  await waiting;
  budget.shrunk();
  assert.equal(presses, 3, 'pressed without anybody waiting');
});

test('another bound makes writers wait, or refuses them; what is there already goes on', async () => {
  let full = true;
  const waiting = new WriteBudget(100, () => 0);
  waiting.boundBy({ isFull: () => full, refusal: undefined });
  const order: string[] = [];
  const waits = waiting.room().then(() => order.push('in'));
  waiting.shrunk();
  await turn();
  assert.deepEqual(order, []);
  full = false;
  waiting.shrunk();
  await waits;
  const refusing = new WriteBudget(100, () => 0);
  refusing.boundBy({ isFull: () => full, refusal: 'too much waits' });
  await refusing.room();
  full = true;
  await assert.rejects(refusing.room(), { kind: 'no-space', message: 'too much waits' });
  full = false;
  assert.equal(refusing.full, false);
});

/** A chunk store that records what is asked of it. */
class FakeChunks {
  readonly held: string[] = [];
  readonly events: string[] = [];
  /** Blob length of the chunks on disk. */
  readonly onDisk = new Map<string, number>();
  failure: CairnError | undefined;

  hold(digest: Uint8Array): void {
    this.held.push(hex(digest));
    this.events.push('hold');
  }

  release(digest: Uint8Array): void {
    const at = this.held.indexOf(hex(digest));
    assert.ok(at >= 0, 'released without a hold');
    this.held.splice(at, 1);
  }

  async reuse(digest: Uint8Array, known: () => number | undefined): Promise<number | undefined> {
    const stored = known();
    if (stored === undefined) return undefined;
    this.events.push('reuse');
    return this.onDisk.get(hex(digest)) === stored ? stored : undefined;
  }

  async insert(digest: Uint8Array): Promise<number> {
    this.events.push('insert');
    if (this.failure !== undefined) throw this.failure;
    this.onDisk.set(hex(digest), 50);
    return 50;
  }
}

function hex(digest: Uint8Array): string {
  return Buffer.from(digest).toString('hex');
}

function makeSink(known: Map<string, { length: number; stored: number }>) {
  const chunks = new FakeChunks();
  const sink = new ChunkSink(chunks as never, {
    findPresent: (digest) => {
      chunks.events.push('look up');
      return known.get(hex(digest));
    },
    rewritten: async () => void chunks.events.push('rewritten'),
  });
  return { chunks, sink };
}

test('a sink holds a chunk before it is looked up, until its commit', async () => {
  const known = new Map<string, { length: number; stored: number }>();
  const { chunks, sink } = makeSink(known);
  const draft = new Draft();
  const digest = digestOf('a');
  const extent = await sink.store(draft, 100, 300, digest);
  assert.deepEqual(chunks.events, ['hold', 'look up', 'insert', 'rewritten']);
  const place = { offset: 100, length: 200, at: 0, chunkLength: 200, storedLength: 50 };
  assert.deepEqual(extent, { kind: 'chunk', digest, ...place });
  sink.named(digest);
  assert.deepEqual(chunks.held, [hex(digest)]);
  assert.deepEqual(sink.takeNamed(), [digest]);
  assert.deepEqual(sink.takeNamed(), []);
  draft.dispose();
});

test('a sink uses a known chunk again only if it proves present with its length', async () => {
  const digest = digestOf('a');
  const known = new Map([[hex(digest), { length: 200, stored: 60 }]]);
  const { chunks, sink } = makeSink(known);
  const draft = new Draft();
  chunks.onDisk.set(hex(digest), 60);
  assert.equal((await sink.store(draft, 0, 200, digest)).storedLength, 60);
  assert.deepEqual(chunks.events.splice(0), ['hold', 'look up', 'reuse']);
  chunks.onDisk.set(hex(digest), 59);
  assert.equal((await sink.store(draft, 0, 200, digest)).storedLength, 50);
  assert.deepEqual(chunks.events.splice(0), ['hold', 'look up', 'reuse', 'insert', 'rewritten']);
  known.set(hex(digest), { length: 201, stored: 50 });
  await sink.store(draft, 0, 200, digest);
  assert.deepEqual(chunks.events.splice(0), ['hold', 'look up', 'insert', 'rewritten']);
  draft.dispose();
});

test('a sink holds nothing that it could not store', async () => {
  const { chunks, sink } = makeSink(new Map());
  chunks.failure = new CairnError('no-space', 'full');
  const draft = new Draft();
  await assert.rejects(sink.store(draft, 0, 10, digestOf('a')), ofKind('no-space'));
  assert.deepEqual(chunks.held, []);
  draft.dispose();
});

const CUTTER: Cutter = { kind: 'dynamic', minBytes: 64 * 1024, averageBytes: 256 * 1024, maxBytes: MIB };

/** A cutter over a draft, with an owner that takes what is stored out of the draft as a file does. */
function makeStream(t: TestContext, start = 0) {
  const draft = new Draft();
  t.after(() => draft.dispose());
  const stored: ChunkExtent[] = [];
  const errors: unknown[] = [];
  const events: string[] = [];
  const gate = { wait: Promise.resolve(), failure: undefined as Error | undefined };
  const sink = {
    async store(from: Draft, first: number, end: number, digest: Buffer): Promise<ChunkExtent> {
      await gate.wait;
      if (gate.failure !== undefined) throw gate.failure;
      const length = end - first;
      assert.deepEqual(await from.digest(first, end), digest);
      return { kind: 'chunk', offset: first, length, digest, at: 0, chunkLength: length, storedLength: length };
    },
  };
  const stream = new StreamCutter(draft, sink as never, CUTTER, start, {
    dirtyEnd: (from) => draft.covered(from, from + 2 ** 40)[0]?.end ?? from,
    stored: (extent) => {
      stored.push(extent);
      draft.drop(extent.offset, extent.offset + extent.length);
    },
    failed: (error) => errors.push(error),
    settled: () => events.push(`settled busy=${stream.busy}`),
  });
  return { draft, stream, stored, errors, events, gate };
}

test('a stream cuts all bytes exactly once, the same however they come in', async (t) => {
  const random = new Random(3);
  const bytes = random.bytes(11 * MIB + 17);
  const cuts: number[][] = [];
  for (const request of [MIB, 300_000]) {
    const { draft, stream, stored, errors, events } = makeStream(t);
    for (let at = 0; at < bytes.length; at += request) {
      draft.write(at, bytes.subarray(at, at + request));
      stream.advance();
      await turn();
    }
    await stream.finish(bytes.length);
    assert.deepEqual(errors, []);
    stored.sort((a, b) => a.offset - b.offset);
    let at = 0;
    for (const { offset, length } of stored) {
      assert.equal(offset, at);
      at += length;
    }
    assert.equal(at, bytes.length);
    assert.equal(draft.dirtyBytes, 0);
    assert.equal(stream.next, bytes.length);
    assert.equal(stream.busy, false);
    assert.ok(events.length > 0 && events.every((event) => event === 'settled busy=false'));
    cuts.push(stored.map(({ offset }) => offset));
  }
  assert.deepEqual(cuts[0], cuts[1]);
});

test('a stream freezes what is scanned or stored, and nothing else', async (t) => {
  const { draft, stream, gate } = makeStream(t);
  let letGo: () => void = () => undefined;
  gate.wait = new Promise((resolve) => {
    letGo = resolve;
  });
  draft.write(0, new Random(4).bytes(5 * MIB));
  stream.advance();
  assert.ok(stream.busy);
  assert.ok(stream.frozen(5 * MIB - 1, 5 * MIB));
  assert.ok(!stream.frozen(5 * MIB, 6 * MIB));
  while (!stream.started) await turn();
  assert.ok(stream.frozen(0, 1), 'bytes that are being stored');
  assert.ok(!stream.frozen(stream.next, stream.next + 1), 'bytes behind the last cut');
  letGo();
  await stream.idle();
  assert.ok(!stream.frozen(0, 5 * MIB));
});

test('a stream tells of each chunk that cannot be stored, then that it is idle, and keeps the bytes', async (t) => {
  const { draft, stream, stored, errors, events, gate } = makeStream(t);
  gate.failure = new CairnError('no-space', 'full');
  const bytes = new Random(5).bytes(5 * MIB);
  draft.write(0, bytes);
  await stream.finish(bytes.length);
  assert.ok(errors.length > 0 && errors.every((error) => error === gate.failure));
  assert.deepEqual(stored, []);
  assert.equal(draft.dirtyBytes, bytes.length);
  assert.equal(events.at(-1), 'settled busy=false');
});

test('fsync waits for no timer and costs one sync of the journal; writers that come meanwhile share the next', async (t) => {
  const store = await TestLiveStore.make(t);
  const contents = Array.from({ length: 8 }, (_, index) => {
    const ino = store.makeFile(`synced ${index}`);
    return { ino, content: store.openFile(ino) };
  });
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate'] });
  const syncs = t.mock.method(JournalFile.prototype, 'sync');
  const { contents: table, durability } = store.live;
  const write = async ({ ino, content }: (typeof contents)[number], at: number) => {
    await content.write(at, bodyOf(Buffer.alloc(4096, at)));
    await content.flush();
    await durability.barrier();
    assert.equal(table.get(ino)?.dirty, false);
  };
  for (let round = 0; round < 20; round++) await write(contents[0] as (typeof contents)[number], round * 4096);
  assert.equal(syncs.mock.callCount(), 20);
  await Promise.all(contents.map((one) => write(one, 81_920)));
  assert.equal(syncs.mock.callCount(), 22, 'one that ran already, and one for all who came during it');
  t.mock.timers.reset();
  for (const { ino } of contents) await table.close(ino);
});
