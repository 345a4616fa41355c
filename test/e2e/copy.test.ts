import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import type { Copied } from '../../src/control/copy-commands.js';
import { parseGroupPath } from '../../src/core/group.js';
import { formatSnapshotTime } from '../../src/core/snapshot-time.js';
import { openDatastoreReader } from '../../src/datastore/open.js';
import { encodeFixedIndex } from '../../src/index/fixed-index.js';
import { newIndexStamp } from '../../src/index/index-header.js';
import { buildManifest } from '../../src/index/manifest.js';
import { publishBlob, publishIndex, publishManifest } from '../../src/index/publish.js';
import { createGroupFolder, createSnapshotFolder } from '../../src/index/snapshot-folder.js';
import { outputLater, outputOf, until } from '../support/commands.js';
import { assertSameTree } from '../support/compare-trees.js';
import { MAIN, TestStore, withStore } from '../support/mounted-store.js';
import { noise } from '../support/noise.js';

const GROUP = 'host/web1';
const EXIT_PROBLEMS = 6;
const EXIT_NOT_FOUND = 3;
const EXIT_USAGE = 2;

const currentOf = (store: TestStore, group = GROUP): string => join(store.mountpoint, group, 'current');

/** Another datastore beside the first; the first one's end takes it away. */
async function withTwo(body: (source: TestStore, target: TestStore) => Promise<void>): Promise<void> {
  await withStore(
    async (source) => {
      mkdirSync(join(source.folder, 'other'));
      const target = new TestStore(join(source.folder, 'other'));
      target.cairn('init', target.store);
      try {
        await body(source, target);
        if (target.isMounted) await target.umount();
      } catch (error) {
        console.error(target.report());
        throw error;
      } finally {
        await target.abandon();
      }
    },
    { groups: [GROUP] },
  );
}

function fill(folder: string, seed: string): void {
  mkdirSync(join(folder, 'deep'), { recursive: true });
  for (let n = 0; n < 40; n++) writeFileSync(join(folder, 'deep', `small-${n}`), noise(`${seed} ${n}`, 300 + n * 31));
  writeFileSync(join(folder, 'large'), noise(seed, 3_000_000));
}

function create(store: TestStore, group = GROUP): string {
  return (JSON.parse(store.cairn('snapshot', 'create', '--json', group)) as { time: string }).time;
}

function copyTo(source: TestStore, target: TestStore, ...args: string[]): Copied['snapshots'] {
  return (JSON.parse(source.cairn('copy', '--json', '--to', target.store, ...args)) as Copied).snapshots;
}

const states = (copied: Copied['snapshots']): string[] => copied.map(({ state }) => state);
const sumOf = (copied: Copied['snapshots']): number => copied.reduce((sum, { chunks }) => sum + chunks, 0);

/** Files of a store outside its own folders, but manifests: relative path → bytes. */
function filesOf(store: TestStore): Map<string, Buffer> {
  const names = outputOf('find', [
    store.store,
    '-name',
    '.[a-z]*',
    '-type',
    'd',
    '-prune',
    '-o',
    '-type',
    'f',
    '-print',
  ]);
  const paths = names
    .split('\n')
    .filter((path) => /idx$|blob$|protected$/.test(path) && !path.endsWith('index.json.blob'));
  return new Map(paths.map((path) => [path.slice(store.store.length + 1), readFileSync(path)]));
}

