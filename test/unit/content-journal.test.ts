import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Change, ContentChange } from '../../src/catalog/change.js';
import { ChangeLog } from '../../src/content/change-log.js';
import { Journal } from '../../src/content/journal/journal.js';
import { findRecord } from '../../src/content/journal/record.js';
import { replay } from '../../src/content/journal/replay.js';
import { segmentName, segmentOfName } from '../../src/content/journal/segment.js';
import { readDescriptor } from '../../src/native/files.js';
import { JournalFile } from '../../src/native/journal-file.js';
import { chunkExtent, content, ofKind } from '../support/catalog.js';
import { temporaryFolder } from '../support/temporary-folder.js';

function orphan(ino: number): Change {
  return { kind: 'drop-orphan', ino };
}

function namesChunk(ino: number, name: string): ContentChange {
  return content(ino, 0, 10, [chunkExtent(0, 10, name)], 10);
}

async function openJournal(t: TestContext, folder: string, lastSequence = 0): Promise<Journal> {
  const journal = await Journal.open(folder, lastSequence);
  t.after(() => journal.close());
  return journal;
}

function segmentPath(folder: string): string {
  const last = readdirSync(folder)
    .map((name) => segmentOfName(name) ?? 0)
    .sort((a, b) => a - b)
    .at(-1);
  return join(folder, segmentName(last ?? 0));
}

/** Replays and says which inodes the applied changes were about. */
async function replayed(folder: string, options: { applied?: number; bad?: readonly string[]; refuse?: number } = {}) {
  const inos: number[] = [];
  const verified: string[] = [];
  const bad = (options.bad ?? []).map((name) => chunkExtent(0, 1, name).digest);
  const result = await replay(folder, {
    appliedSequence: options.applied ?? 0,
    apply: (change) => {
      const { ino } = change as { ino: number };
      if (ino === options.refuse) return 'it makes no sense';
      inos.push(ino);
      return undefined;
    },
    verifyChunk: async ({ digest }) => {
      verified.push(Buffer.from(digest).toString('hex'));
      return !bad.some((other) => Buffer.from(other).equals(Buffer.from(digest)));
    },
  });
  return { inos, verified, result };
}

test('replay() applies what SQLite lacks, in order, and has nothing to do the second time', async (t) => {
  const folder = temporaryFolder(t);
  const journal = await openJournal(t, folder);
  for (let ino = 1; ino <= 5; ino++) journal.append(orphan(ino), [], 0);
  assert.equal(journal.lastSequence, 5);
  const all = await replayed(folder);
  assert.deepEqual(all.inos, [1, 2, 3, 4, 5]);
  assert.deepEqual(all.result, { highestSequence: 5, applied: 5, dropped: [] });
  assert.deepEqual((await replayed(folder, { applied: 3 })).inos, [4, 5]);
  const again = await replayed(folder, { applied: all.result.highestSequence });
  assert.deepEqual(again.inos, []);
  assert.equal(again.result.highestSequence, 5);
});

test('replay() of an empty journal, and of a segment without any record, changes nothing', async (t) => {
  const folder = temporaryFolder(t);
  assert.deepEqual((await replayed(folder, { applied: 9 })).result, { highestSequence: 9, applied: 0, dropped: [] });
  writeFileSync(join(folder, segmentName(3)), '');
  assert.deepEqual((await replayed(folder, { applied: 9 })).result, { highestSequence: 9, applied: 0, dropped: [] });
});

