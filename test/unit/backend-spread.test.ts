import assert from 'node:assert/strict';
import { mkdirSync, renameSync } from 'node:fs';
import { test } from 'node:test';
import { objectBytesThatFit } from '../../src/backend/spread/capacity.js';
import { placementOrder } from '../../src/backend/spread/placement.js';
import type { SpreadBackend } from '../../src/backend/spread/spread-backend.js';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';
import { parseRedundancy } from '../../src/core/redundancy.js';
import { MemorySpread, spreadOverFolders } from '../support/spread.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const NAME = '.chunks/a9/a948';
const OBJECT = Buffer.from('an object of some length, cut in pieces');
const OTHER = Buffer.from('another object that is put under the same name');

const isKind = (kind: ErrorKind) => (error: unknown) => error instanceof CairnError && error.kind === kind;

async function listed(backend: SpreadBackend, prefix = ''): Promise<string[]> {
  const names: string[] = [];
  for await (const name of backend.list(prefix)) names.push(name);
  return names.sort();
}

/** Flips a byte of what a member has, behind everybody's back. */
async function damage(spread: MemorySpread, member: number, name = NAME): Promise<void> {
  const store = spread.stores[member]?.real;
  const bytes = await store?.get(name);
  if (store === undefined || bytes === undefined) throw new Error('nothing to damage');
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
  await store.put(name, bytes);
}

test('members get objects by their weight, and one more takes only its share', () => {
  const member = (id: string, weight = 1) => ({ settings: { id, weight } });
  const names = Array.from({ length: 6000 }, (_, at) => `.chunks/00/${at}`);
  const three = [member('a'), member('b'), member('c', 2)];
  const firsts = names.map((name) => placementOrder(name, three)[0]?.settings.id);
  const share = (id: string): number => firsts.filter((first) => first === id).length / names.length;
  for (const [id, expected] of [
    ['a', 0.25],
    ['b', 0.25],
    ['c', 0.5],
  ] as const) {
    assert.ok(Math.abs(share(id) - expected) < 0.03, `${id}: ${share(id)}`);
  }
  const four = [...three, member('d')];
  const moved = names.filter((name, at) => placementOrder(name, four)[0]?.settings.id !== firsts[at]);
  assert.ok(moved.every((name) => placementOrder(name, four)[0]?.settings.id === 'd'));
  assert.ok(names.every((name) => placementOrder(name, four, 'b')[0]?.settings.id === 'b'));
});

test('pieces lie on different members, under the name of their object', async () => {
  const spread = await MemorySpread.open(8, 'ec:4+2');
  await spread.backend.put(NAME, OBJECT);
  assert.equal((await spread.holders(NAME)).length, 6);
  assert.deepEqual(await listed(spread.backend), [NAME]);
  assert.ok((await spread.backend.get(NAME)).equals(OBJECT));
});

test('a range is read from the pieces that have it', async () => {
  const spread = await MemorySpread.open(6, 'ec:4+2');
  const object = Buffer.alloc(4000, 1);
  await spread.backend.put(NAME, object);
  for (const store of spread.stores) store.reads.length = 0;
  assert.equal((await spread.backend.getRange(NAME, 2500, 100)).length, 100);
  const asked = spread.stores.filter(({ reads }) => reads.includes(NAME)).length;
  assert.equal(asked, 2, 'the first piece for the header, the third for the bytes');
});

test('members that are full, read-only or being emptied get nothing, spare ones do', async () => {
  const spread = await MemorySpread.open(8, 'ec:4+2');
  spread.stores[0]!.failure = { kind: 'no-space', writes: true };
  const backend = spread.reopen('ec:4+2', { d1: { readOnly: true }, d2: { draining: true } });
  for (let at = 0; at < 20; at += 1) await backend.put(`n/${at}`, OBJECT);
  for (let at = 0; at < 20; at += 1) assert.deepEqual(await spread.holders(`n/${at}`), [3, 4, 5, 6, 7]);
});

