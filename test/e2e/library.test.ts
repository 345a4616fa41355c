import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ChunkLookUp, IndexLookUp } from '../../src/daemon/look-ups.js';
import { openLibrary, openLibraryReader } from '../../src/library/open-library.js';
import { isKind } from '../support/kinds.js';
import { allOf, bytesOf } from '../support/libraries.js';
import { type TestStore, withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';

const PUTTER = fileURLToPath(new URL('../support/put-objects.js', import.meta.url));
const EXIT_USAGE = 2;
const EXIT_NOT_FOUND = 3;
const KILLS = 3;
/** Changes that are done before a process is killed. */
const LEAST_CHANGES = 12;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const statsOf = (store: TestStore): IndexLookUp => JSON.parse(store.cairn('index', 'stats', '--json'));

test('objects and a mount live in one datastore: seen below .objects, collected, checked, looked up', async () => {
  await withStore(
    async (store) => {
      const { mountpoint } = store;
      writeFileSync(join(mountpoint, 'host/x/current/file'), noise('file', 300_000));
      await assert.rejects(openLibrary(store.store), isKind('busy', /in use by process/));
      await store.umount();
      const [kept, gone] = [noise('kept', 3_000_000), noise('gone', 2_000_000)];
      const library = await openLibrary(store.store);
      await library.putObject('reports/kept', kept);
      await library.putObject('gone', gone);
      await library.putObject('small', Buffer.from('small'));
      await library.close();
      await store.mount();
      assert.ok(!readdirSync(mountpoint).includes('.objects'));
      const folder = join(mountpoint, '.objects');
      assert.deepEqual(readdirSync(folder).sort(), ['gone', 'reports%2Fkept', 'small']);
      assert.deepEqual(readFileSync(join(folder, 'reports%2Fkept')), kept);
      const { size, mode } = statSync(join(folder, 'gone'));
      assert.deepEqual([size, mode & 0o777], [gone.length, 0o400]);
      assert.throws(() => writeFileSync(join(folder, 'new'), ''), { code: 'EROFS' });
      const reader = await openLibraryReader(store.store);
      assert.deepEqual(await bytesOf(await reader.getObjectData('gone')), gone);
      const chunks: string[] = [];
      await reader.iterateChunks(({ id }) => void chunks.push(id));
      await reader.close();
      const stats = statsOf(store);
      assert.deepEqual([stats.objects, stats.objectBytes, stats.chunks.present.chunks], [3, 5_000_005, chunks.length]);
      const id = sha256(Buffer.from('small'));
      const chunk: ChunkLookUp = JSON.parse(store.cairn('chunk', 'show', '--json', id));
      assert.deepEqual([chunk.state, chunk.size, chunk.fileBytes], ['present', 5, chunk.storedSize]);
      assert.match(store.cairn('chunk', 'show', id), /^State +present$/m);
      assert.match(store.cairn('index', 'stats'), /^Objects +3, /m);
      const none = store.run(['chunk', 'show', '0'.repeat(64)]);
      assert.deepEqual([none.status, none.stderr], [EXIT_NOT_FOUND, `cairn: There is no chunk ${'0'.repeat(64)}\n`]);
      assert.equal(store.run(['chunk', 'show', 'xyz']).status, EXIT_USAGE);
      // Who collects from the mount keeps what objects name.
      store.cairn('gc', '--grace', '0');
      assert.deepEqual(readFileSync(join(folder, 'gone')), gone);
      await store.umount();
      const again = await openLibrary(store.store);
      await again.deleteObject('gone');
      await again.close();
      assert.ok(JSON.parse(store.cairn('gc', '--json', '--grace', '0')).freed.bytes > 1_900_000);
      assert.deepEqual(JSON.parse(store.cairn('check', '--deep', '--json')).findings, []);
      store.cairn('repair', '--rebuild-catalog', '--force', '--yes');
      assert.deepEqual([statsOf(store).objects, statsOf(store).objectBytes], [2, 3_000_005]);
    },
    { groups: ['host/x'] },
  );
});

test('a process that is killed while it puts objects leaves all that were acknowledged, whole', async () => {
  await withStore(
    async (store) => {
      /** What has to be there; undefined: it has to be absent. */
      const certain = new Map<string, string | undefined>();
      for (let round = 0; round < KILLS; round += 1) {
        await putUntilKilled(store, round, certain);
        const library = await openLibrary(store.store);
        await library.collectGarbage({ graceSeconds: 0 });
        const listed = await allOf(library.listObjects());
        for (const { id, sha256: digest } of listed) {
          assert.equal(sha256(await bytesOf(await library.getObjectData(id))), digest, id);
        }
        const { objects, objectBytes } = library.getIndexStats();
        assert.deepEqual([objects, objectBytes], [listed.length, listed.reduce((sum, { size }) => sum + size, 0)]);
        const found = new Map(listed.map((object) => [object.id, object.sha256]));
        for (const [id, digest] of certain) assert.equal(found.get(id), digest, id);
        await library.close();
      }
      assert.ok(certain.size > 20, 'the processes got somewhere');
      assert.deepEqual(JSON.parse(store.cairn('check', '--deep', '--json')).findings, []);
    },
    { mount: false },
  );
});

/** Runs a process that changes objects, kills it in the midst, and notes what it said was done. */
async function putUntilKilled(
  store: TestStore,
  round: number,
  certain: Map<string, string | undefined>,
): Promise<void> {
  const putter = spawn(process.execPath, [PUTTER, store.store, String(round)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(putter, 'exit');
  let done = 0;
  for await (const line of createInterface(putter.stdout)) {
    const [word, id = '', digest] = line.split(' ');
    if (word === 'begin') certain.delete(id);
    else {
      certain.set(id, word === 'put' ? digest : undefined);
      done += 1;
    }
    if (done === LEAST_CHANGES + round * 5) putter.kill('SIGKILL');
  }
  await exited;
  assert.equal(putter.signalCode, 'SIGKILL');
}
