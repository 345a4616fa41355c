import assert from 'node:assert/strict';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  type HaltPollingPlaces,
  lowLatency,
  pollBeforeHalting,
  restoreHaltPolling,
  WANTED_POLL_NS,
} from '../../src/daemon/halt-polling.js';
import { ofKind } from '../support/catalog.js';
import { fakeHaltPolling } from '../support/halt-polling.js';
import { keptLog } from '../support/live-store.js';
import { runNodeProgram, startNodeProgram } from '../support/node-program.js';

const MODULE = new URL('../../src/daemon/halt-polling.js', import.meta.url).href;
const LOG = '{ info() {}, warn(_, message) { console.error(message); } }';

function polledFor(places: HaltPollingPlaces): number {
  return Number(readFileSync(places.parameter, 'latin1'));
}

/** Another process that polls; it ends well when its input ends. */
async function otherUser(t: TestContext, places: HaltPollingPlaces): Promise<ChildProcessWithoutNullStreams> {
  const user = startNodeProgram(`
    import { pollBeforeHalting } from '${MODULE}';
    const end = await pollBeforeHalting(${LOG}, ${JSON.stringify(places)});
    console.log('polls');
    process.stdin.on('end', () => { end(); process.exit(); }).resume();`);
  t.after(() => user.kill('SIGKILL'));
  await once(user.stdout, 'data');
  return user;
}

test('it is set while it is wanted, and what was found is on record before', async (t) => {
  const places = fakeHaltPolling(t);
  writeFileSync(places.parameter, '7\n');
  assert.equal(lowLatency(places), 'would-help');
  const end = await pollBeforeHalting(keptLog(), places);
  assert.equal(lowLatency(places), 'on');
  assert.deepEqual(JSON.parse(readFileSync(join(places.folder, 'found.json'), 'utf8')), {
    found: 7,
    set: WANTED_POLL_NS,
  });
  end();
  assert.equal(polledFor(places), 7);
});

test('the last of several mounts puts it back', async (t) => {
  const places = fakeHaltPolling(t);
  const first = await otherUser(t, places);
  const end = await pollBeforeHalting(keptLog(), places);
  first.stdin.end();
  await once(first, 'exit');
  assert.equal(polledFor(places), WANTED_POLL_NS);
  const third = await otherUser(t, places);
  end();
  assert.equal(polledFor(places), WANTED_POLL_NS);
  third.stdin.end();
  await once(third, 'exit');
  assert.equal(polledFor(places), 0);
});

test('what a killed process left is put back by the next, and not while another one uses it', async (t) => {
  const places = fakeHaltPolling(t);
  const [killed, living] = [await otherUser(t, places), await otherUser(t, places)];
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  restoreHaltPolling(keptLog(), places);
  assert.equal(polledFor(places), WANTED_POLL_NS);
  living.kill('SIGKILL');
  await once(living, 'exit');
  const end = await pollBeforeHalting(keptLog(), places);
  end();
  assert.equal(polledFor(places), 0, 'what the killed ones found, not what they had set');
});

test("somebody else's choice is left alone, and one that polls longer already", async (t) => {
  const places = fakeHaltPolling(t);
  const end = await pollBeforeHalting(keptLog(), places);
  writeFileSync(places.parameter, '90000\n');
  end();
  assert.equal(polledFor(places), 90_000);
  writeFileSync(places.parameter, '400000\n');
  const again = await pollBeforeHalting(keptLog(), places);
  assert.equal(polledFor(places), 400_000);
  again();
  assert.equal(polledFor(places), 400_000);
});

test('where there is no such setting, or no right to it, that is said', async (t) => {
  const elsewhere = fakeHaltPolling(t, 'intel_idle');
  assert.equal(lowLatency(elsewhere), 'unavailable');
  assert.equal(lowLatency({ ...elsewhere, driver: '/none' }), 'unavailable');
  await assert.rejects(pollBeforeHalting(keptLog(), elsewhere), ofKind('unsupported'));
  const readable = { ...elsewhere, parameter: '/proc/sys/kernel/pid_max', driver: '/proc/self/comm' };
  const nobody = await runNodeProgram(`
    import { pollBeforeHalting } from '${MODULE}';
    process.title = 'haltpoll';
    process.seteuid(65534);
    await pollBeforeHalting(${LOG}, ${JSON.stringify(readable)}).catch((error) => console.log(error.kind));`);
  assert.equal(nobody.stdout, 'access-denied\n', nobody.stderr);
});
