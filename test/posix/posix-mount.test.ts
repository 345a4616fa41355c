import assert from 'node:assert/strict';
import { linkSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasErrno } from '../support/errno.js';
import { mountedBase } from './mounted-base.js';
import { testFamilies } from './run-families.js';

// The same statements as on the oracle, in the live tree of a mounted store.
const { store, base } = mountedBase();

testFamilies(base);

test('groups: nothing is renamed or linked from one to another', () => {
  const [here, there] = [join(base(), 'file'), join(store.mountpoint, 'host/web2/current/file')];
  writeFileSync(here, 'content');
  hasErrno('EXDEV', () => renameSync(here, there));
  hasErrno('EXDEV', () => linkSync(here, there));
  assert.equal(readFileSync(here, 'utf8'), 'content');
  assert.deepEqual(readdirSync(join(store.mountpoint, 'host/web2/current')), []);
  rmSync(here);
});