/** A snapshot as PBS makes them: a disk image without a tree, one chunk of which is encrypted, and a blob. */
async function pbsSnapshot({ store }: TestStore): Promise<string> {
  const group = parseGroupPath('vm/100');
  const time = 1_750_000_000;
  await createGroupFolder(store, group, 'root@pam');
  const folder = await createSnapshotFolder(store, group, time);
  const body = randomBytes(1000);
  const crc = Buffer.alloc(4);
  crc.writeUInt32LE(crc32(body));
  const encrypted = Buffer.concat([Buffer.from('7b6785be222d4cf0', 'hex'), crc, randomBytes(32), body]);
  const plainBytes = Buffer.alloc(1000, 'p');
  crc.writeUInt32LE(crc32(plainBytes));
  const plain = Buffer.concat([Buffer.from('42ab3807be8370a1', 'hex'), crc, plainBytes]);
  const digests = [createHash('sha256').update('keyed').digest(), createHash('sha256').update(plainBytes).digest()];
  for (const [number, blob] of [encrypted, plain].entries()) {
    const hex = digests[number]?.toString('hex') ?? '';
    writeFileSync(join(store, '.chunks', hex.slice(0, 2), hex), blob);
  }
  const index = encodeFixedIndex(newIndexStamp(time), { chunkBytes: 4096, contentLength: 5096 }, digests);
  await publishIndex(folder, 'drive-scsi0.img.fidx', index.bytes);
  const conf = Buffer.concat([Buffer.from('42ab3807be8370a1', 'hex'), Buffer.alloc(4), Buffer.from('cores: 2\n')]);
  conf.writeUInt32LE(crc32(conf.subarray(12)), 8);
  await publishBlob(folder, 'qemu-server.conf.blob', conf);
  await publishBlob(folder, 'client.log.blob', conf);
  const files = [
    { filename: 'drive-scsi0.img.fidx', cryptMode: 'encrypt' as const, size: 5096, checksum: index.checksum },
    {
      filename: 'qemu-server.conf.blob',
      cryptMode: 'none' as const,
      size: conf.length,
      checksum: createHash('sha256').update(conf).digest(),
    },
  ];
  await publishManifest(store, group, buildManifest({ type: 'vm', id: '100', time, files }));
  return `vm/100/${formatSnapshotTime(time)}`;
}

test('copies are the snapshots: names, files, notes and protection; what is there is not copied again', async () => {
  await withTwo(async (source, target) => {
    fill(currentOf(source), 'one');
    const first = create(source);
    source.cairn('snapshot', 'notes', `${GROUP}/${first}`, 'before the move');
    source.cairn('snapshot', 'protect', `${GROUP}/${first}`);
    writeFileSync(join(currentOf(source), 'more'), noise('more', 400_000));
    const second = create(source);
    const image = await pbsSnapshot(source);
    const planned = copyTo(source, target, '--dry-run');
    assert.deepEqual(states(planned), ['wanted', 'wanted', 'wanted']);
    assert.equal(existsSync(join(target.store, 'host')), false, 'a dry run writes nothing');
    const copied = copyTo(source, target);
    assert.deepEqual(states(copied), ['copied', 'copied', 'copied']);
    assert.equal(sumOf(copied), sumOf(planned));
    assert.deepEqual(filesOf(target), filesOf(source));
    assert.ok(filesOf(target).has(`${image}/client.log.blob`));
    await target.mount();
    target.cairn('gc', '--grace', '0');
    assert.deepEqual(readdirSync(join(target.mountpoint, GROUP)).sort(), [first, second, 'current', 'latest', 'owner']);
    for (const time of [first, second]) {
      assertSameTree(join(source.mountpoint, GROUP, time), join(target.mountpoint, GROUP, time));
    }
    assert.match(target.cairn('snapshot', 'show', `${GROUP}/${first}`), /before the move/);
    assert.match(target.run(['snapshot', 'forget', `${GROUP}/${first}`]).stderr, /is protected/);
    // By the daemon of the target, seen in its mount at once; an older one than the newest comes, too.
    target.cairn('snapshot', 'forget', `${GROUP}/${second}`);
    appendFileSync(join(currentOf(source), 'more'), 'grown');
    const third = create(source);
    assert.deepEqual(states(copyTo(source, target, `${GROUP}/latest`)), ['copied']);
    const pulled = JSON.parse(target.cairn('copy', '--json', '--from', source.mountpoint, GROUP)) as Copied;
    assert.deepEqual(states(pulled.snapshots), ['there', 'copied', 'there']);
    assert.ok(pulled.snapshots.every(({ chunks }) => chunks < 3));
    for (const time of [second, third]) {
      assertSameTree(join(source.mountpoint, GROUP, time), join(target.mountpoint, GROUP, time));
    }
    assert.deepEqual(filesOf(target), filesOf(source));
    target.cairn('verify', '--all');
    target.cairn('check');
    assert.equal(readlinkSync(join(target.mountpoint, GROUP, 'latest')), third);
  });
});

