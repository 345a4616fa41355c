import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type TestStore, withStore } from '../support/mounted-store.js';

const GROUP = 'host/web1';

/** A snapshot whose folder `gone`, with a file in it, is no longer in the live tree. */
function loseFolder(store: TestStore): string {
  const current = join(store.mountpoint, GROUP, 'current');
  mkdirSync(join(current, 'gone/deep'), { recursive: true });
  writeFileSync(join(current, 'gone/deep/file'), 'content');
  store.cairn('snapshot', 'create', GROUP);
  rmSync(join(current, 'gone'), { recursive: true });
  return current;
}

test('what became of a path is told where its folder is gone', async () => {
  await withStore(
    (store) => {
      const current = loseFolder(store);
      assert.match(
        store.cairn('snapshot', 'find', join(current, 'gone/deep/file')),
        /^gone\/deep\/file\n.* appeared /s,
      );
      writeFileSync(join(current, 'gone'), 'a file now');
      assert.match(
        store.cairn('snapshot', 'find', join(current, 'gone/deep/file')),
        /^gone\/deep\/file\n.* appeared /s,
      );
      const never = store.run(['snapshot', 'find', join(current, 'never/was')]);
      assert.deepEqual([never.status, never.stderr], [3, 'cairn: No snapshot has never/was\n']);
    },
    { groups: [GROUP] },
  );
});
