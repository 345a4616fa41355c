// Several redundancies beside one folder, through a mount and without one. Called by scripts/bench-erasure, which documents it.
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseRedundancy } from '../../dist/src/core/redundancy.js';
import { CAIRN, CairnDaemon } from './cairn-daemon.mjs';
import { backendRound, encodeRate, ONE_FOLDER } from './erasure-backend.mjs';
import { median, spread, verdict } from './figures.mjs';
import { run, timed, umountIfMounted } from './processes.mjs';
import { aroundBlock, heading, writeBlock } from './readme.mjs';

const MIB = 2 ** 20;
const MEMBERS = 6;
const PLAIN = 'one folder';
const SCHEMES = [PLAIN, 'single', 'mirror:2', 'ec:4+2'];
const CODED = 'ec:4+2';
const IMAGE_BYTES = 32 * 2 ** 30;
const GROUP = 'host/bench';
const BARS = { write: { atLeast: 0.7 }, encode: { atLeast: 1 }, degraded: { atLeast: 0.5 } };
const QUICK = { rounds: 1, mib: 256 };

function parseCommand() {
  const flag = { type: 'boolean', default: false };
  const text = { type: 'string' };
  const { values } = parseArgs({ options: { quick: flag, write: flag, rounds: text, mib: text, place: text } });
  const sizes = values.quick ? QUICK : { rounds: 5, mib: 1024 };
  for (const name of Object.keys(sizes)) {
    if (values[name] === undefined) continue;
    sizes[name] = Number(values[name]);
    if (!Number.isInteger(sizes[name]) || sizes[name] < 1) throw new Error(`--${name}: not a number: ${values[name]}`);
  }
  return { ...sizes, place: values.place ?? tmpdir(), write: values.write };
}

/** A file half of which compresses; each call makes another. */
function makeFile(path, mib) {
  const file = openSync(path, 'w');
  const block = Buffer.alloc(MIB, 'What a backup has is half of it text, and half of it was compressed before. ');
  for (let made = 0; made < mib; made += 1) {
    const noise = randomBytes(MIB / 2);
    for (let at = 0; at < noise.length; at += 4096) noise.copy(block, at * 2, at, at + 4096);
    writeSync(file, block);
  }
  closeSync(file);
}

/**
 * A fresh file system in a file, for who may mount: ext4 looks for free inodes past all that were removed within a minute where
 * it has no journal, which costs a millisecond a file after other rounds, or other work, removed thousands.
 */
function withFileSystem(folder) {
  if (process.getuid() !== 0) return { place: folder, end: () => undefined };
  const [image, place] = [join(folder, 'image'), join(folder, 'disk')];
  writeFileSync(image, '');
  truncateSync(image, IMAGE_BYTES);
  run('mkfs.ext4', ['-q', '-F', image]);
  mkdirSync(place);
  run('mount', ['-o', 'loop', image, place]);
  return { place, end: () => umountIfMounted(place) };
}

/** A datastore of one redundancy over folders of the same disk, or with one folder. */
class SpreadStore extends CairnDaemon {
  #scheme;

  constructor(place, scheme) {
    super(place, scheme.replace(/[^a-z0-9]/g, '-'));
    this.#scheme = scheme;
    this.disks = Array.from({ length: MEMBERS }, (_, at) => join(place, `${this.store.split('/').at(-1)}-disk-${at}`));
  }

  async open() {
    const backends = this.disks.flatMap((path, at) => ['--backend', `d${at}=${path}`]);
    const options = this.#scheme === PLAIN ? [] : ['--redundancy', this.#scheme, ...backends];
    // That all is on one disk is said on stderr; an error's message has it.
    run(process.execPath, [CAIRN, 'init', ...options, '--', this.store], { stdio: ['ignore', 'pipe', 'pipe'] });
    await this.mount();
    mkdirSync(join(this.mountpoint, GROUP), { recursive: true });
  }

  file(n) {
    return join(this.mountpoint, GROUP, 'current', `${n}`);
  }

  /** Reads a file of which nothing is in the daemon; the kernel may have the chunks' files. @returns seconds */
  async read(n, between) {
    await this.umount();
    between?.();
    await this.mount();
    return timed(() => run('dd', [`if=${this.file(n)}`, 'of=/dev/null', 'bs=1M', 'status=none']));
  }

  close() {
    super.close();
    for (const disk of this.disks) rmSync(disk, { recursive: true, force: true });
  }
}

