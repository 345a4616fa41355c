import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ChangeLog } from '../../src/content/change-log.js';
import { ChunkSink } from '../../src/content/chunk-sink.js';
import { Durability } from '../../src/content/durability.js';
import { Journal } from '../../src/content/journal/journal.js';
import { CairnError } from '../../src/core/errors.js';
import { JournalFile } from '../../src/native/journal-file.js';
import { ofKind } from '../support/catalog.js';
import { temporaryFolder } from '../support/temporary-folder.js';

/** A promise that is settled by hand. */
class Latch {
  resolve: () => void = () => undefined;
  reject: (error: Error) => void = () => undefined;
  readonly promise = new Promise<void>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
}

/** Durability over a real journal, with everything else made of records of what was called. */
class Bench {
  readonly events: string[] = [];
  readonly journal: Journal;
  readonly log: ChangeLog;
  readonly durability: Durability;
  readonly syncs: Latch[] = [];
  readonly counters = { encodedBytes: 0 };
  /** Whether syncs of chunks end by themselves. */
  byHand = false;
  oldestSegment: number | undefined;
  commitFails = false;
  readonly sink: ChunkSink;
  readonly released: Uint8Array[] = [];

  private constructor(journal: Journal) {
    this.journal = journal;
    this.log = new ChangeLog(journal, { apply: () => true });
    this.sink = new ChunkSink({ release: (digest: Uint8Array) => this.released.push(digest) } as never, {} as never);
    const { log, sink, counters } = this;
    const clock = { now: () => ({ seconds: 5, nanoseconds: 0 }) };
    const gate = { pause: () => this.events.push('pause'), resume: () => this.events.push('resume') };
    const chunks = { counters, sync: () => this.#sync() };
    const transactions = {
      commitAndBegin: (sequence: number) => {
        if (this.commitFails) throw new CairnError('io', 'made to fail');
        this.events.push(`commit ${sequence}`);
      },
      syncCommit: async () => {
        this.events.push('sync commit');
      },
      oldestSegmentInUse: () => this.oldestSegment,
    };
    this.durability = new Durability({ log, journal, chunks, transactions, gate, clock, sink });
  }

  static async make(t: TestContext): Promise<Bench> {
    const journal = await Journal.open(temporaryFolder(t), 0);
    t.after(() => journal.close());
    return new Bench(journal);
  }

  /** The n-th sync of chunks, counted from 0, once it has begun. */
  async sync(index: number): Promise<Latch> {
    for (;;) {
      const latch = this.syncs[index];
      if (latch !== undefined) return latch;
      await turn();
    }
  }

  change(): number {
    this.log.make({ kind: 'drop-orphan', ino: 1 });
    return this.log.lastSequence;
  }

  #sync(): Promise<void> {
    this.events.push('sync');
    if (!this.byHand) return Promise.resolve();
    const latch = new Latch();
    this.syncs.push(latch);
    return latch.promise;
  }
}

/** Lets everything that is ready go on. */
async function turn(): Promise<void> {
  for (let round = 0; round < 5; round++) await new Promise((resolve) => setImmediate(resolve));
}

test('barrier() calls during one share the next, and one that has nothing to do syncs nothing', async (t) => {
  const bench = await Bench.make(t);
  await bench.durability.barrier();
  assert.deepEqual(bench.events, []);
  bench.byHand = true;
  bench.change();
  const first = bench.durability.barrier();
  bench.change();
  const [second, third] = [bench.durability.barrier(), bench.durability.barrier()];
  assert.equal(second, third);
  (await bench.sync(0)).resolve();
  await first;
  const next = await bench.sync(1);
  assert.equal(bench.durability.allDurable, false);
  next.resolve();
  await second;
  assert.equal(bench.syncs.length, 2);
  assert.equal(bench.durability.allDurable, true);
});

test('no second barrier starts beside one that waited for its turn', async (t) => {
  const bench = await Bench.make(t);
  bench.byHand = true;
  bench.change();
  let atOnce = 0;
  let most = 0;
  const real = JournalFile.prototype.sync;
  t.mock.method(JournalFile.prototype, 'sync', async function (this: JournalFile) {
    most = Math.max(most, ++atOnce);
    await real.call(this);
    atOnce -= 1;
  });
  const first = bench.durability.barrier();
  // As a commit does: it goes on right when the first one ends, before the one that waits for it starts.
  const after = first.then(() => {
    bench.change();
    return bench.durability.barrier();
  });
  bench.change();
  const waiting = bench.durability.barrier();
  (await bench.sync(0)).resolve();
  const second = await bench.sync(1);
  await turn();
  const begun = bench.syncs.length;
  for (const latch of bench.syncs) latch.resolve();
  second.resolve();
  await Promise.all([after, waiting]);
  assert.equal(begun, 2, 'two barriers run at the same time');
  assert.equal(most, 1);
  assert.equal(bench.durability.allDurable, true);
});

