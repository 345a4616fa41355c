import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { S3Requests } from '../../src/backend/s3/s3-requests.js';
import { DEFAULT_S3_LIMITS } from '../../src/backend/s3/s3-settings.js';
import { CairnError } from '../../src/core/errors.js';

const SETTINGS = { bucket: 'b', store: 's', endpoint: 'http://127.0.0.1:1', region: 'us-east-1' };

test('as many requests as there may be wait for a server that is down, without a warning', async () => {
  const warnings: Error[] = [];
  const noted = (warning: Error): number => warnings.push(warning);
  process.on('warning', noted);
  const { requestsAtOnce } = DEFAULT_S3_LIMITS;
  const requests = new S3Requests(SETTINGS, DEFAULT_S3_LIMITS);
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  const waiting = Array.from({ length: requestsAtOnce }, () => requests.send('read', () => Promise.reject(refused)));
  while (requests.counters.retries < requestsAtOnce) await turn();
  await turn();
  requests.close();
  for (const result of await Promise.allSettled(waiting)) {
    assert.ok(result.status === 'rejected' && result.reason instanceof CairnError);
    assert.equal(result.reason.kind, 'interrupted');
  }
  process.off('warning', noted);
  assert.deepEqual(warnings, []);
});
