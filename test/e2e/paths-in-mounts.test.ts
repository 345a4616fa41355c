import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { BackedUp } from '../../src/control/backup-commands.js';
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

test('a group and what is in it can be given as a relative path, and a name is a name', async () => {
  await withStore(
    (store) => {
      const current = loseFolder(store);
      writeFileSync(join(current, 'a'), 'content');
      const run = (cwd: string, ...args: string[]) => {
        const { status, stdout, stderr } = store.run(args, { cwd });
        assert.equal(status, 0, `cairn ${args.join(' ')}: ${stderr}`);
        return stdout;
      };
      const group = `mnt/${GROUP}`;
      assert.match(run(store.folder, 'snapshot', 'create', group), /^Created host\/web1\//);
      assert.match(run(store.folder, 'snapshot', 'list', `${group}/`), /host\/web1 /);
      assert.match(run(store.folder, 'df', group), /host\/web1 /);
      assert.match(run(store.folder, 'snapshot', 'find', `${group}/current/a`), /^a\n.* appeared /s);
      assert.match(run(current, 'snapshot', 'find', 'gone/deep/file'), /^gone\/deep\/file\n.* gone\n/s);
      const backup = ['backup', '--json', '--dry-run', join(store.folder, 'source')];
      mkdirSync(join(store.folder, 'source'));
      const { snapshot } = JSON.parse(run(store.folder, ...backup, group)) as BackedUp;
      assert.equal(snapshot, null);
      // A folder named as a group is: the group is meant, which is not there.
      mkdirSync(join(current, 'host/other'), { recursive: true });
      assert.match(store.run(['snapshot', 'list', 'host/other'], { cwd: current }).stderr, /no group host\/other/);
      assert.match(run(current, 'snapshot', 'list', './host/other'), /host\/web1 /);
      assert.match(store.run(['snapshot', 'list', 'mnt/host/none'], { cwd: store.folder }).stderr, /Not a group/);
      assert.ok(!existsSync(join(store.mountpoint, 'host/other')));
    },
    { groups: [GROUP] },
  );
});
