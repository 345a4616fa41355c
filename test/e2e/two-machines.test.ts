import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { UploadStatus } from '../../src/control/upload-commands.js';
import { outputOf } from '../support/commands.js';
import { assertSameTree } from '../support/compare-trees.js';
import type { TestStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';
import { OwnS3Server } from '../support/own-s3-server.js';
import { chunksIn, NO_S3, namesIn, s3Server } from '../support/s3-server.js';
import { Machines, untilDone } from '../support/two-machines.js';

const ROUNDS = 2;
const GROUPS = ['host/a', 'host/b'] as const;
const hasS3 = (await s3Server()) !== undefined;

function fill(folder: string, seed: string, files: number): void {
  mkdirSync(folder, { recursive: true });
  for (let n = 0; n < files; n++) writeFileSync(join(folder, `file-${n}`), noise(`${seed} ${n}`, 2000 + n * 991));
  writeFileSync(join(folder, 'large'), noise(seed, 3_000_000));
  outputOf('find', [folder, '-exec', 'touch', '-hd', '2024-01-02T03:04:05.5', '{}', '+']);
}

const currentOf = (store: TestStore, group: string): string => join(store.mountpoint, group, 'current');
const sharedOf = (store: TestStore): NonNullable<UploadStatus['shared']> => {
  const { uploads } = JSON.parse(store.run(['status', '--json']).stdout) as { uploads: UploadStatus };
  assert.ok(uploads.shared !== null);
  return uploads.shared;
};
const copy = (from: string, to: string): string => outputOf('rsync', ['-aHAX', '--delete', `${from}/`, `${to}/`]);

function snapshot(store: TestStore, group: string): string {
  return (JSON.parse(store.cairn('snapshot', 'create', '--json', group)) as { time: string }).time;
}

test('two machines on one bucket: what both have is there once, each writes its own group and reads the other’s', {
  skip: hasS3 ? false : NO_S3,
}, async () => {
  const server = await OwnS3Server.start();
  const machines = new Machines(server.settings);
  try {
    const [groupA, groupB] = GROUPS;
    const [common, own] = [join(machines.folder, 'common'), join(machines.folder, 'own')];
    fill(common, 'common', 40);
    fill(own, 'own', 5);
    const a = machines.add();
    await a.mount();
    mkdirSync(join(a.mountpoint, groupA));
    copy(common, currentOf(a, groupA));
    const first = snapshot(a, groupA);
    a.cairn('sync');
    const before = await chunksIn(server.settings);

    const b = machines.add();
    await b.mount();
    mkdirSync(join(b.mountpoint, groupB));
    copy(common, join(currentOf(b, groupB), 'common'));
    copy(own, join(currentOf(b, groupB), 'own'));
    const second = snapshot(b, groupB);
    b.cairn('sync');
    const added = (await chunksIn(server.settings)) - before;
    assert.ok(added < before, `${added} chunks came to ${before}`);
    assertSameTree(common, join(b.mountpoint, groupA, first));
    assert.deepEqual(readdirSync(join(b.mountpoint, groupA)).includes('current'), false);

    assertOwners(a, b, first);
    assertMarksSeen(a, b, `${groupA}/${first}`);
    assert.match(a.cairn('refresh'), /1 snapshots of other machines appeared|0 snapshots/);
    assertSameTree(own, join(a.mountpoint, groupB, second, 'own'));
    assert.deepEqual(
      sharedOf(a).peers.map(({ machine }) => machine),
      [sharedOf(b).machine],
    );

    await killByTurns(machines, server, a, b);
    for (const store of [a, b]) await untilDone('refresh', () => store.run(['refresh']));
    const outcome = compareSnapshots(machines, a, b);
    assert.ok(outcome >= 2 + 2 * ROUNDS, `${outcome} snapshots`);
    await assertMarksGo(server, a);
    for (const store of [a, b]) {
      store.cairn('verify');
      await store.umount();
    }
  } catch (error) {
    for (const store of machines.stores) console.error(store.report());
    throw error;
  } finally {
    await machines.end();
    server.end();
  }
});

/** The mark of a snapshot that was withdrawn goes with a collection, once no late put can bring it back. */
async function assertMarksGo({ settings }: OwnS3Server, store: TestStore): Promise<void> {
  const [group] = GROUPS;
  const time = snapshot(store, group);
  store.cairn('sync');
  store.cairn('snapshot', 'forget', `${group}/${time}`);
  const marks = (): Promise<string[]> => namesIn(settings, `.cairn/shared/revoked/${group}/${time}`);
  let wasThere = false;
  await untilDone('the mark comes and goes', async () => {
    store.cairn('gc');
    const isThere = (await marks()).length > 0;
    wasThere ||= isThere;
    assert.ok(wasThere && !isThere);
  });
}

/** Both show the same snapshots, with the same trees. @returns how many */
function compareSnapshots({ folder }: Machines, a: TestStore, b: TestStore): number {
  let compared = 0;
  for (const group of GROUPS) {
    const times = (store: TestStore): string[] =>
      readdirSync(join(store.mountpoint, group)).filter((name) => /^\d{4}-/.test(name));
    assert.deepEqual(times(a), times(b), group);
    for (const time of times(a)) {
      assertSameTree(join(a.mountpoint, group, time), join(b.mountpoint, group, time));
      compared += 1;
    }
  }
  assert.ok(existsSync(folder));
  return compared;
}

/** Nobody but its writer changes a group. */
function assertOwners(a: TestStore, b: TestStore, first: string): void {
  const [groupA, groupB] = GROUPS;
  for (const attempt of [
    () => mkdirSync(join(b.mountpoint, groupA, 'current')),
    () => mkdirSync(join(a.mountpoint, groupB)),
  ]) {
    assert.throws(attempt, { code: /EBUSY|EEXIST/ });
  }
  const refused = b.run(['snapshot', 'forget', `${groupA}/${first}`]);
  assert.notEqual(refused.status, 0);
  assert.match(refused.stderr, /host\/a is written by .* \(machine [0-9a-f]{16}\) since /);
}

/** What its writer notes about a snapshot, and takes back, the other machine shows after a refresh. */
function assertMarksSeen(a: TestStore, b: TestStore, snapshot: string): void {
  const marksOf = (store: TestStore): unknown => {
    const { notes, protected: isProtected, verified } = JSON.parse(store.cairn('snapshot', 'show', '--json', snapshot));
    return [notes, isProtected, verified.state];
  };
  const refresh = (): unknown => {
    const { appeared, gone, changed } = JSON.parse(b.cairn('refresh', '--json'));
    return [appeared, gone, changed];
  };
  assert.deepEqual(marksOf(b), ['', false, 'none']);
  a.cairn('snapshot', 'notes', snapshot, 'as it was');
  a.cairn('snapshot', 'protect', snapshot);
  a.cairn('verify', snapshot);
  a.cairn('sync');
  refresh();
  assert.deepEqual(marksOf(b), ['as it was', true, 'ok']);
  a.cairn('snapshot', 'notes', snapshot, '');
  a.cairn('snapshot', 'unprotect', snapshot);
  a.cairn('sync');
  refresh();
  assert.deepEqual(marksOf(b), ['', false, 'ok']);
  assert.deepEqual(refresh(), [0, 0, 0]);
}

/** A machine and the server are killed; collections go on. */
async function killByTurns(machines: Machines, server: OwnS3Server, a: TestStore, b: TestStore): Promise<void> {
  const [groupA, groupB] = GROUPS;
  const own = join(machines.folder, 'own');
  for (let round = 0; round < ROUNDS; round += 1) {
    const [killed, other] = round % 2 === 0 ? [a, b] : [b, a];
    const [killedGroup, otherGroup] = round % 2 === 0 ? [groupA, groupB] : [groupB, groupA];
    fill(own, `own ${round}`, 5);
    copy(own, join(currentOf(killed, killedGroup), `round-${round}`));
    copy(own, join(currentOf(other, otherGroup), `round-${round}`));
    snapshot(killed, killedGroup);
    if (round === 1) server.down();
    await killed.kill9();
    snapshot(other, otherGroup);
    if (round === 1) server.up();
    await untilDone('gc', () => other.run(['gc', '--grace', '0']));
    await killed.mount();
    await untilDone('sync', () => killed.run(['sync']));
    await untilDone('sync', () => other.run(['sync']));
  }
}
