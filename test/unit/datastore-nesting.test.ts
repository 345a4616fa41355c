import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CairnError } from '../../src/core/errors.js';
import { checkApart } from '../../src/datastore/nesting.js';

test('a datastore and its mountpoint may not hold each other', () => {
  const bad = [
    ['/srv/backup', '/srv/backup'],
    ['/srv/backup', '/srv/backup/mnt'],
    ['/srv/backup', '/srv'],
    ['/srv/backup', '/'],
    ['/', '/mnt'],
  ] as const;
  for (const [store, mountpoint] of bad) {
    assert.throws(
      () => checkApart(store, mountpoint),
      (error) => error instanceof CairnError && error.kind === 'invalid' && /inside/.test(error.message),
    );
  }
  for (const mountpoint of ['/srv/backup2', '/srv/back', '/mnt', '/mnt/srv/backup']) {
    checkApart('/srv/backup', mountpoint);
  }
});
