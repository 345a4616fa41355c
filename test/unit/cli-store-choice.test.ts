import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { chooseGroup, chooseStore, type Surroundings } from '../../src/cli/store-choice.js';
import { CairnError, type ErrorKind } from '../../src/core/errors.js';
import { groupPath } from '../../src/core/group.js';
import type { CairnMount } from '../../src/daemon/mounts.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const refusal = (kind: ErrorKind, message: RegExp) => (error: unknown) =>
  error instanceof CairnError && error.kind === kind && message.test(error.message);

function around(mounts: readonly CairnMount[], environmentStore?: string): Surroundings {
  return { environmentStore, mounts: async () => mounts };
}

/** Two mounted datastores, one inside a folder of the other's mount, and a folder that is neither. */
function machine(t: TestContext) {
  const folder = temporaryFolder(t);
  const at = (name: string) => {
    mkdirSync(join(folder, name), { recursive: true });
    return join(folder, name);
  };
  const [a, b, plain, mntA] = [at('a'), at('b'), at('plain'), at('mnt')];
  const inner = at('mnt/host/web1/current/deep');
  const mntB = at('mnt/host/web1/current/inner');
  const mounts = [
    { mountpoint: mntB, store: b },
    { mountpoint: mntA, store: a },
  ];
  return { folder, a, b, plain, mntA, mntB, inner, mounts, at };
}

test('what is given counts before the environment, and that before what is mounted', async (t) => {
  const { a, b, plain } = machine(t);
  const mounts = [{ mountpoint: '/mnt/x', store: '/srv/x' }];
  assert.equal(await chooseStore(a, around(mounts, b)), a);
  assert.equal(await chooseStore(undefined, around(mounts, b)), b);
  assert.equal(await chooseStore(undefined, around(mounts)), '/srv/x');
  assert.equal(await chooseStore(plain, around(mounts)), plain);
});

test('a mountpoint, a path below one and a link mean the datastore', async (t) => {
  const { folder, a, b, mntA, mntB, inner, mounts } = machine(t);
  assert.equal(await chooseStore(mntA, around(mounts)), a);
  assert.equal(await chooseStore(inner, around(mounts)), a);
  assert.equal(await chooseStore(mntB, around(mounts)), b, 'the innermost mount counts');
  symlinkSync(mntA, join(folder, 'link'));
  assert.equal(await chooseStore(join(folder, 'link/host'), around(mounts)), a);
  assert.equal(await chooseStore(`${mntA}/../a/`, around(mounts)), a);
});

test('what does not tell a datastore is refused', async (t) => {
  const { folder, mounts } = machine(t);
  await assert.rejects(chooseStore(undefined, around([])), refusal('invalid', /--store/));
  await assert.rejects(chooseStore(undefined, around(mounts)), refusal('invalid', /Several.*\/a\b/));
  const twice = [...mounts.slice(0, 1), ...mounts.slice(0, 1)];
  assert.equal(await chooseStore(undefined, around(twice)), mounts[0]?.store);
  for (const address of ['s3://bucket/x', 'S3:bucket']) {
    await assert.rejects(
      chooseStore(address, around([])),
      refusal('unsupported', new RegExp(`cairn attach ${address} FOLDER`)),
    );
  }
  await assert.rejects(chooseStore('', around([])), refusal('invalid', /empty/));
  await assert.rejects(chooseStore(`${folder}/none`, around([])), refusal('not-found', /none/));
});

const wholeStore = () => null;

async function groupOf(given: string, mounts: readonly CairnMount[], store?: string): Promise<string> {
  const choice = await chooseGroup(given, store, around(mounts), wholeStore);
  return `${choice.store}: ${groupPath(choice.group)}`;
}

test('a group is named by its path in the datastore or in a mount', async (t) => {
  const { a, b, mntA, inner, mounts, at } = machine(t);
  assert.equal(await groupOf('host/web1', mounts, b), `${b}: host/web1`);
  assert.equal(await groupOf('ns/x/vm/100', mounts, b), `${b}: ns/x/vm/100`);
  assert.equal(await groupOf(`${mntA}/host/web1`, mounts), `${a}: host/web1`);
  assert.equal(await groupOf(inner, mounts), `${a}: host/web1`);
  assert.equal(await groupOf(inner, mounts, mntA), `${a}: host/web1`);
  const nested = at('mnt/ns/ns/ns/host/vm/host/2026-11-20T10:00:00Z');
  assert.equal(await groupOf(nested, mounts), `${a}: ns/ns/ns/host/vm/host`);
});

test('in a mount of one group every path means that group', async (t) => {
  const { a, inner, mounts } = machine(t);
  const { group } = await chooseGroup(inner, undefined, around(mounts), (store) => (store === a ? 'ct/7' : null));
  assert.equal(groupPath(group), 'ct/7');
});

test('what is no group is refused', async (t) => {
  const { b, plain, mntA, mounts } = machine(t);
  await assert.rejects(groupOf('foo/bar', mounts, b), refusal('invalid', /Not a group/));
  await assert.rejects(groupOf(plain, mounts), refusal('invalid', /not inside a mounted datastore/));
  await assert.rejects(groupOf(mntA, mounts), refusal('invalid', /Not a group/));
  await assert.rejects(groupOf(`${mntA}/host`, mounts), refusal('invalid', /Not a group/));
  await assert.rejects(groupOf(`${mntA}/host/web1`, mounts, b), refusal('invalid', /not of/));
});
