import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { outputOf } from '../support/commands.js';
import { assertSameTree } from '../support/compare-trees.js';
import { skipFuseNative } from '../support/fuse-native.js';
import { makeOddTree } from '../support/make-odd-tree.js';
import { withStore } from '../support/mounted-store.js';

const skip = skipFuseNative();
const THROUGH = ['--transport', 'fuse-native'];

let source = '';
before(() => {
  source = mkdtempSync(join(tmpdir(), 'cairn-fuse-native-'));
});
after(() => outputOf('rm', ['-rf', source]));

test('the main job through fuse-native: rsync in, snapshot, and both compare silently', { skip }, async () => {
  const tree = join(source, 'tree');
  makeOddTree(tree);
  await withStore(
    async (store) => {
      const group = join(store.mountpoint, 'host/x');
      const current = join(group, 'current');
      outputOf('rsync', ['-aHAX', '--modify-window=-1', '--numeric-ids', `${tree}/`, `${current}/`]);
      assertSameTree(tree, current);
      store.cairn('snapshot', 'create', 'host/x');
      const [snapshot] = readdirSync(group).filter((name) => /^\d{4}-/.test(name));
      assert.ok(snapshot !== undefined);
      assertSameTree(tree, join(group, snapshot));
      assert.equal(store.status().transport, 'fuse-native');
      // What one transport stored the other one shows.
      await store.remount();
      assertSameTree(tree, current);
      assertSameTree(tree, join(group, snapshot));
    },
    { groups: ['host/x'], mount: THROUGH },
  );
});

test('a large folder, large writes, and a daemon that is killed: nothing answered is lost', { skip }, async () => {
  await withStore(
    async (store) => {
      const current = join(store.mountpoint, 'host/x/current');
      const names = Array.from(
        { length: 3000 },
        (_, i) => `a rather long name, so that many make a large listing ${i}`,
      );
      for (const name of names) writeFileSync(join(current, name), '');
      assert.deepEqual(readdirSync(current).sort(), [...names].sort());
      const bytes = Buffer.alloc(5_000_000, 'not all the same ');
      writeFileSync(join(current, 'large'), bytes);
      const writes = (store.status().requests as Record<string, number>).WRITE ?? 0;
      assert.ok(writes <= Math.ceil(bytes.length / 131_072) + 1, `${writes} writes: they are cut into pages`);
      await store.kill9();
      await store.mount(...THROUGH);
      assert.ok(readFileSync(join(current, 'large')).equals(bytes));
      assert.equal(readdirSync(current).length, names.length + 1);
      assert.equal(statSync(join(current, 'large')).size, bytes.length);
    },
    { groups: ['host/x'], mount: THROUGH },
  );
});
