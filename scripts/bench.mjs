// Interleaved rounds of the same workloads on Cairn, ext4 and bindfs. Called by scripts/bench, which documents it.
import { mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { availableParallelism, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { setImmediate as immediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { report } from './bench-report.mjs';
import { Bindfs, Cairn, Ext4, run } from './bench-systems.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const README = join(root, 'README.md');
const BEGIN = '<!-- bench:begin -->';
const END = '<!-- bench:end -->';
const MILLION = 1_000_000;
const MILLION_MOUNTS = 3;
const NEEDED_GIB = 12;

const STAT_FIELDS = '%P %y %m %U %G %n %s %b %i %A@ %T@ %C@ %l\\n';

function parseCommand() {
  const options = {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    place: { type: 'string', default: tmpdir() },
  };
  const { values } = parseArgs({ options });
  const rounds = values.quick ? 1 : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`Not a number of rounds: ${values.rounds}`);
  return { quick: values.quick, rounds, place: values.place };
}

/** The signal that asks us to stop, once there was one. */
let stopSignal;

/** Takes times and remembers them by system and workload. */
class Stopwatch {
  figures = {};

  /** @returns the seconds `work` took */
  async time(system, workload, work) {
    await immediate();
    if (stopSignal !== undefined) throw new Error(`ended by ${stopSignal}`);
    const start = performance.now();
    await work();
    return this.add(system, workload, (performance.now() - start) / 1000);
  }

  add(system, workload, seconds) {
    this.figures[system] ??= {};
    this.figures[system][workload] ??= [];
    this.figures[system][workload].push(seconds);
    console.log(`  ${system}: ${workload}: ${seconds.toFixed(2)} s`);
    return seconds;
  }

  /** Copying in: one time until the copy ends, one until it is durable. */
  async ingest(system, workload, source, target) {
    const copied = await this.time(system.name, `${workload}, until rsync ends`, () => rsync(source, target));
    const start = performance.now();
    system.durable();
    this.add(system.name, workload, copied + (performance.now() - start) / 1000);
  }
}

const rsync = (source, target) => run('rsync', ['-a', `${source}/`, `${target}/`]);

/** Reads every byte below a folder; a program in between, as tar does not read for /dev/null. */
const readAll = (folder) => run('sh', ['-c', 'tar -C "$0" -cf - . | cat >/dev/null', folder]);

// With a slash: the folder may be the link `latest`.
const findAll = (folder) => run('find', [`${folder}/`, '-printf', STAT_FIELDS]);

/** The workloads of one round on one system; bindfs only has those that are held against it. */
async function round(system, trees, watch) {
  const isFull = system.name !== 'bindfs';
  await watch.ingest(system, 'small', trees.small, system.target('small'));
  await watch.ingest(system, 'large', trees.big, system.target('large'));
  if (isFull) await watch.ingest(system, 'duplicate', trees.big, system.target('copy'));
  await watch.time(system.name, 'unchanged', () => rsync(trees.small, system.target('small')));
  if (!isFull) return;
  const kept = system.name === 'cairn' ? await timedSnapshot(system, watch) : system.keep('small');
  const keptLarge = system.keep('large');
  await system.cold();
  await watch.time(system.name, 'find, cold', () => findAll(kept));
  await watch.time(system.name, 'find, warm', () => findAll(kept));
  await system.cold();
  await watch.time(system.name, 'read back small, cold', () => readAll(kept));
  await system.cold();
  await watch.time(system.name, 'read back large, cold', () => readAll(keptLarge));
}

async function timedSnapshot(cairn, watch) {
  let kept;
  await watch.time('cairn', 'snapshot', () => {
    kept = cairn.keep('small');
  });
  return kept;
}

/** What a second copy of the small files in shuffled order adds to the chunks, as a share of what was there. */
function shuffledShare(cairn, small) {
  const before = cairn.storedBytes();
  const target = cairn.target('shuffled');
  const copy = 'cd "$0" && find . -type f | shuf | tar -cf - -T - | tar -xf - -C "$1"';
  run('sh', ['-c', copy, small, target]);
  cairn.keep('shuffled');
  return (cairn.storedBytes() - before) / before;
}

async function millionMounts(place) {
  const cairn = new Cairn(place, 'million');
  const seconds = [];
  try {
    cairn.command('init', cairn.store);
    run(process.execPath, [join(root, 'scripts/make-store.mjs'), cairn.store, String(MILLION)]);
    run('mkdir', [cairn.mountpoint]);
    for (let i = 0; i < MILLION_MOUNTS; i++) {
      seconds.push(await cairn.mount());
      await cairn.umount();
    }
  } finally {
    cairn.close();
  }
  console.log(`  cairn: mount of a million files: ${seconds.map((value) => value.toFixed(2)).join(', ')} s`);
  return seconds;
}

/** All rounds; the systems take turns at being first. */
async function runRounds(rounds, place, trees, watch) {
  const extras = { peakMemoryBytes: 0 };
  const treeBytes = Number(run('du', ['-sb', place]).split('\t')[0]);
  const kinds = [Cairn, Ext4, Bindfs];
  for (let number = 0; number < rounds; number++) {
    console.log(`round ${number + 1} of ${rounds}`);
    for (let turn = 0; turn < kinds.length; turn++) {
      const system = new kinds[(number + turn) % kinds.length](place);
      try {
        await system.open();
        await round(system, trees, watch);
        if (system.name === 'cairn') await noteExtras(system, trees, treeBytes, number === rounds - 1, extras);
      } finally {
        system.close();
      }
      run('sync', []);
    }
  }
  return extras;
}

async function noteExtras(cairn, trees, treeBytes, isLast, extras) {
  extras.storedShare = cairn.storedBytes() / treeBytes;
  if (isLast) extras.shuffledShare = shuffledShare(cairn, trees.small);
  await cairn.umount();
  extras.peakMemoryBytes = Math.max(extras.peakMemoryBytes, cairn.peakMemoryBytes);
}

function heading() {
  const git = (...args) => run('git', ['-C', root, ...args]).trim();
  const changed = git('status', '--porcelain', '--', 'src', 'native') === '' ? '' : ' with uncommitted changes';
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  const machine = `${availableParallelism()} cores, ${memory} GiB, Linux ${release()}`;
  const date = new Date().toISOString().slice(0, 10);
  return `Measured by \`scripts/bench\` on ${date} at commit ${git('rev-parse', '--short', 'HEAD')}${changed} (${machine}).`;
}

/** Replaces what stands between the markers in README.md. */
function writeReadme(block) {
  const text = readFileSync(README, 'utf8');
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`README.md has no ${BEGIN} … ${END}`);
  writeFileSync(README, `${text.slice(0, begin + BEGIN.length)}\n${block}\n${text.slice(end)}`);
}

async function main() {
  const { quick, rounds, place: parent } = parseCommand();
  const { bavail, bsize } = statfsSync(parent);
  if (bavail * bsize < NEEDED_GIB * 2 ** 30) throw new Error(`${parent} has less than ${NEEDED_GIB} GiB free`);
  const place = mkdtempSync(join(parent, 'cairn-bench-'));
  const start = performance.now();
  try {
    console.log('making the trees');
    run(join(root, 'scripts/make-trees.py'), [place]);
    const trees = { small: join(place, 'small'), big: join(place, 'big') };
    readAll(place);
    const watch = new Stopwatch();
    const extras = await runRounds(rounds, place, trees, watch);
    extras.millionMountSeconds = await millionMounts(place);
    const block = report(watch.figures, extras, heading());
    console.log(`\n${block}\n\nbench: ${((performance.now() - start) / 1000).toFixed(0)} s`);
    if (!quick) writeReadme(block);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    stopSignal = signal;
  });
}
await main().catch((error) => {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
});
