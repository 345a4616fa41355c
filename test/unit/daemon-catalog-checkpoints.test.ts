import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { createCatalog } from '../../src/catalog/open.js';
import type { Transactions } from '../../src/catalog/transactions.js';
import { silentLog } from '../../src/core/log.js';
import { CatalogCheckpoints } from '../../src/daemon/catalog-checkpoints.js';
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