test('replay() ends at a torn tail wherever it is torn, and later records go on from there', async (t) => {
  const folder = temporaryFolder(t);
  const journal = await openJournal(t, folder);
  const body = Buffer.alloc(300, 5);
  journal.append(orphan(1), [], 0);
  const whole = statSync(segmentPath(folder)).size;
  journal.append(
    content(2, 0, 300, [{ kind: 'journal', offset: 0, length: 300, segment: 0, at: 0 }], 300),
    [body],
    300,
  );
  journal.close();
  const path = segmentPath(folder);
  const bytes = readFileSync(path);
  for (const size of [whole + 1, whole + 24, whole + 26, bytes.length - 1]) {
    truncateSync(path, size);
    assert.deepEqual((await replayed(folder)).inos, [1], `torn at ${size}`);
    writeFileSync(path, bytes);
  }
  truncateSync(path, bytes.length - 1);
  const { result } = await replayed(folder);
  assert.match(result.stoppedBy ?? '', /record 2 in segment 1 is torn/);
  assert.deepEqual([result.tornEnd, result.dropped.map((change) => (change as ContentChange).ino)], [true, [2]]);
  const next = await openJournal(t, folder, result.highestSequence);
  next.append(orphan(7), [], 0);
  assert.deepEqual((await replayed(folder)).inos, [1, 7]);
});

test('replay() tells what lies behind a torn record of the same segment, and never applies it', async (t) => {
  const folder = temporaryFolder(t);
  const journal = await openJournal(t, folder);
  journal.append(orphan(1), [], 0);
  const before = statSync(segmentPath(folder)).size;
  for (const ino of [2, 3, 4]) journal.append(orphan(ino), [], 0);
  journal.close();
  const bytes = readFileSync(segmentPath(folder));
  bytes.fill(0, before, before + 10);
  writeFileSync(segmentPath(folder), bytes);
  const { inos, result } = await replayed(folder);
  assert.deepEqual(inos, [1]);
  const dropped = result.dropped.map((change) => (change as { ino: number }).ino);
  assert.deepEqual([result.tornEnd, dropped, result.highestSequence], [false, [3, 4], 4]);
  const next = await openJournal(t, folder, result.highestSequence);
  next.append(orphan(9), [], 0);
  assert.deepEqual((await replayed(folder, { applied: result.highestSequence })).inos, [9]);
});

test('a record with any byte changed is none', async (t) => {
  const folder = temporaryFolder(t);
  const journal = await openJournal(t, folder);
  const extent = { kind: 'journal' as const, offset: 0, length: 3, segment: 0, at: 0 };
  journal.append(content(1, 0, 3, [extent], 3), [Buffer.from('abc')], 3);
  const bytes = readFileSync(segmentPath(folder));
  assert.equal(findRecord(bytes, 0)?.end, bytes.length);
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] as number) ^ 0x40;
    assert.equal(findRecord(changed, 0), undefined, `byte ${at}`);
  }
});

test('replay() stops at a missing record, reports what is lost, and numbering goes on above all of it', async (t) => {
  const folder = temporaryFolder(t);
  const first = await openJournal(t, folder);
  first.append(orphan(1), [], 0);
  first.append(orphan(2), [], 0);
  first.close();
  const lost = readFileSync(segmentPath(folder));
  const second = await openJournal(t, folder, 2);
  second.append(orphan(3), [], 0);
  second.append(orphan(4), [], 0);
  second.close();
  writeFileSync(join(folder, segmentName(1)), lost.subarray(0, lost.length - 1));
  const { inos, result } = await replayed(folder);
  assert.deepEqual(inos, [1]);
  assert.match(result.stoppedBy ?? '', /record 2 is missing/);
  assert.deepEqual(
    result.dropped.map((change) => (change as { ino: number }).ino),
    [3, 4],
  );
  assert.equal(result.highestSequence, 4);
  const next = await openJournal(t, folder, result.highestSequence);
  next.append(orphan(9), [], 0);
  assert.deepEqual((await replayed(folder, { applied: result.highestSequence })).inos, [9]);
});

test('replay() verifies chunks behind the last barrier only, and stops at one that is bad', async (t) => {
  const folder = temporaryFolder(t);
  const journal = await openJournal(t, folder);
  journal.append(namesChunk(1, 'before'), [], 0);
  journal.appendBarrier(1);
  journal.append(namesChunk(2, 'good'), [], 0);
  journal.append(namesChunk(3, 'bad'), [], 0);
  journal.append(orphan(4), [], 0);
  const { inos, verified, result } = await replayed(folder, { bad: ['before', 'bad'] });
  assert.deepEqual(inos, [1, 2]);
  assert.equal(verified.length, 2);
  assert.match(result.stoppedBy ?? '', /record 4 names a chunk that does not verify/);
  assert.deepEqual(
    result.dropped.map((change) => (change as { ino: number }).ino),
    [3, 4],
  );
  assert.equal(result.highestSequence, 5);
});

