import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ShardPlaces } from '../../src/catalog/shard-places.js';
import { datastorePaths } from '../../src/datastore/paths.js';
import { discardShards, openShardWriter } from '../../src/datastore/shard-file.js';
import type { Library, NewBackend } from '../../src/library/api.js';
import { memoryLibrary } from '../../src/library/memory-library.js';
import { createLibrary, openLibrary, openLibraryReader } from '../../src/library/open-library.js';
import type { ComparedBackend } from '../../src/maintenance/spread/piece-comparison.js';
import { outputOf, runCommand } from '../support/commands.js';
import { isKind } from '../support/kinds.js';
import { bytesOf, counted, filesBelow } from '../support/libraries.js';
import { MAIN } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** A store spread over `count` folders, and where it is; the folder goes when the test ends, after whoever closes it. */
async function spread(
  t: TestContext,
  count: number,
  redundancy: string,
): Promise<{ library: Library; store: string; backends: NewBackend[] }> {
  const folder = temporaryFolder(t);
  const backends = Array.from({ length: count }, (_, at) => {
    return { id: `d${at}`, type: 'fs', path: join(folder, `d${at}`) } as const;
  });
  for (const { path } of backends) mkdirSync(path);
  const store = join(folder, 'store');
  const library = await createLibrary(store, { reserveBytes: 4096, backends, redundancy });
  return { library, store, backends };
}

async function groupsOf(library: Library, ids: readonly string[]): Promise<string[][]> {
  return Promise.all(
    ids.map(async (id) => (await library.getECGroup(id)).shards.map(({ backendId }) => backendId).sort()),
  );
}

test('objects over erasure-coded backends: whole, by range, without a backend, and mended after', async (t) => {
  const { library, store, backends } = await spread(t, 4, 'ec:2+1');
  const count = counted(library);
  const content = noise('spread', 3_000_000);
  await library.putObject('x', content);
  const { ids } = await count();
  for (const group of await groupsOf(library, ids)) {
    assert.deepEqual([group.length, new Set(group).size], [3, 3], 'never two pieces on one backend');
  }
  const { scheme, canRecover, missing, shards } = await library.getECGroup(ids[0] as string);
  assert.deepEqual([scheme, canRecover, missing], ['ec:2+1', true, []]);
  assert.deepEqual(
    shards.map(({ index, isParity }) => [index, isParity]),
    [
      [0, false],
      [1, false],
      [2, true],
    ],
  );
  const gone = backends[1]?.path as string;
  renameSync(gone, `${gone}.away`);
  assert.deepEqual(await bytesOf(await library.getObjectRange('x', 1_000_000, 500_000)), content.subarray(1e6, 1.5e6));
  assert.deepEqual(await bytesOf(await library.getObjectData('x')), content);
  await library.putObject('y', noise('without', 1_000_000));
  assert.ok((await library.getBackend('d1')).failure !== undefined);
  assert.notEqual((await library.getDefaultBackend()).id, 'd1');
  await library.removeBackend('d1', { lost: true });
  assert.equal((await library.listBackends()).length, 3);
  const mended = await library.mendBackends();
  assert.deepEqual([mended.complete, mended.lost, mended.degraded], [true, 0, 0]);
  assert.ok(mended.mended > 0);
  for (const group of await groupsOf(library, ids)) assert.deepEqual(group, ['d0', 'd2', 'd3']);
  assert.deepEqual(await bytesOf(await library.getObjectData('x')), content);
  await copiesAreKept(library, store, backends);
});

/** Backends have what it takes to know the objects without the datastore's folder. */
async function copiesAreKept(library: Library, store: string, backends: readonly NewBackend[]): Promise<void> {
  const folders = ['d0', 'd2', 'd3'].map((id) => join(backends.find((one) => one.id === id)?.path as string, '.cairn'));
  const copies = () =>
    folders.flatMap((folder) => filesBelow(folder, 'indexes')).map((path) => path.slice('indexes/'.length));
  const here = filesBelow(store, 'objects');
  assert.deepEqual([...new Set(copies())].sort(), here.sort());
  assert.equal(copies().length, 2 * here.length, 'one may be lost, so there are two of each');
  await library.putObject('x', noise('newer', 100_000));
  await library.deleteObject('y');
  await library.mendBackends();
  assert.deepEqual([...new Set(copies())].sort(), filesBelow(store, 'objects').sort());
  await library.close();
  rmSync(join(store, 'objects'), { recursive: true });
  outputOf(process.execPath, [MAIN, 'repair', '--rebuild-catalog', '--force', '--yes', '--store', store]);
  const again = await openLibrary(store);
  assert.deepEqual(await bytesOf(await again.getObjectData('x')), noise('newer', 100_000));
  await assert.rejects(again.getObject('y'), isKind('not-found', /was deleted/));
  await again.close();
}

