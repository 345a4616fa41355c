import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import type { Copied } from '../../src/control/copy-commands.js';
import type { IndexLookUp } from '../../src/daemon/look-ups.js';
import type { Library } from '../../src/library/api.js';
import { openLibrary, openLibraryReader } from '../../src/library/open-library.js';
import { allOf, bytesOf, filesBelow } from '../support/libraries.js';
import { TestStore, withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';

const EXIT_NOT_FOUND = 3;
const EXIT_PROBLEMS = 6;
const SMALL = 210;
const REPORT = 'reports/2026 a.csv';

async function change(store: TestStore, work: (library: Library) => Promise<unknown>): Promise<void> {
  const library = await openLibrary(store.store);
  try {
    await work(library);
  } finally {
    await library.close();
  }
}

/** What a store has, by id. */
async function objectsOf(store: TestStore): Promise<Map<string, { content: Buffer; facts: unknown }>> {
  const reader = await openLibraryReader(store.store);
  try {
    const found = new Map<string, { content: Buffer; facts: unknown }>();
    for (const info of await allOf(reader.listObjects())) {
      found.set(info.id, { content: await bytesOf(await reader.getObjectData(info.id)), facts: info });
    }
    return found;
  } finally {
    await reader.close();
  }
}

function copied(source: TestStore, target: TestStore, status: number, ...args: string[]): Copied {
  const result = source.run(['copy', '--json', '--to', target.store, ...args]);
  assert.equal(result.status, status, result.stderr);
  return JSON.parse(result.stdout) as Copied;
}

const counts = ({ objects: { copied: done, there, wanted, failed } }: Copied) => ({ done, there, wanted, failed });
const statsOf = (store: TestStore): IndexLookUp => JSON.parse(store.cairn('index', 'stats', '--json'));

const ALL = SMALL + 2;

async function fill(library: Library, report: Buffer): Promise<void> {
  await library.putObject(REPORT, report, { metadata: { from: 'here' } });
  await library.putObject('empty', Buffer.alloc(0));
  for (let n = 0; n < SMALL; n += 1) await library.putObject(`small-${n}`, noise(`small ${n}`, 100 + n));
  await library.putObject('gone', noise('gone', 1000));
  await library.deleteObject('gone');
}

/** What puts leave that a crash broke off: an index file without its record, a record the catalog does not know. */
function breakOff({ store }: TestStore): void {
  const [known = ''] = filesBelow(store, 'objects').filter((path) => path.endsWith('.didx'));
  copyFileSync(join(store, known), join(store, known.replace(/[0-9a-f]{16}(?=\.didx)/, '0'.repeat(16))));
  const catalog = new Database(join(store, '.cairn/catalog.db'));
  catalog.exec("DELETE FROM objects WHERE id = CAST('empty' AS BLOB)");
  catalog.exec('UPDATE object_totals SET objects = objects - 1');
  catalog.close();
}

/** Other content for an id, one that is new, and one whose chunk is damaged. */
async function changeAndDamage(store: TestStore): Promise<void> {
  const damaged = noise('damaged', 5000);
  await change(store, async (library) => {
    await library.putObject(REPORT, noise('another', 2_000_000));
    await library.putObject('late', noise('late', 700_000));
    await library.putObject('damaged', damaged);
  });
  await damage(store, damaged);
}

/** The catalog knows all of it: nothing is collected, and all fits. */
async function assertSound(target: TestStore, report: Buffer): Promise<void> {
  target.cairn('gc', '--grace', '0');
  target.cairn('verify', '--all');
  assert.deepEqual(JSON.parse(target.cairn('check', '--deep', '--json')).findings, []);
  const objects = await objectsOf(target);
  assert.deepEqual([objects.size, objects.get(REPORT)?.content], [ALL + 1, report]);
  assert.deepEqual(objects.get('late')?.content, noise('late', 700_000));
}

/** Damages a chunk that only this content has. */
async function damage(store: TestStore, content: Buffer): Promise<void> {
  const reader = await openLibraryReader(store.store);
  const id = createHash('sha256').update(content).digest('hex');
  assert.ok(await reader.getChunkInfo(id), 'the object is one chunk');
  await reader.close();
  const path = join(store.store, '.chunks', id.slice(0, 2), id);
  const bytes = readFileSync(path);
  bytes[bytes.length - 5] = (bytes.at(-5) ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

test('objects are copied with snapshots or by themselves; other content under an id is named and left alone', async () => {
  await withStore(
    async (source) => {
      mkdirSync(join(source.folder, 'other'));
      const target = new TestStore(join(source.folder, 'other'));
      target.cairn('init', target.store);
      writeFileSync(join(source.mountpoint, 'host/x/current/file'), noise('file', 100_000));
      source.cairn('snapshot', 'create', 'host/x');
      await source.umount();
      const report = noise('report', 3_000_000);
      await change(source, (library) => fill(library, report));
      const planned = copied(source, target, 0, '--dry-run');
      assert.deepEqual(counts(planned), { done: 0, there: 0, wanted: ALL, failed: 0 });
      assert.equal(existsSync(join(target.store, 'objects')), false, 'a dry run writes nothing');
      // Some by name, without a mount.
      const first = copied(source, target, 0, `objects/${REPORT}`, 'objects/empty');
      assert.deepEqual([counts(first), first.snapshots], [{ done: 2, there: 0, wanted: 0, failed: 0 }, []]);
      breakOff(target);
      // The rest while it is mounted, and seen there at once.
      await target.mount();
      const shown = join(target.mountpoint, '.objects');
      assert.equal(existsSync(join(shown, 'small-1')), false);
      const second = copied(source, target, 0);
      assert.deepEqual(counts(second), { done: ALL - 2, there: 2, wanted: 0, failed: 0 });
      assert.equal(
        first.objects.chunks + second.objects.chunks + (second.snapshots[0]?.chunks ?? 0),
        chunksOf(planned),
      );
      assert.deepEqual(readFileSync(join(shown, 'small-1')), noise('small 1', 101));
      assert.equal(readdirSync(shown).length, ALL);
      assert.deepEqual(await objectsOf(target), await objectsOf(source));
      assert.equal(filesBelow(target.store, 'objects').length, 2 * ALL - 1);
      assert.deepEqual([statsOf(target).objects, statsOf(target).objectBytes], [ALL, statsOf(source).objectBytes]);
      // What is other content there stays; a damaged one is left out; one that was deleted there comes again.
      await target.umount();
      await change(target, (library) => library.deleteObject('small-3'));
      await changeAndDamage(source);
      const third = copied(source, target, EXIT_PROBLEMS, 'objects');
      assert.deepEqual(counts(third), { done: 2, there: ALL - 2, wanted: 0, failed: 2 });
      const reasons = Object.fromEntries(third.objects.failures.map(({ name, reason }) => [name, reason]));
      assert.match(reasons[`objects/${REPORT}`] ?? '', /another object of this id/);
      assert.match(reasons['objects/damaged'] ?? '', /is corrupt/);
      const { stdout, stderr } = source.run(['copy', '--to', target.store]);
      assert.match(
        stdout,
        /^Copied 0 snapshots, 1 were there\nCopied 0 objects \(0 new chunks, 0 B\), 212 were there, 2 failed$/m,
      );
      assert.match(stderr, /^cairn: objects\/reports\/2026 a\.csv: The target has another object of this id$/m);
      assert.deepEqual(counts(copied(source, target, 0, 'snapshots')), { done: 0, there: 0, wanted: 0, failed: 0 });
      const none = source.run(['copy', 'objects/gone', '--to', target.store]);
      assert.deepEqual([none.status, none.stderr], [EXIT_NOT_FOUND, 'cairn: There is no object "gone" to copy\n']);
      await assertSound(target, report);
    },
    { groups: ['host/x'] },
  );
});

const chunksOf = ({ snapshots, objects }: Copied): number =>
  snapshots.reduce((sum, { chunks }) => sum + chunks, objects.chunks);