test('what is to be left free on a member is', async () => {
  const spread = await MemorySpread.open(3, 'mirror:2', { capacityBytes: 10_000 });
  const backend = spread.reopen('mirror:2', { d0: { minFreeBytes: 9_500 } });
  for (let at = 0; at < 10; at += 1) await backend.put(`n/${at}`, Buffer.alloc(300));
  const { freeBytes } = await spread.stores[0]!.real.figures();
  assert.ok(freeBytes >= 9_500, `${freeBytes}`);
});

test('below the quorum a write fails with one clear error, and nothing is left of it', async () => {
  const spread = await MemorySpread.open(6, 'ec:4+2');
  spread.stores[0]!.failure = { kind: 'no-space', writes: true };
  await spread.backend.put(NAME, OBJECT);
  spread.stores[1]!.failure = { kind: 'no-space', writes: true };
  await assert.rejects(spread.backend.put('n/2', OBJECT), isKind('no-space'));
  assert.deepEqual(await spread.holders('n/2'), []);
  assert.ok((await spread.backend.get(NAME)).equals(OBJECT), 'reading goes on');
  spread.stores[1]!.failure = { kind: 'unreachable' };
  spread.now += 100_000;
  const told = (error: unknown): boolean => {
    assert.ok(isKind('unreachable')(error), String(error));
    return /ec:4\+2 writes to at least 5 of 6 backends/.test((error as Error).message);
  };
  await assert.rejects(spread.backend.put('n/3', OBJECT), told);
  await assert.rejects(spread.backend.put('n/4', OBJECT), told, 'also where nothing is tried any more');
});

test('a write that fails leaves what stood under the name', async () => {
  const spread = await MemorySpread.open(6, 'ec:4+2');
  await spread.backend.put(NAME, OBJECT);
  for (const at of [0, 1]) spread.stores[at]!.failure = { kind: 'io', writes: true };
  await assert.rejects(spread.backend.put(NAME, OTHER), CairnError);
  await assert.rejects(spread.backend.put(NAME, OBJECT), CairnError);
  for (const at of [0, 1]) spread.stores[at]!.failure = undefined;
  assert.ok((await spread.backend.get(NAME)).equals(OBJECT));
  assert.equal((await spread.holders(NAME)).length, 6);
});

test('an object is put in place of another one whole, wherever it is interrupted', async () => {
  for (let broken = 0; broken <= 6; broken += 1) {
    const spread = await MemorySpread.open(6, 'ec:4+2');
    await spread.backend.put(NAME, OBJECT);
    // The moves that put the new pieces in the places of the old are what can be interrupted.
    let left = broken;
    for (const store of spread.stores) {
      const move = store.moveAll.bind(store);
      store.moveAll = async (moves) => {
        left -= 1;
        return left < 0 ? new Promise(() => undefined) : move(moves);
      };
    }
    const put = spread.backend.put(NAME, OTHER);
    if (broken === 6) await put;
    else await new Promise((resolve) => setTimeout(resolve, 20));
    const found = await spread.reopen('ec:4+2').get(NAME);
    assert.ok(found.equals(OBJECT) || found.equals(OTHER), `after ${broken} moves: ${found}`);
    assert.ok(broken < 3 || found.equals(OTHER), `after ${broken} moves`);
  }
});

test('an object stored as it is gives way to pieces, and is read until then', async () => {
  const spread = await MemorySpread.open(6, 'ec:4+2');
  await spread.stores[2]?.real.put(NAME, OBJECT);
  const backend = spread.reopen('ec:4+2', {}, { converting: true });
  assert.ok((await backend.get(NAME)).equals(OBJECT));
  assert.equal(await backend.size(NAME), OBJECT.length);
  assert.equal((await backend.mender.mend(NAME)).state, 'mended');
  assert.equal((await spread.holders(NAME)).length, 6);
  spread.stores[2]!.failure = { kind: 'unreachable' };
  assert.ok((await backend.get(NAME)).equals(OBJECT));
});

