import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stagedName } from '../../src/backend/spread/pieces.js';
import { CairnError } from '../../src/core/errors.js';
import { MemorySpread, spreadOverFolders } from '../support/spread.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const NAME = '.chunks/a9/a948';
const OBJECT = Buffer.from('an object of some length, cut in pieces');

test('each member counts what is done on it', async () => {
  const spread = await MemorySpread.open(3, 'ec:2+1');
  await spread.backend.readRepair.pause();
  const { all } = spread.backend.members;
  await spread.backend.put(NAME, OBJECT);
  await spread.backend.get(NAME);
  assert.deepEqual(
    all.map(({ counters }) => counters.piecesWritten),
    [1, 1, 1],
  );
  for (const { counters } of all) assert.ok(counters.bytesWritten > OBJECT.length / 2);
  assert.deepEqual(all.map(({ counters }) => counters.piecesRead).sort(), [0, 1, 1]);
  const [first] = all.filter(({ counters }) => counters.piecesRead === 1);
  assert.equal(first?.counters.bytesRead, first?.counters.bytesWritten);
  for (const store of spread.stores) store.failure = { kind: 'io', writes: true };
  await assert.rejects(spread.backend.put('.chunks/aa/aa', OBJECT));
  for (const { counters } of all) assert.ok(counters.errors > 0);
});

test('of pieces put together each folder tells its own failure, and spare ones make up for it', async (t) => {
  const { backend, folders } = await spreadOverFolders(temporaryFolder(t), 5, 'ec:2+2');
  await backend.readRepair.pause();
  const holders = (name: string) => folders.map((folder) => existsSync(join(folder, name)));
  const object = Buffer.from('some bytes');
  // A file where the chunks' folder should be: nothing can be put there.
  for (const [count, prefix] of [
    [1, 'a1'],
    [2, 'a2'],
    [3, 'a3'],
  ] as const) {
    for (const folder of folders.slice(0, count)) writeFileSync(join(folder, '.chunks', prefix), 'no folder');
    const name = `.chunks/${prefix}/${prefix.repeat(32)}`;
    if (count === 3) {
      await assert.rejects(backend.put(name, object), /at least 3 of 4 backends, and only 2 took it/);
      assert.deepEqual(holders(name), [false, false, false, false, false], 'nothing is left of it');
    } else {
      await backend.put(name, object);
      assert.deepEqual(holders(name), [false, count === 1, true, true, true]);
      assert.ok((await backend.get(name)).equals(object));
    }
    assert.equal(backend.readRepair.waiting, count === 1 ? 0 : 1);
  }
});

for (const kind of ['unreachable', 'io'] as const) {
  test(`a staged piece that was not read (${kind}) is left for the next time`, async () => {
    const spread = await MemorySpread.open(2, 'mirror:2');
    await spread.backend.put(NAME, OBJECT);
    const [first] = spread.stores;
    assert.ok(first);
    const staged = stagedName(NAME);
    await first.real.put(staged, await first.real.get(NAME));
    const getRange = first.getRange.bind(first);
    first.getRange = async (name, offset, length) => {
      if (name === staged) throw new CairnError(kind, 'made to fail');
      return getRange(name, offset, length);
    };
    const { mender } = spread.backend;
    const removeAll = async (): Promise<boolean[]> => {
      const pieces = await mender.staged();
      // So that the member is asked again.
      spread.now += 60_000;
      return Promise.all(pieces.map((piece) => mender.removeStaged(piece)));
    };
    assert.deepEqual(await removeAll(), []);
    assert.ok((await first.real.size(staged)) !== undefined);
    first.getRange = getRange;
    assert.deepEqual(await removeAll(), [true]);
    await first.real.put(staged, Buffer.from('torn'));
    assert.deepEqual(await removeAll(), [true]);
    assert.equal(await first.real.size(staged), undefined);
  });
}
