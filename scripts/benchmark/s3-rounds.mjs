// What scripts/bench-s3 does to a datastore in front of a bucket.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { parseIndex } from '../../dist/src/index/index-file.js';
import { CairnDaemon } from './cairn-daemon.mjs';
import { run, timed, timedWithMachine } from './processes.mjs';
import { PlainBucket } from './s3-plain.mjs';

const MIB = 2 ** 20;
const GROUP = 'host/bench';
const LARGE_FILE_MIB = 64;
const FILES_PER_FOLDER = 250;

/** Files nothing makes smaller; each call makes others. */
export function makeLarge(folder, mib) {
  mkdirSync(folder, { recursive: true });
  for (let made = 0; made < mib; made += LARGE_FILE_MIB) {
    writeFileSync(join(folder, `${made}`), randomBytes(Math.min(LARGE_FILE_MIB, mib - made) * MIB));
  }
}

export function makeSmall(folder, files) {
  for (let n = 0; n < files; n += 1) {
    const parent = join(folder, `${Math.floor(n / FILES_PER_FOLDER)}`);
    if (n % FILES_PER_FOLDER === 0) mkdirSync(parent, { recursive: true });
    writeFileSync(join(parent, `${n}`), randomBytes(1000 + ((n * 997) % 8000)));
  }
}

/** A datastore, in front of a bucket or not. */
export class BenchStore extends CairnDaemon {
  async init(...options) {
    this.command('init', ...options, this.store);
    await this.mount();
    mkdirSync(join(this.mountpoint, GROUP), { recursive: true });
  }

  get current() {
    return join(this.mountpoint, GROUP, 'current');
  }

  /** The newest snapshot as the mount shows it, and its folder on disk. */
  get latest() {
    const [newest] = readdirSync(join(this.store, GROUP)).filter((name) => /^\d{4}-/.test(name));
    return { shown: join(this.mountpoint, GROUP, newest), folder: join(this.store, GROUP, newest) };
  }

  /** Paths of chunks, relative to the datastore. */
  chunks() {
    const folders = readdirSync(join(this.store, '.chunks'));
    return folders.flatMap((folder) =>
      readdirSync(join(this.store, '.chunks', folder)).map((name) => `.chunks/${folder}/${name}`),
    );
  }

  /** The bucket is all that is left, and a new folder is made in front of it. */
  async moveToNewFolder(address, endpoint) {
    await this.umount();
    rmSync(this.store, { recursive: true });
    const attach = await timed(() => this.command('attach', address, this.store, '--endpoint', endpoint));
    return attach + (await this.mount());
  }
}

const rsync = (from, to) => timed(() => run('rsync', ['-a', `${from}/`, `${to}/`]));

/**
 * One round; seconds, rates in files a second, and the most memory a daemon had in bytes. Of large files also what the whole
 * machine was busy for.
 */
export async function timedRound(place, { endpoint, mib, files, n }) {
  const bucket = `bench-${randomBytes(4).toString('hex')}`;
  const plain = new PlainBucket(endpoint, bucket);
  const [local, remote] = [new BenchStore(place, 'local'), new BenchStore(place, 'remote')];
  const [small, large, back] = ['small', 'large', 'back'].map((name) => join(place, name));
  try {
    await plain.create();
    await local.init();
    await remote.init('--s3', bucket, '--s3-store', 'store', '--endpoint', endpoint);
    const figures = await smallPair(small, files, n % 2 === 0 ? [local, remote] : [remote, local]);
    await local.umount();
    remote.command('sync');
    Object.assign(figures, await largePut(remote, plain, large, mib));
    remote.command('snapshot', 'create', GROUP);
    remote.command('sync');
    const chunks = new Set(figures.largeChunks);
    const attach = await remote.moveToNewFolder(`s3://${bucket}/store`, endpoint);
    const listing = await timed(() => run('ls', ['-lR', remote.latest.shown], { stdio: 'ignore' }));
    const listed = await timed(() => plain.getAll(metadataKeys(remote.latest.folder)));
    const cold = await timedWithMachine(() => rsync(join(remote.current, 'large'), back));
    rmSync(back, { recursive: true });
    const warm = await rsync(join(remote.current, 'large'), back);
    const gets = await timedWithMachine(() => plain.getAll([...chunks].map((name) => `store/${name}`)));
    const { peakBytes } = remote.usage();
    await remote.umount();
    return { ...figures, attach, listing, listed, cold, warm, gets, peakBytes };
  } finally {
    plain.close();
    local.close();
    remote.close();
    for (const folder of [small, large, back]) rmSync(folder, { recursive: true, force: true });
  }
}