/** Bytes a second of one redundancy: copied in until durable, read, read without two of six disks. */
async function storeRound(place, { scheme, source, mib }) {
  const store = new SpreadStore(place, scheme);
  const rate = (seconds) => (mib * MIB) / seconds;
  try {
    await store.open();
    const { cpuSeconds: before } = store.usage();
    const write = await timed(() => {
      run('cp', [source, store.file(0)]);
      store.command('sync');
    });
    const cpu = store.usage().cpuSeconds - before;
    const figures = { write: rate(write), cpu: cpu / (mib / 1024), read: rate(await store.read(0)) };
    if (scheme !== CODED) return figures;
    const lose = () => {
      for (const disk of store.disks.slice(0, 2)) renameSync(disk, `${disk}-lost`);
    };
    const degraded = rate(await store.read(0, lose));
    for (const disk of store.disks.slice(0, 2)) renameSync(`${disk}-lost`, disk);
    return { ...figures, degraded };
  } finally {
    store.close();
  }
}

function tableOf(rounds, encoded) {
  const held = [];
  const judge = (value, bar) => {
    held.push(value >= bar.atLeast);
    return verdict(value, bar);
  };
  const rate = (of) => spread(rounds.map((round) => of(round) / 1e6));
  const lines = [];
  for (const [where, key, plain, fill] of [
    ['through a mount', 'store', PLAIN, 'write'],
    ['backend alone', 'backend', ONE_FOLDER, 'put'],
  ]) {
    for (const scheme of SCHEMES) {
      const ratio = (figure) => rounds.map((round) => round[key][scheme][figure] / round[key][plain][figure]);
      const [written, read] = [fill, 'read'].map((figure) => (scheme === plain ? '' : spread(ratio(figure))));
      const isJudged = key === 'store' && scheme === CODED;
      const cells = [
        `${where}: ${scheme}`,
        rate((round) => round[key][scheme][fill]),
        isJudged ? `${written} ${judge(median(ratio(fill)), BARS.write)}` : written,
        rate((round) => round[key][scheme].read),
        read,
        key === 'store' ? spread(rounds.map((round) => round[key][scheme].cpu)) : '',
      ];
      lines.push(`| ${cells.join(' | ')} |`);
    }
    const lost = rounds.map((round) => round[key][CODED].degraded / round[key][CODED].read);
    const ratio = `${spread(lost)} ${judge(median(lost), BARS.degraded)}`;
    const of = rate((round) => round[key][CODED].degraded);
    lines.push(`| ${where}: ${CODED}, two of six lost, beside all there | | | ${of} | ${ratio} | |`);
  }
  lines.push(
    `| encoding ${CODED}, GB/s of one core | ${spread(encoded)} ${judge(median(encoded), BARS.encode)} | | | | |`,
  );
  const titles = ['what', 'written, MB/s', 'to one folder', 'read, MB/s', 'to one folder', 'CPU to write a GiB, s'];
  const head = [`| ${titles.join(' | ')} |`, `|${'---|'.repeat(titles.length)}`];
  return { lines: [...head, ...lines], isMet: !held.includes(false) };
}

async function main() {
  const { rounds, mib, place, write } = parseCommand();
  if (write) aroundBlock('bench-erasure');
  const folder = mkdtempSync(join(place, 'cairn-bench-erasure-'));
  const disk = withFileSystem(folder);
  try {
    const source = join(disk.place, 'source');
    const found = [];
    const encoded = [];
    // The first one warms up.
    for (let n = 0; n <= rounds; n += 1) {
      console.error(n === 0 ? 'warming up' : `round ${n} of ${rounds}`);
      makeFile(source, n === 0 ? Math.min(mib, 128) : mib);
      const round = { store: {}, backend: {} };
      // Each comes first, second … in turn.
      const order = SCHEMES.map((_, at) => SCHEMES[(at + n) % SCHEMES.length]);
      for (const scheme of order) round.backend[scheme] = await backendRound(scheme, join(disk.place, 'backend'));
      for (const scheme of order) {
        round.store[scheme] = await storeRound(disk.place, { scheme, source, mib: n === 0 ? Math.min(mib, 128) : mib });
      }
      const rate = await encodeRate(parseRedundancy(CODED));
      if (n === 0) continue;
      found.push(round);
      encoded.push(rate);
    }
    const { lines, isMet } = tableOf(found, encoded);
    console.log(lines.join('\n'));
    const about = `Folders of one disk (ext4 in a file), a file of ${mib} MiB half of which compresses, copied in until it is durable and read by a new daemon, ${rounds} rounds in turn; ${CODED} writes 1.5 bytes for each in six files, mirror:2 two. CPU is the daemon's.`;
    if (write) writeBlock('bench-erasure', [heading('scripts/bench-erasure'), '', about, '', ...lines].join('\n'));
    if (!isMet) process.exitCode = 1;
  } finally {
    disk.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

await main().catch((error) => {
  console.error(`bench-erasure: ${error.message}`);
  process.exitCode = 1;
});