test('a chunk is received on the backend that is named, and a redundancy is changed', async (t) => {
  const { library, store } = await spread(t, 3, 'single');
  const ids: string[] = [];
  for (const backend of ['d0', 'd1', 'd2', 'd2', 'd1', 'd0']) {
    const content = noise(`chunk ${ids.length}`, 5000);
    ids.push(sha256(content));
    await library.writeChunk(sha256(content), content, backend);
  }
  assert.deepEqual(await groupsOf(library, ids), [['d0'], ['d1'], ['d2'], ['d2'], ['d1'], ['d0']]);
  const storage = library.getBackendStorage('d1');
  const [, second = ''] = ids;
  assert.ok(((await storage.size(`.chunks/${second.slice(0, 2)}/${second}`)) ?? 0) > 0);
  await library.putObject('x', noise('kept', 400_000));
  await library.setRedundancy('mirror:2');
  assert.equal((await library.mendBackends()).complete, true);
  for (const group of await groupsOf(library, ids)) assert.equal(new Set(group).size, 2);
  assert.equal((await library.getECGroup(second)).scheme, 'mirror:2');
  await assert.rejects(library.setRedundancy('ec:4+2'), isKind('invalid'));
  await assert.rejects(library.setRedundancy('raid5'), isKind('invalid'));
  await assert.rejects(library.getECGroup(sha256(Buffer.from('none'))), isKind('not-found'));
  const reader = await openLibraryReader(store);
  assert.equal((await reader.getECGroup(second)).scheme, 'mirror:2');
  assert.deepEqual(await bytesOf(await reader.getObjectData('x')), noise('kept', 400_000));
  await reader.close();
  await library.close();
});

test('backends are added, emptied and removed; one that holds chunks stays', async (t) => {
  const folder = temporaryFolder(t);
  const store = join(folder, 'store');
  const alone = await createLibrary(store, { reserveBytes: 4096 });
  const content = noise('moved', 1_000_000);
  await alone.putObject('x', content);
  await assert.rejects(alone.addBackend({ id: 'Bad id', type: 'fs', path: '/x' }), isKind('invalid'));
  for (const at of [1, 2]) mkdirSync(join(folder, `d${at}`));
  await alone.addBackend({ id: 'd1', type: 'fs', path: join(folder, 'd1') });
  await alone.close();
  const library = await openLibrary(store);
  await library.addBackend({ id: 'd2', type: 'fs', path: join(folder, 'd2'), weight: 3, media: 'hdd' });
  assert.deepEqual(
    (await library.listBackends()).map(({ id: name, weight, mediaType }) => [name, weight, mediaType]),
    [
      ['local', 1, undefined],
      ['d1', 1, undefined],
      ['d2', 3, 'hdd'],
    ],
  );
  await assert.rejects(library.addBackend({ id: 'd2', type: 'fs', path: join(folder, 'd3') }), isKind('exists'));
  await assert.rejects(library.removeBackend('local'), isKind('not-empty', /empty it first/));
  await library.drainBackend('local');
  assert.equal((await library.getBackend('local')).draining, true);
  assert.equal((await library.getDefaultBackend()).id, 'd1');
  await assert.rejects(library.removeBackend('local'), isKind('not-empty'));
  assert.equal((await library.mendBackends()).complete, true);
  await library.removeBackend('local');
  assert.deepEqual(await bytesOf(await library.getObjectData('x')), content);
  assert.ok(readdirSync(join(store, 'objects')).length > 0, 'index files stay in the datastore');
  await library.close();
});

test('a store in memory has one backend', async () => {
  const library = memoryLibrary();
  for (const change of [
    () => library.addBackend({ id: 'd1', type: 'fs', path: '/x' }),
    () => library.drainBackend('default'),
    () => library.removeBackend('default'),
    () => library.setRedundancy('mirror:2'),
    () => library.mendBackends(),
  ]) {
    await assert.rejects(change, isKind('unsupported'));
  }
  await library.close();
});

/** How many files of chunks each backend has, and their bytes. */
function filesOn(backends: readonly NewBackend[]): Map<string, { shards: number; bytes: number }> {
  return new Map(
    backends.map(({ id, path = '' }) => {
      const folders = ['.chunks', '.cairn/quarantine'].filter((folder) => existsSync(join(path, folder)));
      const files = folders.flatMap((folder) => filesBelow(path, folder));
      const bytes = files.reduce((sum, file) => sum + statSync(join(path, file)).size, 0);
      return [id, { shards: files.length, bytes }];
    }),
  );
}

function recordOf<T>(store: string, work: (record: ShardPlaces) => T): T {
  const record = openShardWriter(datastorePaths(store).shards).places;
  try {
    return work(record);
  } finally {
    record.close();
  }
}