/** Rates of two datastores, one after the other. */
async function smallPair(folder, files, stores) {
  const rates = {};
  for (const store of stores) {
    rmSync(folder, { recursive: true, force: true });
    makeSmall(folder, files);
    rates[store.store.endsWith('local') ? 'smallLocal' : 'smallRemote'] =
      files / (await rsync(folder, join(store.current, 'small')));
  }
  return rates;
}

/** Until everything is in the bucket; then the same objects once more, put plainly. */
async function largePut(store, plain, folder, mib) {
  makeLarge(folder, mib);
  const before = new Set(store.chunks());
  const put = await timedWithMachine(async () => {
    await rsync(folder, join(store.current, 'large'));
    store.command('sync');
  });
  const largeChunks = store.chunks().filter((name) => !before.has(name));
  const objects = largeChunks.map((name) => ({ path: join(store.store, name), key: `plain/${name}` }));
  return { put, puts: await timedWithMachine(() => plain.putAll(objects)), largeChunks };
}

function metadataKeys(folder) {
  const index = parseIndex(readFileSync(join(folder, 'root.mpxar.didx')));
  const names = Array.from({ length: index.count }, (_, n) => Buffer.from(index.digest(n)).toString('hex'));
  return [...new Set(names)].map((hex) => `store/.chunks/${hex.slice(0, 2)}/${hex}`);
}

/** Requests by method, for what was done between two looks. */
export async function countedRound(place, { endpoint, mib, files }) {
  const counter = new Worker(new URL('s3-counter.mjs', import.meta.url), { workerData: { endpoint } });
  const [proxied] = await once(counter, 'message');
  const take = async () => {
    counter.postMessage('take');
    return (await once(counter, 'message'))[0];
  };
  const bucket = `bench-${randomBytes(4).toString('hex')}`;
  const plain = new PlainBucket(endpoint, bucket);
  const store = new BenchStore(place, 'remote');
  const [small, large] = [join(place, 'small'), join(place, 'large')];
  const counts = {};
  const step = async (what, work) => {
    await take();
    await work();
    counts[what] = await take();
  };
  try {
    await plain.create();
    await store.init('--s3', bucket, '--s3-store', 'store', '--endpoint', proxied);
    makeLarge(large, mib);
    makeSmall(small, files);
    const put = async (folder, name) => {
      await rsync(folder, join(store.current, name));
      store.command('sync');
    };
    const snapshot = () => {
      store.command('snapshot', 'create', GROUP);
      store.command('sync');
    };
    await step('putLarge', () => put(large, 'large'));
    await step('putAgain', () => put(large, 'again'));
    // Small files are packed, at the latest for a snapshot.
    await step('putSmall', async () => {
      await put(small, 'small');
      snapshot();
    });
    await step('snapshot', snapshot);
    await step('attach', () => store.moveToNewFolder(`s3://${bucket}/store`, proxied));
    await step('listing', () => run('ls', ['-lR', store.latest.shown], { stdio: 'ignore' }));
    await step('getLarge', () => rsync(join(store.current, 'large'), join(place, 'back-large')));
    await step('getSmall', () => rsync(join(store.current, 'small'), join(place, 'back-small')));
    await step('getAgain', () => rsync(join(store.current, 'small'), join(place, 'back-again')));
    await step('gc', () => store.command('gc'));
    await store.umount();
    return { counts, chunks: store.chunks().length };
  } finally {
    counter.postMessage('end');
    plain.close();
    store.close();
    for (const name of ['small', 'large', 'back-small', 'back-large', 'back-again']) {
      rmSync(join(place, name), { recursive: true, force: true });
    }
  }
}
