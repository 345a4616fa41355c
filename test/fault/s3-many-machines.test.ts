import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { S3Backend } from '../../src/backend/s3/s3-backend.js';
import { DEFAULT_S3_LIMITS, type S3Settings } from '../../src/backend/s3/s3-settings.js';
import { kindOf } from '../../src/core/errors.js';
import { takeGroup } from '../../src/datastore/shared/group-leases.js';
import { revokedUnits } from '../../src/datastore/shared/machine-epochs.js';
import { MachineLease } from '../../src/datastore/shared/machine-lease.js';
import { sharedObjectsOf } from '../../src/datastore/shared/s3-shared-objects.js';
import { namesBelow, type SharedObjects } from '../../src/datastore/shared/shared-objects.js';
import { Watch } from '../../src/datastore/shared/watch.js';
import { ACTORS, type Actor } from '../support/many-machines/actors.js';
import { ModelBucket } from '../support/many-machines/model-bucket.js';
import { chunkName, KEYS, LocalDisk, Machine, unitKeys } from '../support/many-machines/model-machine.js';
import { Random, seedOfRun } from '../support/random.js';
import { S3Proxy } from '../support/s3-proxy.js';
import { NO_S3, type S3Server, s3Server } from '../support/s3-server.js';

const ROUNDS = 60;
const LEASE_SECONDS = 2;
const SETTLE_SECONDS = 1;
const EXPECTED = new Set(['stale', 'busy', 'unreachable', 'interrupted', 'not-ready', 'io']);
const LIMITS = { ...DEFAULT_S3_LIMITS, attempts: 4, longestPauseMs: 20 };
const server = await s3Server();

function s3Test(
  name: string,
  body: (server: S3Server, t: { diagnostic(message: string): void }) => Promise<void>,
): void {
  if (server === undefined) test(name, { skip: NO_S3 }, () => undefined);
  else test(name, (t) => body(server, t));
}

/** The bucket, as one machine has it, and how it lets go of it. */
function openBucket(settings: S3Settings): { readonly objects: SharedObjects; close(): void } {
  const remote = new S3Backend(settings, LIMITS);
  const once = new S3Backend(settings, { ...LIMITS, attempts: 1 });
  const objects = sharedObjectsOf(remote, once);
  assert.ok(objects !== undefined);
  const close = (): void => {
    remote.close();
    once.close();
  };
  return { objects, close };
}

/** A machine of the model, in a real bucket; what it waits for comes by itself. */
function machineIn(settings: S3Settings, id: string, disk: LocalDisk, random: Random, doings: Map<string, number>) {
  const { objects, close } = openBucket(settings);
  const Life = class extends Machine {
    override makeClient(): SharedObjects {
      return objects;
    }
    override leaseSeconds(): number {
      return LEASE_SECONDS;
    }
    override settleSeconds(): number {
      return SETTLE_SECONDS;
    }
  };
  const machine = new Life({
    ...{ id, random, disk, bucket: new ModelBucket(random, 1), wallClock: { behind: 0 } },
    now: () => performance.now() / 1000,
    did: (what, times = 1) => doings.set(what, (doings.get(what) ?? 0) + times),
  });
  const timer = setInterval(() => void machine.turns.step(), 2);
  const kill = (): void => {
    clearInterval(timer);
    machine.die();
    close();
  };
  return { machine, kill };
}

function start({ machine }: ReturnType<typeof machineIn>, actor: Actor): void {
  if (machine.turns.tasks >= 12) return;
  machine.turns.start(async () => {
    try {
      await actor(machine);
    } catch (error) {
      if (!EXPECTED.has(kindOf(error))) throw error;
    }
  });
}

/** What is published names nothing that is missing. @returns how many units there are */
async function checkBucket(objects: SharedObjects): Promise<number> {
  const revoked = await revokedUnits(objects);
  const units = (await namesBelow(objects, 'host')).filter((name) => !revoked.has(name));
  const chunks = new Set(await namesBelow(objects, '.chunks'));
  for (const unit of units) {
    for (const key of unitKeys(await objects.get(unit))) assert.ok(chunks.has(chunkName(key)), `${unit} names ${key}`);
  }
  return units.length;
}