/** Says of all pieces that they are elsewhere, of some that they are nowhere, and of chunks that never were and cannot be. */
function lie(record: ShardPlaces): void {
  const known = [...Array(256).keys()].flatMap((at) => [
    ...record.below(`.chunks/${at.toString(16).padStart(2, '0')}`),
  ]);
  assert.ok(known.length > 3);
  const changes = known.map(([name, group], at) => {
    const ids = [...group.places.values()];
    const places = new Map([...group.places.keys()].map((index) => [index, ids[(index + 1) % ids.length] as string]));
    return {
      kind: 'seen',
      name,
      group: at % 3 === 0 ? undefined : { ...group, places },
      silent: [],
      at: Date.now(),
    } as const;
  });
  const [, group] = known[0] ?? [];
  const invented = [`.chunks/00/${'0'.repeat(64)}`, '.chunks/00/../no chunk'];
  const others = invented.map((name) => ({ kind: 'seen', name, group, silent: [], at: Date.now() }) as const);
  record.apply([...changes, ...others]);
}

test('the record of where pieces are is a picture: wrong, lost or damaged, all is read and mended, and it is right again', async (t) => {
  const { library, store, backends } = await spread(t, 4, 'ec:2+1');
  const content = noise('recorded', 5_000_000);
  await library.putObject('x', content);
  const { shards } = datastorePaths(store);
  const spoils: (() => void)[] = [
    () => recordOf(store, lie),
    () => discardShards(shards),
    () => {
      discardShards(shards);
      for (const name of readdirSync(shards)) writeFileSync(join(shards, name), noise('no database', 50_000));
    },
  ];
  for (const [at, spoil] of spoils.entries()) {
    spoil();
    rmSync(join(backends[at]?.path as string, '.chunks'), { recursive: true });
    mkdirSync(join(backends[at]?.path as string, '.chunks'));
    assert.deepEqual(await bytesOf(await library.getObjectData('x')), content);
    const mended = await library.mendBackends();
    assert.deepEqual([mended.complete, mended.lost], [true, 0]);
    const held = recordOf(store, (record) => record.held());
    assert.deepEqual(held, filesOn(backends), `after spoiling ${at}`);
    assert.ok((recordOf(store, (record) => record.comparedAt()) ?? 0) > 0);
  }
  const before = filesOn(backends);
  await library.putObject('z', noise('z', 700_000));
  await library.deleteObject('x');
  await library.collectGarbage();
  await library.close();
  assert.notDeepEqual(filesOn(backends), before);
  assert.deepEqual(
    recordOf(store, (record) => record.held()),
    filesOn(backends),
    'puts and collections are followed',
  );
});

interface Compared {
  readonly backends: {
    readonly backends: ComparedBackend[];
    readonly missingPieces: string[];
    readonly unknown: number;
  };
}

test('pieces that are missing, and those that nothing needs, are named; silence proves nothing', async (t) => {
  const { library, store, backends } = await spread(t, 4, 'ec:2+1');
  const count = counted(library);
  await library.putObject('x', noise('compared', 3_000_000));
  const { ids } = await count();
  const [id = ''] = ids;
  const name = `.chunks/${id.slice(0, 2)}/${id}`;
  const { shards } = await library.getECGroup(id);
  const placeOf = (backend: string): string => backends.find((one) => one.id === backend)?.path as string;
  const [first, second] = shards.map(({ backendId }) => backendId) as [string, string];
  rmSync(join(placeOf(first), name));
  const { missing, missingOn } = await library.getECGroup(id);
  assert.deepEqual([missing, missingOn], [[0], [{ index: 0, backendId: first }]]);
  await library.close();
  const repair = (...options: string[]): Compared['backends'] => {
    const { stdout } = runCommand(process.execPath, [MAIN, 'repair', '--json', ...options, '--store', store]);
    return (JSON.parse(stdout) as Compared).backends;
  };
  const inNeed = repair('--dry-run');
  assert.deepEqual(inNeed.missingPieces, [`${name}: piece 0 is missing on ${first}`]);
  assert.deepEqual(
    inNeed.backends.filter((one) => one.missing + one.orphaned > 0),
    [{ id: first, missing: 1, orphaned: 0 }],
  );
  assert.deepEqual(repair().missingPieces, inNeed.missingPieces);
  const isThere = ({ path = '' }: NewBackend): boolean => existsSync(join(path, name));
  const other = backends.find((one) => !isThere(one)) as NewBackend;
  mkdirSync(join(other.path ?? '', dirname(name)), { recursive: true });
  copyFileSync(join(backends.find(isThere)?.path ?? '', name), join(other.path ?? '', name));
  const orphaned = repair().backends.reduce((sum, one) => sum + one.orphaned, 0);
  assert.equal(orphaned, 1);
  renameSync(placeOf(second), `${placeOf(second)}.away`);
  const silent = repair('--dry-run');
  assert.deepEqual([silent.missingPieces, silent.backends.filter((one) => one.missing > 0)], [[], []]);
  const shown = runCommand(process.execPath, [MAIN, 'backend', 'show', second, '--json', '--store', store]);
  const { state, pieces, dependence } = JSON.parse(shown.stdout);
  assert.deepEqual([state, dependence.lost, dependence.chunks], ['failing', 0, pieces]);
  assert.equal(dependence.lastPieces, pieces);
});
