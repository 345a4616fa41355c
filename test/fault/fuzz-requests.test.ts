import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { MadKernel } from '../support/fuzz/fuse-requests.js';
import { TestVfs } from '../support/live-vfs.js';
import { Random, seedOfRun } from '../support/random.js';

const ROUNDS = 3;
const REQUESTS = 4000;
/** Of the requests: they must get somewhere, too. */
const LEAST_SUCCEEDED = 0.1;

test('whatever the kernel asks is answered once, and never by a failure of ours', async (t) => {
  const seed = seedOfRun(t);
  const descriptors = readdirSync('/proc/self/fd').length;
  for (let round = 0; round < ROUNDS; round += 1) {
    const tree = await TestVfs.make(t);
    const mad = new MadKernel(tree, new Random(seed + round));
    for (let number = 0; number < REQUESTS; number += 1) {
      const failure = await mad.ask();
      const place = `round ${round}, request ${number}, CAIRN_SEED=${seed}`;
      assert.ok(failure === undefined, `${place}: ${failure}`);
      assert.equal(tree.store.live.parts.log.failure, undefined, `${place}: the store is read-only`);
    }
    await mad.closeAll();
    assert.equal(mad.kernel.exchange.pendingCount, 0);
    t.diagnostic(JSON.stringify(mad.tally));
    assert.ok(mad.tally.succeeded >= REQUESTS * LEAST_SUCCEEDED, 'hardly any request succeeded');
    tree.store.close();
  }
  assert.ok(readdirSync('/proc/self/fd').length <= descriptors, 'descriptors stay open');
});
