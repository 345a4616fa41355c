import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { StoreFolders } from '../../src/daemon/store-folders.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const GROUP = { namespace: [], type: 'host', id: 'web1' } as const;

test('a group whose owner a killed daemon was about to write can be removed', async (t) => {
  const root = temporaryFolder(t);
  const folders = new StoreFolders(root);
  await folders.createGroup(GROUP);
  writeFileSync(`${root}/host/web1/owner.tmp_0a1b2c`, 'root@pam\n');
  writeFileSync(`${root}/host/web1/owner.tmp_0a1b2d.new`, '');
  await folders.requireRemovableGroup(GROUP);
  await folders.removeGroup(GROUP);
  assert.equal(existsSync(`${root}/host/web1`), false);
});

test('a group whose folder holds a file of somebody else is not removed, and the file is named', async (t) => {
  const root = temporaryFolder(t);
  const folders = new StoreFolders(root);
  await folders.createGroup(GROUP);
  writeFileSync(`${root}/host/web1/owner.tmp_notours`, '');
  await assert.rejects(folders.requireRemovableGroup(GROUP), { kind: 'not-empty', message: /owner\.tmp_notours/ });
  assert.equal(existsSync(`${root}/host/web1/owner`), true);
});