test('replay() stops at a change that contradicts the catalog: its maker was told that it failed', async (t) => {
  const folder = temporaryFolder(t);
  const journal = await openJournal(t, folder);
  journal.append(orphan(1), [], 0);
  journal.append(orphan(2), [], 0);
  const { inos, result } = await replayed(folder, { refuse: 2 });
  assert.deepEqual(inos, [1]);
  assert.match(result.stoppedBy ?? '', /contradicts the catalog/);
  assert.equal(result.highestSequence, 2);
});

test('bodies are found where the placed extents say, over several segments', async (t) => {
  const folder = temporaryFolder(t);
  const journal = await openJournal(t, folder);
  const body = Buffer.alloc(30 * 1024 * 1024);
  const places: { segment: number; at: number; value: number }[] = [];
  for (let value = 1; value <= 5; value++) {
    body.fill(value, 0, 100);
    const extent = { kind: 'journal' as const, offset: 0, length: 100, segment: 0, at: 0 };
    const made = journal.append(content(1, 0, 100, [extent], 100), [body], body.length) as ContentChange;
    const placed = made.extents[0] as { segment: number; at: number };
    places.push({ segment: placed.segment, at: placed.at, value });
  }
  assert.deepEqual(journal.closedSegments(), [1, 2]);
  for (const { segment, at, value } of places) {
    assert.ok((await readDescriptor(journal.descriptor(segment), at, 100)).equals(Buffer.alloc(100, value)));
  }
  await journal.remove(1);
  assert.throws(() => journal.descriptor(1), ofKind('corrupt'));
  assert.deepEqual(journal.closedSegments(), [2]);
});

test('a closed journal takes nothing and starts no segment', async (t) => {
  const folder = temporaryFolder(t);
  const journal = await openJournal(t, folder);
  journal.close();
  assert.throws(() => journal.append(orphan(1), [], 0), ofKind('io'));
  assert.deepEqual(readdirSync(folder), []);
});

test('a change whose record cannot be appended is not made, and the log goes on', async (t) => {
  const journal = await openJournal(t, temporaryFolder(t));
  const applied: Change[] = [];
  const log = new ChangeLog(journal, { apply: (change) => applied.push(change) > 0 });
  log.make(orphan(1));
  const mocked = t.mock.method(JournalFile.prototype, 'append', () => {
    throw Object.assign(new Error('full'), { code: 'ENOSPC' });
  });
  assert.throws(() => log.make(orphan(2)), ofKind('no-space'));
  mocked.mock.restore();
  assert.deepEqual(applied, [orphan(1)]);
  assert.deepEqual([log.lastSequence, log.changesSinceCommit, log.failure], [1, 1, undefined]);
  log.make(orphan(3));
  assert.equal(log.lastSequence, 2);
  log.committed();
  assert.equal(log.changesSinceCommit, 0);
});

test('a change that SQLite refuses turns the log read-only; its record stays for the next mount', async (t) => {
  const folder = temporaryFolder(t);
  const journal = await openJournal(t, folder);
  const cause = new Error('disk I/O error');
  const log = new ChangeLog(journal, {
    apply: () => {
      throw cause;
    },
  });
  assert.throws(() => log.make(orphan(1)), ofKind('io'));
  assert.equal(log.failure?.cause, cause);
  assert.throws(() => log.make(orphan(2)), ofKind('read-only'));
  log.fail('another reason', undefined);
  assert.match(log.failure?.reason ?? '', /drop-orphan/);
  assert.deepEqual((await replayed(folder)).inos, [1]);
});
