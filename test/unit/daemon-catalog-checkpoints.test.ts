import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { createCatalog } from '../../src/catalog/open.js';
import type { Transactions } from '../../src/catalog/transactions.js';
import { silentLog } from '../../src/core/log.js';
import { CatalogCheckpoints } from '../../src/daemon/catalog-checkpoints.js';
import { keptLog } from '../support/live-store.js';
import { temporaryFolder } from '../support/temporary-folder.js';

test('a thread of checkpoints that ended does not keep the log from being copied', async (t) => {
  const path = join(temporaryFolder(t), 'catalog.db');
  const told = new EventEmitter();
  const checkpoints = new CatalogCheckpoints(path, { ...silentLog, error: () => told.emit('stopped') });
  t.after(() => checkpoints.end());
  // The thread alone keeps no process.
  const alive = setInterval(() => undefined, 1000);
  t.after(() => clearInterval(alive));
  const stopped = once(told, 'stopped');
  checkpoints.committed();
  await stopped;
  createCatalog(path);
  let byWriter = 0;
  const transactions = { checkpoint: () => ({ busy: false, logPages: ++byWriter, copiedPages: 0 }) };
  checkpoints.betweenTransactions(transactions as unknown as Transactions, 1);
  assert.equal(byWriter, 1);
});

test('checkpoints that go on failing are told once, and that they work again', async (t) => {
  const path = join(temporaryFolder(t), 'catalog.db');
  createCatalog(path);
  const log = keptLog();
  const checkpoints = new CatalogCheckpoints(path, log);
  t.after(() => checkpoints.end());
  let isFull = true;
  const checkpoint = () => {
    if (isFull) throw new Error('the disk is full');
    return { busy: false, logPages: 1, copiedPages: 1 };
  };
  const commit = () => checkpoints.betweenTransactions({ checkpoint } as unknown as Transactions, 1);
  for (let n = 0; n < 3; n++) commit();
  const told = 'warn A checkpoint of the catalog failed; it is tried again after each commit';
  assert.deepEqual(log.lines, [told]);
  isFull = false;
  for (let n = 0; n < 3; n++) commit();
  assert.deepEqual(log.lines, [told, 'info Checkpoints of the catalog work again']);
  isFull = true;
  commit();
  assert.deepEqual(log.lines.slice(2), [told]);
});