test('lost and damaged pieces are made up for, and mended in the background', async () => {
  const spread = await MemorySpread.open(6, 'ec:4+2');
  await spread.backend.put(NAME, OBJECT);
  const order = placementOrder(NAME, spread.backend.members.all).map((member) =>
    spread.backend.members.all.indexOf(member),
  );
  const [first, second, ...others] = order as [number, number, ...number[]];
  await spread.stores[first]?.real.removeAll([NAME]);
  await damage(spread, second);
  assert.ok((await spread.backend.get(NAME)).equals(OBJECT));
  await spread.backend.readRepair.idle();
  assert.equal((await spread.backend.mender.mend(NAME)).state, 'whole');
  for (const at of others.slice(0, 2)) await spread.stores[at]?.real.removeAll([NAME]);
  assert.ok((await spread.reopen('ec:4+2').get(NAME)).equals(OBJECT));
});

test('with one piece too few an object is gone, and nothing is invented', async () => {
  const spread = await MemorySpread.open(6, 'ec:4+2');
  await spread.backend.put(NAME, OBJECT);
  for (const at of [0, 1]) await spread.stores[at]?.real.removeAll([NAME]);
  await damage(spread, 2);
  await assert.rejects(spread.backend.get(NAME), isKind('not-found'));
  assert.equal((await spread.backend.mender.mend(NAME)).state, 'lost');
  assert.deepEqual(await listed(spread.backend), [NAME], 'its pieces are still there to be listed and removed');
});

test('absence is said only when enough members said so', async () => {
  const spread = await MemorySpread.open(6, 'ec:4+2');
  const { backend } = spread;
  await backend.put(NAME, OBJECT);
  for (const at of [0, 1, 2]) spread.stores[at]!.failure = { kind: 'unreachable' };
  await assert.rejects(backend.get(NAME), isKind('unreachable'));
  await assert.rejects(backend.size(NAME), isKind('unreachable'));
  assert.equal(await backend.size('n/absent'), undefined, 'three members are too few to have it');
  await assert.rejects(backend.get('n/absent'), isKind('not-found'));
  assert.deepEqual(await listed(backend), [NAME], 'every object has five pieces at least');
  for (const at of [3, 4]) spread.stores[at]!.failure = { kind: 'unreachable' };
  await assert.rejects(listed(backend), isKind('unreachable'));
  await assert.rejects(backend.size('n/absent'), isKind('unreachable'));
});

test('with mirrors one silent member may have anything', async () => {
  const spread = await MemorySpread.open(3, 'mirror:2');
  await spread.backend.put(NAME, OBJECT);
  for (const at of await spread.holders(NAME)) spread.stores[at]!.failure = { kind: 'unreachable' };
  await assert.rejects(spread.backend.get(NAME), isKind('unreachable'));
  await assert.rejects(spread.backend.size('n/absent'), isKind('unreachable'));
});

test('a member that fails is left alone for a while, then looked at again', async () => {
  const spread = await MemorySpread.open(3, 'mirror:2');
  const { backend } = spread;
  await backend.put(NAME, OBJECT);
  spread.stores[0]!.failure = { kind: 'unreachable' };
  for (let at = 0; at < 10; at += 1) await backend.put(`n/${at}`, OBJECT);
  assert.deepEqual(
    backend.members.all.map(({ health }) => health.failing),
    [true, false, false],
  );
  spread.stores[0]!.failure = undefined;
  spread.now += 5000;
  for (let at = 10; at < 20; at += 1) await backend.put(`n/${at}`, OBJECT);
  assert.ok(backend.members.all.every(({ health }) => !health.failing));
  const held = await Promise.all(Array.from({ length: 20 }, (_, at) => spread.holders(`n/${at}`)));
  assert.ok(held.slice(0, 10).every((members) => !members.includes(0)));
  assert.ok(held.slice(10).some((members) => members.includes(0)));
});