s3Test('machines that are killed, and a server that comes and goes, lose nothing in a real bucket', async (s3, t) => {
  const random = new Random(seedOfRun(t));
  const proxy = await S3Proxy.open(s3.endpoint);
  const place = { ...s3.newStore(), conditionalPuts: true };
  const settings = { ...place, endpoint: proxy.endpoint };
  const doings = new Map<string, number>();
  const disks = [new LocalDisk(), new LocalDisk()];
  const open = (n: number) => machineIn(settings, `m${n}`, disks[n] as LocalDisk, random, doings);
  const lives = disks.map((_, n) => open(n));
  const actors = Object.values(ACTORS);
  const own = openBucket(place);
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const life of lives) {
        start(life, random.pick(actors));
        start(life, random.pick([ACTORS.ticker, ACTORS.uploader, ACTORS.publisher, ACTORS.collector] as Actor[]));
        assert.equal(life.machine.turns.failure, undefined);
      }
      if (random.below(12) === 0) proxy.next(random.pick([{ kind: 'lose-reply' }, { kind: 'reset' }]));
      if (random.below(60) === 0) {
        const n = random.below(2);
        lives[n]?.kill();
        lives[n] = open(n);
        doings.set('kills', (doings.get('kills') ?? 0) + 1);
      }
      if (random.below(100) === 0) {
        await proxy.down();
        await pause(300);
        await proxy.up();
      }
      await pause(20);
    }
    for (const life of lives) for (const name of ['writer', 'snapshotter']) start(life, ACTORS[name] as Actor);
    await settle(lives, disks, () => (doings.get('collections') ?? 0) > 0);
    const units = await checkBucket(own.objects);
    t.diagnostic(`${units} published: ${[...doings].map(([what, times]) => `${what} ${times}`).join(', ')}`);
    assert.ok(units > 0, 'nothing was published');
  } finally {
    for (const life of lives) life.kill();
    own.close();
    await proxy.down();
  }
});

/** Everything comes to be published, and what nobody names goes. */
async function settle(
  lives: readonly ReturnType<typeof machineIn>[],
  disks: readonly LocalDisk[],
  hasCollected: () => boolean,
): Promise<void> {
  const last = ['ticker', 'preparer', 'sweeper', 'uploader', 'publisher'].map((name) => ACTORS[name] as Actor);
  const published = () =>
    disks.every(({ snapshots }) => [...snapshots.values()].every((snapshot) => snapshot.published));
  for (let goes = 0; !published(); goes += 1) {
    assert.ok(goes < 3000, 'not everything could be published');
    for (const life of lives) start(life, last[goes % last.length] as Actor);
    await pause(10);
    for (const { machine } of lives) assert.equal(machine.turns.failure, undefined);
  }
  const [first] = lives;
  assert.ok(first !== undefined);
  const wanted = new Set(disks.flatMap((disk) => [...disk.named()]));
  const isClean = async (): Promise<boolean> => {
    const there = await namesBelow(first.machine.objects, '.chunks');
    return KEYS.every((key) => wanted.has(key) || !there.includes(chunkName(key)));
  };
  for (let goes = 0; !((await isClean()) && hasCollected()); goes += 1) {
    assert.ok(goes < 600, 'what nobody names is still there');
    for (const life of lives) for (const name of ['ticker', 'sweeper']) start(life, ACTORS[name] as Actor);
    start(first, ACTORS.collector as Actor);
    await pause(20);
  }
}

s3Test('a group has one writer, and goes to another when that one shows no life', async (s3) => {
  const settings = { ...s3.newStore(), conditionalPuts: true };
  const { objects, close } = openBucket(settings);
  try {
    const watch = new Watch(objects, () => seconds, LEASE_SECONDS);
    let seconds = 0;
    const [a, b] = ['a', 'b'].map((id) => ({ objects, watch, identity: { id, host: `host-${id}` } }));
    assert.ok(a !== undefined && b !== undefined);
    const first = await MachineLease.join(objects, a.identity);
    await takeGroup(a, first, 'host/x');
    const second = await MachineLease.join(objects, b.identity);
    const refused = /The group host\/x is written by host-a \(machine a\) since 20/;
    await assert.rejects(takeGroup(b, second, 'host/x'), refused);
    seconds += LEASE_SECONDS + 1;
    await first.beat();
    await assert.rejects(takeGroup(b, second, 'host/x'), refused);
    const again = await MachineLease.join(objects, a.identity);
    assert.equal(await kind(first.beat()), 'stale');
    await takeGroup(a, again, 'host/x');
    await assert.rejects(takeGroup(b, second, 'host/x'), refused);
    seconds += LEASE_SECONDS + 1;
    await takeGroup(b, second, 'host/x');
    assert.equal(await kind(again.publish(['host/x/1/index.json.blob'], () => Promise.resolve())), 'stale');
    const back = await MachineLease.join(objects, a.identity);
    assert.equal(back.missedRounds, true);
    await assert.rejects(takeGroup(a, back, 'host/x'), /is written by host-b/);
  } finally {
    close();
  }
});

async function kind(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return kindOf(error);
  }
}
