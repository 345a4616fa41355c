import assert from 'node:assert/strict';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { hasErrno } from '../support/errno.js';
import { TestStore } from '../support/mounted-store.js';
import { openFolder, testFamilies } from './run-families.js';

// The same statements as on the oracle, in the live tree of a mounted store.
const folder = mkdtempSync(join(tmpdir(), 'cairn-posix-'));
chmodSync(folder, 0o755);
const store = new TestStore(folder);
let base = '';

before(async () => {
  store.cairn('init', store.store);
  await store.mount();
  mkdirSync(join(store.mountpoint, 'host/web1'), { recursive: true });
  mkdirSync(join(store.mountpoint, 'host/web2'), { recursive: true });
  base = openFolder(join(store.mountpoint, 'host/web1/current'));
});

after(async () => {
  try {
    assert.deepEqual(readdirSync(base), []);
    await store.umount();
  } catch (error) {
    console.error(store.report());
    throw error;
  } finally {
    await store.abandon();
    rmSync(folder, { recursive: true, force: true });
  }
});

testFamilies(() => base);

test('groups: nothing is renamed or linked from one to another', () => {
  const [here, there] = [join(base, 'file'), join(store.mountpoint, 'host/web2/current/file')];
  writeFileSync(here, 'content');
  hasErrno('EXDEV', () => renameSync(here, there));
  hasErrno('EXDEV', () => linkSync(here, there));
  assert.equal(readFileSync(here, 'utf8'), 'content');
  assert.deepEqual(readdirSync(join(store.mountpoint, 'host/web2/current')), []);
  rmSync(here);
});
