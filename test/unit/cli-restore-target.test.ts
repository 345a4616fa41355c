import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { requireOutside } from '../../src/cli/restore-target.js';
import { ofKind } from '../support/catalog.js';
import { temporaryFolder } from '../support/temporary-folder.js';

test('nothing is restored into the datastore, whatever way leads there', async (t) => {
  const folder = temporaryFolder(t);
  const store = join(folder, 'store');
  mkdirSync(join(store, 'host'), { recursive: true });
  mkdirSync(join(folder, 'store2'));
  writeFileSync(join(folder, 'file'), '');
  symlinkSync(store, join(folder, 'link'));
  symlinkSync(join(store, 'host'), join(folder, 'store2/host'));
  for (const target of [
    'store',
    'store/new',
    'link',
    'link/host',
    'link/host/new/er',
    'store2/host',
    'store2/host/x',
  ]) {
    await assert.rejects(requireOutside(store, join(folder, target)), ofKind('invalid'), target);
  }
  for (const target of ['store2', 'store2/new/er', 'new', 'file/new', 'link/../new']) {
    await requireOutside(store, join(folder, target));
  }
});