test('only the store with its mark is taken for a member', async (t) => {
  const folder = temporaryFolder(t);
  const { backend, folders } = await spreadOverFolders(folder, 3, 'mirror:2');
  for (let at = 0; at < 6; at += 1) await backend.put(`.chunks/a9/${at}`, OBJECT);
  await backend.sync();
  const [first, second] = folders as [string, string];
  // A disk that is not mounted leaves an empty folder: that is missing, not empty.
  renameSync(first, `${folder}/away`);
  mkdirSync(first);
  const { backend: later } = await reopened(folder, 'mirror:2');
  for (let at = 0; at < 6; at += 1) assert.ok((await later.get(`.chunks/a9/${at}`)).equals(OBJECT));
  await assert.rejects(later.size('.chunks/a9/none'), isKind('unreachable'));
  assert.match(later.members.all[0]?.health.reason ?? '', /mounted/);
  // Nor is the disk of another member the one that is missing.
  renameSync(first, `${folder}/empty`);
  renameSync(second, first);
  const { backend: mixed } = await reopened(folder, 'mirror:2');
  await assert.rejects(mixed.put('.chunks/a9/new', OBJECT), isKind('unreachable'));
  assert.match(mixed.members.all[0]?.health.reason ?? '', /another member/);
});

async function reopened(folder: string, redundancy: string): Promise<{ backend: SpreadBackend }> {
  return spreadOverFolders(folder, 3, redundancy, {}, 'as they are');
}

test('a member whose barrier fails has lost what was put since, and the others have to do', async () => {
  const spread = await MemorySpread.open(6, 'ec:4+2');
  const { backend } = spread;
  await backend.put(NAME, OBJECT);
  spread.stores[0]!.barrierFailure = 'io';
  await backend.sync();
  assert.equal(backend.readRepair.waiting, 1);
  await backend.readRepair.idle();
  assert.equal(backend.members.all[0]?.health.failing, true);
  await backend.put('n/2', OBJECT);
  for (const at of [1, 2, 3]) spread.stores[at]!.barrierFailure = 'io';
  await assert.rejects(backend.sync(), isKind('io'));
  await assert.rejects(backend.sync(), isKind('io'), 'nothing makes up for it later');
});

test('members are emptied: pieces go elsewhere before they go', async () => {
  const spread = await MemorySpread.open(7, 'ec:4+2');
  for (let at = 0; at < 10; at += 1) await spread.backend.put(`n/${at}`, Buffer.concat([OBJECT, Buffer.from([at])]));
  const backend = spread.reopen('ec:4+2', { d0: { draining: true } });
  for (const name of await listed(backend)) {
    const { state, surplus } = await backend.mender.mend(name);
    assert.ok(state === 'mended' || state === 'whole', state);
    await backend.sync();
    await backend.mender.removeSurplus(name, surplus);
    assert.deepEqual(await spread.holders(name), [1, 2, 3, 4, 5, 6]);
  }
});

test('the only copy is not removed where there is no other place for it', async () => {
  const spread = await MemorySpread.open(2, 'mirror:2');
  await spread.backend.put(NAME, OBJECT);
  const backend = spread.reopen('mirror:2', { d0: { draining: true } });
  const { state, surplus } = await backend.mender.mend(NAME);
  assert.equal(state, 'degraded');
  assert.equal(await backend.mender.removeSurplus(NAME, surplus), 0);
  assert.deepEqual(await spread.holders(NAME), [0, 1]);
});

test('another redundancy is brought about object by object, both forms side by side', async () => {
  const spread = await MemorySpread.open(6, 'mirror:2');
  for (let at = 0; at < 10; at += 1) await spread.backend.put(`n/${at}`, Buffer.alloc(100, at));
  const backend = spread.reopen('ec:4+2', {}, { converting: true });
  for (let at = 0; at < 10; at += 2) await backend.mender.mend(`n/${at}`);
  for (let at = 0; at < 10; at += 1) {
    assert.ok((await backend.get(`n/${at}`)).equals(Buffer.alloc(100, at)));
    assert.equal((await spread.holders(`n/${at}`)).length, at % 2 === 0 ? 6 : 2);
  }
});

