import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { standingChunks } from '../../src/chunk/standing-chunks.js';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';
import { type CreateOptions, createDatastore } from '../../src/datastore/create.js';
import { openDatastoreReader } from '../../src/datastore/open.js';
import { outputOf } from '../support/commands.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const small: CreateOptions = { reserveBytes: 4096 };
const isKind = (kind: ErrorKind) => (error: unknown) => error instanceof CairnError && error.kind === kind;
const modeOf = (path: string) => statSync(path).mode & 0o7777;

test('a new datastore has what it needs, with the modes PBS wants', async (t) => {
  const root = join(temporaryFolder(t), 'above/store');
  await createDatastore(root, small);
  assert.deepEqual(readdirSync(root).sort(), ['.cairn', '.chunks', '.lock']);
  const own = ['catalog.db', 'config.json', 'forgotten', 'journal', 'lock', 'quarantine', 'reserve'];
  assert.deepEqual(readdirSync(join(root, '.cairn')).sort(), own);
  assert.equal(readdirSync(join(root, '.chunks')).length, 256);
  assert.equal(modeOf(root), 0o755);
  assert.equal(modeOf(join(root, '.chunks')), 0o750);
  assert.equal(modeOf(join(root, '.chunks/a9')), 0o750);
  assert.equal(modeOf(join(root, '.lock')), 0o644);
  const reserve = statSync(join(root, '.cairn/reserve'));
  assert.equal(reserve.size, 4096);
  assert.ok(reserve.blocks * 512 >= 4096, 'the reserve is allocated');
});

test('the standing chunks are there from the start, and the catalog knows them', async (t) => {
  const root = join(temporaryFolder(t), 'store');
  await createDatastore(root, small);
  const datastore = await openDatastoreReader(root);
  t.after(() => datastore.close());
  for (const { digest, length, bytes } of standingChunks()) {
    assert.ok((await datastore.chunks.read(digest)).equals(bytes()));
    const known = datastore.catalog.chunks.find(digest);
    assert.ok(known?.state === 'present' && known.length === length);
    assert.equal(await datastore.chunks.reuse(digest, () => known.stored), known.stored);
  }
});

/** A folder in memory where there is such a place: a busy disk takes half a minute for 65,536 folders. */
function quickFolder(t: TestContext): string {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'cairn-test-'));
  t.after(() => outputOf('rm', ['-r', folder]));
  return folder;
}

test("PBS's layout has 65,536 folders", async (t) => {
  const root = join(quickFolder(t), 'store');
  const config = await createDatastore(root, { ...small, layout: 'pbs' });
  assert.equal(config.prefixDigits, 4);
  const folders = readdirSync(join(root, '.chunks')).sort();
  assert.deepEqual([folders.length, folders[0], folders.at(-1)], [65_536, '0000', 'ffff']);
});

test('progress is told, and what was made goes again', async (t) => {
  const root = join(quickFolder(t), 'store');
  const controller = new AbortController();
  const told: [number, number][] = [];
  const onProgress = (done: number, total: number) => {
    told.push([done, total]);
    if (done >= 20_000) controller.abort();
  };
  const given = { ...small, layout: 'pbs', onProgress, signal: controller.signal } as const;
  await assert.rejects(createDatastore(root, given), isKind('interrupted'));
  assert.deepEqual(
    told,
    [...told].sort(([a], [b]) => a - b),
  );
  assert.ok(told.length > 1 && told.every(([done, total]) => done <= total && total === 65_536));
  assert.ok(!existsSync(root));
});

test('dot-files and lost+found do not disturb, and stay', async (t) => {
  const root = temporaryFolder(t);
  mkdirSync(join(root, 'lost+found'));
  writeFileSync(join(root, '.Trash'), 'x');
  await createDatastore(root, small);
  assert.equal(readFileSync(join(root, '.Trash'), 'utf8'), 'x');
});

test('a folder that has anything else is left as it is', async (t) => {
  const folder = temporaryFolder(t);
  const refused = async (name: string, kind: ErrorKind, fill: (root: string) => void) => {
    const root = join(folder, name);
    mkdirSync(root);
    fill(root);
    const before = readdirSync(root, { recursive: true }).sort();
    await assert.rejects(createDatastore(root, small), isKind(kind), name);
    assert.deepEqual(readdirSync(root, { recursive: true }).sort(), before);
  };
  await refused('file', 'not-empty', (root) => writeFileSync(join(root, 'a'), ''));
  await refused('pbs', 'exists', (root) => mkdirSync(join(root, '.chunks/0000'), { recursive: true }));
  await refused('damaged', 'exists', (root) => mkdirSync(join(root, '.cairn/journal'), { recursive: true }));
  const store = join(folder, 'store');
  await createDatastore(store, small);
  await assert.rejects(createDatastore(store, small), isKind('exists'));
});

test('what is no folder cannot become a datastore', async (t) => {
  const file = join(temporaryFolder(t), 'file');
  writeFileSync(file, '');
  for (const path of [file, join(file, 'below')]) {
    await assert.rejects(createDatastore(path, small), isKind('not-a-directory'));
  }
  await assert.rejects(createDatastore('/proc/nowhere/below', small), CairnError);
  assert.deepEqual(readdirSync(dirname(file)), ['file']);
});

test('a creation that fails or is given up takes everything away again', async (t) => {
  const folder = temporaryFolder(t);
  const controller = new AbortController();
  const onProgress = () => controller.abort();
  const given = { ...small, signal: controller.signal, onProgress };
  await assert.rejects(createDatastore(join(folder, 'a/b/store'), given), isKind('interrupted'));
  assert.deepEqual(readdirSync(folder), []);
  mkdirSync(join(folder, 'empty'));
  writeFileSync(join(folder, 'empty/.keep'), '');
  await assert.rejects(createDatastore(join(folder, 'empty'), given), isKind('interrupted'));
  assert.deepEqual(readdirSync(join(folder, 'empty')), ['.keep']);
  await assert.rejects(createDatastore(join(folder, 'full'), { reserveBytes: 2 ** 52 }), CairnError);
  assert.deepEqual(readdirSync(folder), ['empty']);
});

test('a creation somebody killed is started anew', async (t) => {
  const root = temporaryFolder(t);
  mkdirSync(join(root, '.cairn/journal'), { recursive: true });
  mkdirSync(join(root, '.chunks/00'), { recursive: true });
  for (const name of ['unfinished', 'lock', 'catalog.db']) writeFileSync(join(root, '.cairn', name), '');
  writeFileSync(join(root, '.chunks/00/torn'), 'x');
  await assert.rejects(openDatastoreReader(root), /interrupted.*cairn init/);
  await createDatastore(root, small);
  assert.deepEqual(readdirSync(join(root, '.chunks/00')), []);
  assert.ok(!readdirSync(join(root, '.cairn')).includes('unfinished'));
  (await openDatastoreReader(root)).close();
});
