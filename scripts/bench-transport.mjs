// Times the transport fuse-native beside the native one: the same work, in interleaved rounds, each in a new store.
// Prints medians and their ratio. Called by scripts/bench --transport fuse-native; see there for the options.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const MAIN = fileURLToPath(new URL('../dist/program/main.js', import.meta.url));
const TRANSPORTS = ['native', 'fuse-native'];

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    place: { type: 'string', default: process.env.TMPDIR ?? tmpdir() },
    quick: { type: 'boolean', default: false },
    tiny: { type: 'boolean', default: false },
  },
});
const rounds = values.quick ? 1 : Number(values.rounds);
const [smallFiles, largeMegabytes] = values.tiny ? [100, 16] : [2000, 512];

function run(program, args) {
  const { status, stderr, error } = spawnSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

const cairn = (...args) => run(process.execPath, [MAIN, ...args]);

/** The work, each with how much of what it is; `source` holds trees, `current` is the live tree. */
const WORK = [
  {
    name: 'rsync -a, small files',
    amount: smallFiles,
    unit: 'files/s',
    do: ({ source, current }) => run('rsync', ['-a', `${source}/small/`, `${current}/small/`]),
  },
  {
    name: 'rsync -a once more, nothing changed',
    amount: smallFiles,
    unit: 'files/s',
    do: ({ source, current }) => run('rsync', ['-a', `${source}/small/`, `${current}/small/`]),
  },
  {
    name: 'ls -lR, cold',
    amount: smallFiles,
    unit: 'files/s',
    cold: true,
    do: ({ current }) => run('ls', ['-lR', `${current}/small`]),
  },
  {
    name: 'cp, one large file',
    amount: largeMegabytes,
    unit: 'MB/s',
    do: ({ source, current }) => run('cp', [`${source}/large`, `${current}/large`]),
  },
  {
    name: 'read it, cold',
    amount: largeMegabytes,
    unit: 'MB/s',
    cold: true,
    do: ({ current }) => run('dd', [`if=${current}/large`, 'of=/dev/null', 'bs=1M']),
  },
];

function makeSource(folder) {
  for (let i = 0; i < smallFiles; i++) {
    const sub = join(folder, 'small', String(i % 20));
    mkdirSync(sub, { recursive: true });
    writeFileSync(join(sub, `file-${i}`), `content of file ${i}\n`.repeat(1 + (i % 200)));
  }
  run('dd', ['if=/dev/urandom', `of=${join(folder, 'large')}`, 'bs=1M', `count=${largeMegabytes}`]);
}

/** Runs all work once through a transport. @returns seconds by name */
function trial(place, source, transport) {
  const folder = mkdtempSync(join(place, 'cairn-transport-'));
  const [store, mountpoint] = [join(folder, 'store'), join(folder, 'mnt')];
  mkdirSync(mountpoint);
  cairn('init', store);
  const mount = () => cairn('mount', '--daemon', '--transport', transport, store, mountpoint);
  mount();
  try {
    mkdirSync(join(mountpoint, 'host/bench'), { recursive: true });
    const seconds = {};
    for (const work of WORK) {
      if (work.cold) {
        cairn('umount', mountpoint);
        writeFileSync('/proc/sys/vm/drop_caches', '3');
        mount();
      }
      const begin = performance.now();
      work.do({ source, current: join(mountpoint, 'host/bench/current') });
      seconds[work.name] = (performance.now() - begin) / 1000;
    }
    return seconds;
  } finally {
    spawnSync(process.execPath, [MAIN, 'umount', mountpoint]);
    rmSync(folder, { recursive: true, force: true });
  }
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

const source = mkdtempSync(join(values.place, 'cairn-transport-source-'));
try {
  makeSource(source);
  const trials = { native: [], 'fuse-native': [] };
  for (let round = 0; round < rounds; round++) {
    for (const transport of round % 2 === 0 ? TRANSPORTS : [...TRANSPORTS].reverse()) {
      trials[transport].push(trial(values.place, source, transport));
    }
  }
  console.log(`| median of ${rounds} | native | fuse-native | ratio |\n|---|---:|---:|---:|`);
  for (const { name, amount, unit } of WORK) {
    const [native, other] = TRANSPORTS.map(
      (transport) => amount / median(trials[transport].map((trial) => trial[name])),
    );
    console.log(`| ${name}, ${unit} | ${native.toFixed(0)} | ${other.toFixed(0)} | ${(other / native).toFixed(2)} |`);
  }
} finally {
  rmSync(source, { recursive: true, force: true });
}