test('commit() comes only when all that is applied is behind a barrier', async (t) => {
  const bench = await Bench.make(t);
  bench.byHand = true;
  bench.change();
  const committed = bench.durability.commit();
  for (let round = 0; round < 4; round++) {
    const latch = await bench.sync(round);
    bench.change();
    latch.resolve();
  }
  const last = await bench.sync(4);
  assert.ok(!bench.events.some((event) => event.startsWith('commit')), 'committed too early');
  last.resolve();
  await committed;
  assert.equal(bench.events.at(-2), `commit ${bench.log.lastSequence}`);
  assert.equal(bench.events.at(-1), 'resume');
  assert.equal(bench.durability.allDurable, true);
  assert.equal(bench.log.changesSinceCommit, 0);
});

test('commitWith() does its hooks inside the pause and after it, and background work waits meanwhile', async (t) => {
  const bench = await Bench.make(t);
  bench.byHand = true;
  let during = 0;
  const hooks = {
    before: () => {
      during = bench.change();
      bench.events.push('before');
      void bench.log.backgroundTurn().then(() => bench.events.push('background'));
    },
    after: async () => {
      bench.events.push('after');
    },
  };
  const committed = bench.durability.commitWith(hooks);
  const latch = await bench.sync(0);
  assert.deepEqual(bench.events, ['pause', 'before', 'sync']);
  latch.resolve();
  await committed;
  const sequence = bench.log.lastSequence;
  assert.ok(sequence > during);
  const rest = ['pause', 'before', 'sync', `commit ${sequence}`, 'resume'];
  assert.deepEqual(bench.events.slice(0, 5), rest);
  assert.deepEqual(new Set(bench.events.slice(5)), new Set(['after', 'background']));
});

test('chunks are released when the commit that names them has returned', async (t) => {
  const bench = await Bench.make(t);
  const digest = Buffer.alloc(32, 1);
  bench.change();
  bench.sink.named(digest);
  await bench.durability.barrier();
  assert.deepEqual(bench.released, []);
  await bench.durability.commit();
  assert.deepEqual(bench.released, [digest]);
});

/** Fills the current segment and starts the next one. */
function nextSegment(bench: Bench): void {
  const before = bench.journal.currentSegment;
  const body = Buffer.alloc(40 * 1024 * 1024);
  const change = { kind: 'drop-orphan', ino: 1 } as const;
  while (bench.journal.currentSegment === before) bench.log.makeWithBodies(change, [body], body.length);
}

test('segments go after the commit that needs them no more is durable, and stay while pictures are open', async (t) => {
  const bench = await Bench.make(t);
  bench.change();
  nextSegment(bench);
  bench.oldestSegment = 1;
  await bench.durability.commit();
  assert.deepEqual(bench.journal.closedSegments(), [1], 'a segment that is in use is gone');
  bench.oldestSegment = undefined;
  const letGo = bench.durability.keepSegments();
  bench.change();
  await bench.durability.commit();
  assert.deepEqual(bench.journal.closedSegments(), [1], 'a segment that a picture may point into is gone');
  letGo();
  letGo();
  bench.change();
  await bench.durability.commit();
  assert.deepEqual(bench.journal.closedSegments(), []);
  assert.equal(bench.events.at(-1), 'sync commit');
});

test('records behind the commit keep their segment, whatever came while the commit went on', async (t) => {
  const bench = await Bench.make(t);
  bench.change();
  await bench.durability.commitWith({
    before: () => undefined,
    after: async () => {
      bench.change();
      nextSegment(bench);
    },
  });
  assert.deepEqual(bench.journal.closedSegments(), [1], 'records that SQLite lacks are gone');
});

test('a failed sync turns the store read-only for good', async (t) => {
  const bench = await Bench.make(t);
  bench.byHand = true;
  bench.change();
  const barrier = bench.durability.barrier();
  bench.syncs[0]?.reject(Object.assign(new Error('made to fail'), { code: 'EIO' }));
  await assert.rejects(barrier, ofKind('io'));
  assert.throws(() => bench.change(), ofKind('read-only'));
  await assert.rejects(bench.durability.commitWith({ before: () => undefined, after: async () => undefined }));
  assert.ok(!bench.events.some((event) => event.startsWith('commit')));
});

test('a failed commit turns the store read-only and lets requests go on', async (t) => {
  const bench = await Bench.make(t);
  bench.change();
  bench.commitFails = true;
  await assert.rejects(bench.durability.commit(), ofKind('io'));
  assert.equal(bench.events.at(-1), 'resume');
  assert.throws(() => bench.change(), ofKind('read-only'));
});
