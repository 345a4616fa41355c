import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CairnError } from '../../src/core/errors.js';
import { MachineLease } from '../../src/datastore/shared/machine-lease.js';
import { RoundAnswers } from '../../src/datastore/shared/round-answers.js';
import {
  answerName,
  condemnedName,
  doomedName,
  packDigests,
  type Round,
  roundsOf,
} from '../../src/datastore/shared/rounds.js';
import { isKind } from '../support/kinds.js';
import { MemoryObjects } from '../support/many-machines/memory-objects.js';

const [KEPT, GIVEN_UP] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const ROUND = { round: 1, machine: 'b', epoch: 1, host: 'b', since: '' };

/** The server does what it is asked, and for an answer once nobody hears of it. */
class LostAnswer extends MemoryObjects {
  #isLost = false;

  override async put(name: string, bytes: Uint8Array): Promise<void> {
    await super.put(name, bytes);
    if (this.#isLost || !name.includes('/kept/')) return;
    this.#isLost = true;
    throw new CairnError('unreachable', 'made to fail');
  }
}

async function proposed(objects: MemoryObjects, round: Pick<Round, 'phase'>, after?: number): Promise<void> {
  await roundsOf(objects).append(after, { ...ROUND, ...round, nonce: round.phase });
}

test('an answer to a collection that may have come there is not changed, nor what it gave up used', async () => {
  const objects = new LostAnswer();
  const here = [KEPT];
  const lease = await MachineLease.join(objects, { id: 'a', host: 'a' });
  const answers = new RoundAnswers(objects, lease, async () => [...here]);
  await answers.look();
  await objects.put(condemnedName(1), packDigests([KEPT, GIVEN_UP]));
  await proposed(objects, { phase: 'proposed' });
  await assert.rejects(answers.look(), isKind('unreachable', /made to fail/));
  const answer = answerName(1, 'a', lease.epoch);
  const first = await objects.get(answer);
  // The collector has read it when somebody writes the chunk here, which is put only once it may be.
  here.push(GIVEN_UP);
  const { generation } = answers;
  await answers.look();
  assert.deepEqual(await objects.get(answer), first);
  assert.deepEqual([answers.mayUse(KEPT), answers.mayUse(GIVEN_UP), answers.generation], [true, false, generation]);
  await objects.put(doomedName(1), packDigests([GIVEN_UP]));
  await proposed(objects, { phase: 'deleting' }, 1);
  await answers.look();
  assert.equal(answers.mayUse(GIVEN_UP), false);
  await proposed(objects, { phase: 'settled' }, 2);
  await answers.look();
  assert.ok(answers.mayUse(GIVEN_UP) && answers.generation > generation);
});
