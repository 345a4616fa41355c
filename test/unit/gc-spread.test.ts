import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { chunkOfName } from '../../src/chunkstore/layout.js';
import { sha256Sync } from '../../src/native/hash.js';
import { HoldScope } from '../../src/native/holds.js';
import { runCare } from '../support/care.js';
import { collectIn, collectInJob, HOUR } from '../support/gc.js';
import { isKind } from '../support/kinds.js';
import { noise } from '../support/noise.js';
import { GROUP, OpenStore } from '../support/open-store.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const NOTHING = { chunks: 0, bytes: 0 };

/** A store over `d0` … with the chunks of one file. */
async function storeWith(t: TestContext, count: number, redundancy: string) {
  const { store, disks } = await OpenStore.spread(t, count, redundancy);
  await store.write(`${GROUP}/current/file`, noise('file', 1_500_000));
  await store.live.packer.run();
  await store.live.durability.commitDurably();
  return { store, disks };
}

async function removeFile(store: OpenStore): Promise<void> {
  const [parent, name] = await store.at(`${GROUP}/current/file`);
  await store.vfs.names.unlink(parent, name);
  store.tree.parts.orphans.dropAll();
  await store.live.durability.commitDurably();
}

/** Paths of files below a folder of the backends that are there. */
function filesOn(disks: string, folder = '.chunks'): string[] {
  const folders = readdirSync(disks).filter((name) => name.startsWith('d'));
  return folders
    .map((id) => join(disks, id, folder))
    .filter((path) => existsSync(path))
    .flatMap((path) => readdirSync(path, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Files of chunks that are not known to be present. */
function straysOn(store: OpenStore, disks: string): string[] {
  return filesOn(disks).filter((path) => {
    const digest = chunkOfName(path.slice(path.indexOf('.chunks/')));
    return digest === undefined || store.datastore.catalog.chunks.find(digest)?.state !== 'present';
  });
}

const nameOf = (digest: Uint8Array): string => {
  const hex = Buffer.from(digest).toString('hex');
  return `.chunks/${hex.slice(0, 2)}/${hex}`;
};

test('what nobody knows goes from all backends, what is held or others put there stays', async (t) => {
  const { store, disks } = await storeWith(t, 3, 'ec:2+1');
  const known = filesOn(disks).sort();
  const { backend } = store.datastore;
  const [stray, held] = ['stray', 'held'].map((text) => nameOf(sha256Sync(Buffer.from(text)))) as [string, string];
  await backend.put(stray, noise('stray', 5000));
  await backend.put(held, noise('held', 5000));
  await backend.sync();
  // A piece alone is no object.
  rmSync(join(disks, 'd0', stray));
  rmSync(join(disks, 'd1', stray));
  const scope = HoldScope.open();
  t.after(() => scope.end());
  scope.hold(chunkOfName(held) as Uint8Array);
  const beside = (id: string, suffix: string): string => {
    const path = join(disks, id, `${known[0]?.slice(join(disks, 'd0').length)}${suffix}`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, 'beside');
    return path;
  };
  const old = [beside('d0', '.tmp_abc123'), beside('d2', '.tmp_abc124')];
  const fresh = beside('d1', '.tmp_abc125');
  const bad = beside('d2', '.0.bad');
  const foreign = beside('d1', '-notes');
  for (const path of old) utimesSync(path, 1000, 1000);
  const { plan, freed } = await collectIn(store, { graceSeconds: 0, processStartedAt: Date.now() / 1000 - 60 });
  assert.deepEqual([plan.stray.chunks, plan.unfinished.chunks, plan.bad.chunks], [1, 2, 1]);
  assert.ok(plan.stray.bytes > 2500);
  assert.equal(plan.foreign.files, 1);
  assert.equal(freed.bytes, plan.stray.bytes + plan.unfinished.bytes + plan.bad.bytes);
  const heldPieces = ['d0', 'd1', 'd2'].map((id) => join(disks, id, held));
  assert.deepEqual(filesOn(disks).sort(), [...known, ...heldPieces, fresh, foreign].sort());
  assert.ok(!existsSync(bad));
});

for (const redundancy of ['mirror:2', 'ec:2+1']) {
  test(`what was collected while a backend was away goes when it is back: ${redundancy}`, async (t) => {
    const { store, disks } = await storeWith(t, 3, redundancy);
    await removeFile(store);
    await store.close();
    renameSync(join(disks, 'd0'), join(disks, 'away'));
    await store.open();
    const { removed } = await collectInJob(store, 0, true);
    assert.ok(removed.bytes > 1_500_000);
    await store.close();
    renameSync(join(disks, 'away'), join(disks, 'd0'));
    await store.open();
    const left = straysOn(store, disks);
    assert.ok(left.length > 0);
    await collectInJob(store, HOUR, true);
    assert.deepEqual(straysOn(store, disks), []);
    assert.equal(filesOn(disks, '.cairn/quarantine').length, left.length);
    const { plan, freed } = await collectIn(store, { graceSeconds: 0 });
    assert.deepEqual([freed, plan.quarantined], [plan.expired, NOTHING]);
    assert.deepEqual(filesOn(disks, '.cairn/quarantine'), []);
  });
}

test('pieces that a mend made of a collected chunk go, too', async (t) => {
  const { store, disks } = await storeWith(t, 3, 'mirror:2');
  const saved = join(temporaryFolder(t), 'saved');
  cpSync(join(disks, 'd0', '.chunks'), saved, { recursive: true });
  await removeFile(store);
  await collectInJob(store, 0);
  assert.deepEqual(straysOn(store, disks), []);
  cpSync(saved, join(disks, 'd0', '.chunks'), { recursive: true });
  const back = straysOn(store, disks);
  await runCare(t, store, 'mend', { apply: true });
  assert.ok(straysOn(store, disks).length > back.length);
  await collectInJob(store, 0, true);
  assert.deepEqual(straysOn(store, disks), []);
});

test('where too many backends are silent nothing is collected, and nothing is lost', async (t) => {
  const { store, disks } = await storeWith(t, 3, 'mirror:2');
  const known = filesOn(disks).sort();
  await removeFile(store);
  for (const id of ['d0', 'd1']) renameSync(join(disks, id), join(disks, `away-${id}`));
  await assert.rejects(
    collectInJob(store, 0, true),
    isKind('unreachable', /^Cannot list .*Backend d0: .*Backend d1: /),
  );
  for (const id of ['d0', 'd1']) renameSync(join(disks, `away-${id}`), join(disks, id));
  assert.deepEqual(filesOn(disks).sort(), known);
});