test('a copy whose process is killed goes on: no half snapshot is seen, and what was copied is not copied again', async () => {
  await withTwo(async (source, target) => {
    writeFileSync(join(currentOf(source), 'large'), noise('large', 24_000_000));
    const time = create(source);
    const total = sumOf(copyTo(source, target, '--dry-run'));
    await target.mount();
    const args = ['copy', '--store', source.store, '--to', target.store, '--bandwidth', '5'];
    const copying = assert.rejects(outputLater(process.execPath, [MAIN, ...args]));
    const knownOf = async (): Promise<number> => {
      const reader = await openDatastoreReader(target.store);
      try {
        return reader.catalog.figures().chunks.present.chunks;
      } finally {
        reader.close();
      }
    };
    const before = await knownOf();
    while ((await knownOf()) === before) await new Promise(setImmediate);
    await target.kill9();
    await copying;
    await target.mount();
    assert.deepEqual(JSON.parse(target.cairn('snapshot', 'list', '--json')), []);
    const known = (await knownOf()) - before;
    assert.ok(known > 0 && known < total, `${known} of ${total}`);
    const [resumed] = copyTo(source, target);
    assert.equal(resumed?.chunks, total - known);
    assertSameTree(join(source.mountpoint, GROUP, time), join(target.mountpoint, GROUP, time));
    // Given up by its user it leaves what it has, too.
    writeFileSync(join(currentOf(source), 'other'), noise('other', 4_000_000));
    create(source);
    const stopped = runStopped(source, target);
    assert.match(await stopped, /Given up/);
    assert.equal(readdirSync(join(target.store, GROUP)).filter((name) => name.startsWith('20')).length, 1);
    assert.deepEqual(states(copyTo(source, target)), ['there', 'copied']);
  });
});

async function runStopped(source: TestStore, target: TestStore): Promise<string> {
  const { spawn } = await import('node:child_process');
  const args = [MAIN, 'copy', '--store', source.store, '--to', target.store, '--bandwidth', '0.5'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text: Buffer) => {
    said += text.toString();
  });
  const held = () =>
    outputOf('find', [join(target.store, '.chunks'), '-newer', join(target.store, '.cairn/config.json')]);
  const [before] = [held()];
  await until('the copy has begun', () => held() !== before);
  child.kill('SIGINT');
  await new Promise((resolve) => child.once('close', resolve));
  return said;
}

test('a damaged or missing chunk is named, its snapshot is left out, and all others are copied', async () => {
  await withTwo(async (source, target) => {
    const groups = ['host/damaged', 'host/missing', 'host/whole'];
    for (const group of groups) {
      mkdirSync(join(source.mountpoint, group));
      writeFileSync(join(currentOf(source, group), 'file'), noise(group, 300_000));
    }
    const chunksOf = (): string[] => outputOf('find', [join(source.store, '.chunks'), '-type', 'f']).split('\n');
    const harmed: string[] = [];
    for (const group of groups) {
      const before = new Set(chunksOf());
      create(source, group);
      const own = chunksOf().filter((path) => !before.has(path));
      harmed.push(own.sort((a, b) => readFileSync(b).length - readFileSync(a).length)[0] ?? '');
    }
    const [damaged = '', missing = ''] = harmed;
    const bytes = readFileSync(damaged);
    bytes[bytes.length - 5] = (bytes.at(-5) ?? 0) ^ 1;
    writeFileSync(damaged, bytes);
    outputOf('rm', [missing]);
    const { status, stdout, stderr } = source.run(['copy', '--json', '--to', target.store]);
    assert.equal(status, EXIT_PROBLEMS, stderr);
    const copied = (JSON.parse(stdout) as Copied).snapshots;
    assert.deepEqual(states(copied), ['failed', 'failed', 'copied']);
    const hexOf = (path: string): string => path.slice(-64);
    assert.match(copied[0]?.reason ?? '', new RegExp(`${hexOf(damaged)} is corrupt`));
    assert.match(copied[1]?.reason ?? '', new RegExp(`${hexOf(missing)} is absent`));
    assert.deepEqual(readdirSync(join(target.store, 'host')), ['whole']);
    const shown = source.run(['copy', '--to', target.store]);
    assert.match(shown.stderr, /cairn: host\/damaged\/.*is corrupt/);
    assert.match(shown.stdout, /Copied 0 snapshots, 1 were there, 2 failed/);
    const refused = (args: string[], code: number, text: RegExp) => {
      const result = source.run(['copy', ...args]);
      assert.equal(result.status, code, result.stderr);
      assert.match(result.stderr, text);
    };
    refused(['--to', source.mountpoint], EXIT_USAGE, /is both: name the other datastore/);
    refused(['host/none', '--to', target.store], EXIT_NOT_FOUND, /no finished snapshot host\/none/);
    refused([], EXIT_USAGE, /--to STORE, or --from STORE/);
    refused(['--to', target.store, '--bandwidth', 'much'], EXIT_USAGE, /megabytes a second/);
    source.log.expect(/./);
  });
});
