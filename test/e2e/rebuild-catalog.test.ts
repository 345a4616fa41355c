import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { withStore } from '../support/mounted-store.js';

test('a lost catalog is rebuilt from the copy an unmount leaves, after the plan was shown', async () => {
  await withStore(
    async (store) => {
      writeFileSync(join(store.mountpoint, 'host/web1/current/file'), 'content');
      store.cairn('snapshot', 'create', 'host/web1');
      writeFileSync(join(store.mountpoint, 'host/web1/current/later'), 'written since');
      const mounted = store.run(['repair', '--rebuild-catalog', '--yes']);
      assert.equal(mounted.status, 4, mounted.stderr);
      await store.umount();

      const own = join(store.store, '.cairn');
      assert.equal(readdirSync(join(own, 'catalog-copies')).length, 1);
      for (const name of readdirSync(own)) if (name.startsWith('catalog.db')) rmSync(join(own, name));
      const refused = store.run(['mount', '--daemon', store.store, store.mountpoint]);
      assert.equal(refused.status, 3);
      assert.match(refused.stderr, /is missing: .*--rebuild-catalog/);

      const plan = store.run(['repair', '--rebuild-catalog', '--dry-run']);
      assert.equal(plan.status, 0, plan.stderr);
      assert.match(plan.stdout, /The catalog is missing\nLive trees: as in the copy of /);
      const unasked = store.run(['repair', '--rebuild-catalog']);
      assert.equal(unasked.status, 2);
      assert.match(unasked.stderr, /--yes/);

      const done = store.run(['repair', '--rebuild-catalog', '--yes']);
      assert.equal(done.status, 0, done.stdout + done.stderr);
      assert.match(done.stdout, /host\/web1\/current: as in the copy/);
      assert.match(done.stdout, /^Kept, .*: \.cairn\/journal\.1\.bad$/m, 'there was no catalog to keep');
      await store.mount();
      assert.equal(readFileSync(join(store.mountpoint, 'host/web1/current/later'), 'utf8'), 'written since');
      assert.equal(readFileSync(join(store.mountpoint, 'host/web1/latest/file'), 'utf8'), 'content');
    },
    { groups: ['host/web1'] },
  );
});