test('an object that is to bear more than others keeps its own redundancy until told otherwise', async () => {
  const own = parseRedundancy('ec:4+2');
  const spread = await MemorySpread.open(7, 'mirror:2', { groupRedundancies: [own] });
  const { backend } = spread;
  await backend.put(NAME, OBJECT);
  assert.equal(await backend.mender.has(NAME, own), false);
  assert.equal((await backend.mender.survey(NAME, own)).state, 'degraded');
  const { state, surplus } = await backend.mender.mend(NAME, own);
  assert.equal(state, 'mended');
  await backend.mender.removeSurplus(NAME, surplus);
  const held = await spread.holders(NAME);
  assert.equal(held.length, 6);
  assert.equal(await backend.mender.has(NAME, own), true);
  await backend.put(NAME, OBJECT);
  assert.equal((await backend.mender.mend(NAME)).state, 'whole');
  assert.deepEqual(await spread.holders(NAME), held);
  for (const at of held.slice(0, 2)) await spread.stores[at]?.real.removeAll([NAME]);
  await backend.readRepair.pause();
  assert.ok((await backend.getRange(NAME, 3, 50)).equals(OBJECT.subarray(3, 53)));
  assert.ok((await backend.get(NAME)).equals(OBJECT));
  const back = await backend.mender.mend(NAME, parseRedundancy('mirror:2'));
  assert.equal(back.state, 'mended');
  assert.equal(await backend.mender.removeSurplus(NAME, back.surplus), back.surplus.length);
  assert.equal((await spread.holders(NAME)).length, 2);
  assert.ok((await backend.get(NAME)).equals(OBJECT));
});

test('what a failed barrier costs is told by the redundancy of each object', async () => {
  const own = parseRedundancy('mirror:3');
  for (const isRaised of [true, false]) {
    const spread = await MemorySpread.open(4, 'ec:2+1', { groupRedundancies: [own] });
    const { backend } = spread;
    await backend.put(NAME, OBJECT);
    if (isRaised) {
      await backend.sync();
      await backend.mender.mend(NAME, own);
    }
    for (const at of (await spread.holders(NAME)).slice(0, 2)) {
      (spread.stores[at] as (typeof spread.stores)[number]).barrierFailure = 'io';
    }
    // One piece of three is durable: a whole copy, or half of the object.
    if (isRaised) await backend.sync();
    else await assert.rejects(backend.sync(), isKind('io'));
  }
});

test('where the bytes proved wrong another form of the object is given, and takes their place', async () => {
  const spread = await MemorySpread.open(4, 'mirror:2');
  await spread.backend.put(NAME, OTHER);
  const holders = await spread.holders(NAME);
  const empty = [0, 1, 2, 3].find((at) => !holders.includes(at)) as number;
  await spread.stores[empty]?.real.put(NAME, OBJECT);
  assert.ok((await spread.backend.get(NAME)).equals(OTHER));
  assert.ok((await spread.backend.getElsewhere(NAME)).equals(OBJECT));
  assert.ok((await spread.backend.get(NAME)).equals(OBJECT));
  await assert.rejects(spread.backend.getElsewhere(NAME), isKind('not-found'));
});

test('capacity is what objects of that many pieces can use', () => {
  const ec = parseRedundancy('ec:4+2');
  assert.equal(objectBytesThatFit([100, 100, 100, 100, 100, 100], ec), 400);
  assert.equal(objectBytesThatFit([100, 100, 100, 100, 100, 900], ec), 400, 'the larger one cannot be used');
  assert.equal(objectBytesThatFit([100, 100, 100, 100, 100], ec), 0);
  assert.equal(objectBytesThatFit([60, 100, 100, 100, 100, 100, 40], ec), 400);
  assert.equal(objectBytesThatFit([100, 50], parseRedundancy('mirror:2')), 50);
  assert.equal(objectBytesThatFit([100, 50, 50], parseRedundancy('mirror:2')), 100);
  assert.equal(objectBytesThatFit([100, 50, Number.POSITIVE_INFINITY], parseRedundancy('mirror:2')), 150);
  assert.equal(
    objectBytesThatFit([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY], parseRedundancy('mirror:2')),
    undefined,
  );
  assert.equal(objectBytesThatFit([3, 4], parseRedundancy('single')), 7);
});
