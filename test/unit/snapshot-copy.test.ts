import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { ChunkError } from '../../src/chunkstore/chunk-error.js';
import { checkBlob } from '../../src/chunkstore/verified-blob.js';
import { CairnError } from '../../src/core/errors.js';
import { parseGroupPath } from '../../src/core/group.js';
import { Bandwidth } from '../../src/snapshot/copy/bandwidth.js';
import { chooseSnapshots } from '../../src/snapshot/copy/choose-snapshots.js';
import { shownSnapshot } from '../../src/snapshot/copy/copy-source.js';
import { DigestSet } from '../../src/snapshot/copy/digest-set.js';
import { parseSelection } from '../../src/snapshot/copy/selection.js';
import { isKind } from '../support/kinds.js';

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest();

test('a set of digests has each once, however many they are, and keeps copies', () => {
  const set = new DigestSet();
  const buffer = Buffer.alloc(32);
  for (let n = 0; n < 5000; n += 1) {
    digestOf(`${n}`).copy(buffer);
    assert.equal(set.add(buffer), true);
  }
  buffer.fill(7);
  for (let n = 0; n < 5000; n += 1) assert.equal(set.add(digestOf(`${n}`)), false);
  // All with the same first bytes: they are told apart by the others.
  const alike = Array.from({ length: 50 }, (_, n) => Buffer.concat([Buffer.alloc(31), Buffer.from([n])]));
  assert.deepEqual(
    alike.map((digest) => set.add(digest)),
    alike.map(() => true),
  );
  assert.equal(set.size, 5050);
});

const TIMES = [1_700_000_000, 1_700_000_100, 1_700_000_200];
const ALL = ['host/a', 'ns/site/host/a', 'vm/latest'].flatMap((path) =>
  TIMES.map((time) => ({ group: parseGroupPath(path), time, isProtected: false })),
);

test('names choose groups, single snapshots and newest ones, each once and in order', () => {
  const chosen = (...names: string[]): string[] => chooseSnapshots(ALL, names).map(shownSnapshot);
  assert.equal(chooseSnapshots(ALL, 'all').length, 9);
  assert.equal(chosen().length, 0);
  const [first, second, last] = ['2023-11-14T22:13:20Z', '2023-11-14T22:15:00Z', '2023-11-14T22:16:40Z'];
  assert.deepEqual(chosen('host/a'), [`host/a/${first}`, `host/a/${second}`, `host/a/${last}`]);
  assert.deepEqual(chosen('ns/site/host/a/latest'), [`ns/site/host/a/${last}`]);
  assert.deepEqual(chosen('host/a/latest', `host/a/${second}`, `host/a/${second}/`), [
    `host/a/${second}`,
    `host/a/${last}`,
  ]);
  // A group may be called so.
  assert.equal(chosen('vm/latest').length, 3);
  assert.deepEqual(chosen('vm/latest/latest'), [`vm/latest/${last}`]);
  const refused = (name: string, kind: string) =>
    assert.throws(
      () => chosen(name),
      (error) => error instanceof CairnError && error.kind === kind,
    );
  refused('host/b', 'not-found');
  refused('host/a/2023-11-14T22:13:21Z', 'not-found');
  refused('host/a/current', 'invalid');
  refused('nonsense', 'invalid');
});

test('objects are told from groups and snapshots: all, none, or by their ids, whatever is in those', () => {
  assert.deepEqual(parseSelection([]), { snapshots: 'all', objects: 'all' });
  assert.deepEqual(parseSelection(['snapshots']), { snapshots: 'all', objects: [] });
  assert.deepEqual(parseSelection(['objects', 'host/a']), { snapshots: ['host/a'], objects: 'all' });
  const ids = ['objects/reports/2026.csv', 'objects/objects/ü ', 'objects/reports/2026.csv'];
  assert.deepEqual(parseSelection(ids), { snapshots: [], objects: ['reports/2026.csv', 'objects/ü '] });
  for (const none of ['objects/', `objects/${'x'.repeat(201)}`]) {
    assert.throws(() => parseSelection([none]), isKind('invalid', /Not the id of an object/));
  }
});

test('bytes are spent at the rate that was asked for, and without one at once', async () => {
  let now = 1000;
  const waits: number[] = [];
  const wait = async (milliseconds: number): Promise<void> => {
    waits.push(Math.round(milliseconds));
    now += milliseconds;
  };
  const slow = new Bandwidth(1_000_000, () => now, wait);
  for (let n = 0; n < 4; n += 1) await slow.spend(500_000);
  assert.deepEqual(waits, [500, 500, 500, 500]);
  // Small ones are saved up.
  for (let n = 0; n < 30; n += 1) await slow.spend(1000);
  assert.equal(
    waits.slice(4).reduce((sum, ms) => sum + ms, 0),
    30,
  );
  assert.ok(waits.length < 4 + 30);
  await new Bandwidth(
    undefined,
    () => now,
    () => assert.fail('there is nothing to wait for'),
  ).spend(1e12);
});

/** pbs-format A.2: `hello\n`, encrypted; and its digest, made with the key. */
const ENCRYPTED =
  '7b6785be222d4cf0b233fdcb000102030405060708090a0b0c0d0e0f82ac24dec2655806e4c80e1abb56504c0f09cc1a56ee';
const KEYED = '20bbd199c52e00417a79467b7d5af398d1f57bc44a8818d78d94c5cdebeec614';

test('a blob is checked as far as it can be: by digest and length, or where it is encrypted by its checksum', async () => {
  const plain = Buffer.concat([Buffer.from('42ab3807be8370a1', 'hex'), Buffer.alloc(4), Buffer.from('hello\n')]);
  plain.writeUInt32LE(crc32(plain.subarray(12)), 8);
  const encrypted = Buffer.from(ENCRYPTED, 'hex');
  const keyed = Buffer.from(KEYED, 'hex');
  await checkBlob(digestOf('hello\n'), plain, 6);
  await checkBlob(keyed, encrypted, 6);
  const damaged = Buffer.from(encrypted);
  damaged[47] = (damaged[47] ?? 0) ^ 1;
  await assert.rejects(checkBlob(keyed, damaged, 6), ChunkError);
  await assert.rejects(checkBlob(keyed, encrypted.subarray(0, 43), 6), ChunkError);
  await assert.rejects(checkBlob(digestOf('hello\n'), plain, 7), /it has 6 bytes, not 7/);
  await assert.rejects(checkBlob(digestOf('other'), plain, 6), /another digest/);
});
