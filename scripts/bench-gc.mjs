// Measures collection on a datastore made for it. Called by scripts/bench-gc, which documents it.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BenchStore, makeRival } from './bench-gc-store.mjs';

const MAIN = fileURLToPath(new URL('../dist/program/main.js', import.meta.url));
const BARS = { planSeconds: 10, memoryMib: 150, sweepRatio: 0.7, nothingSeconds: 2 };

function parseCommand() {
  const text = { type: 'string' };
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      ...{ chunks: text, snapshots: text, references: text, garbage: text, rounds: text },
      place: { type: 'string', default: tmpdir() },
    },
  });
  const size = values.quick
    ? { chunks: 100_000, snapshots: 20, references: 10_000, garbage: 20_000, rounds: 2 }
    : { chunks: 1_000_000, snapshots: 100, references: 50_000, garbage: 100_000, rounds: 3 };
  for (const name of Object.keys(size)) {
    if (values[name] === undefined) continue;
    size[name] = Number(values[name]);
    if (!Number.isInteger(size[name]) || size[name] < 1) throw new Error(`--${name}: not a number: ${values[name]}`);
  }
  if (size.garbage >= size.chunks) throw new Error('--garbage has to be less than --chunks');
  return { ...size, place: values.place };
}

const size = parseCommand();
const folder = mkdtempSync(join(size.place, 'cairn-bench-gc-'));
const storePath = join(folder, 'store');
const mountpoint = join(folder, 'mnt');
const rival = join(folder, 'rival');
const store = new BenchStore(storePath, size.chunks - size.garbage, size.references);
const say = (text) => console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);

const memoryMib = (pid, field) =>
  Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`${field}:\\s+(\\d+) kB`))[1]) / 1024;

/** Runs `work` while the store is mounted. */
async function mounted(work) {
  mkdirSync(mountpoint, { recursive: true });
  const daemon = spawn(process.execPath, [MAIN, 'mount', storePath, mountpoint], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await new Promise((resolve, reject) => {
    let log = '';
    daemon.stderr.on('data', (bytes) => {
      log += bytes;
      if (log.includes('"mounted"')) resolve();
    });
    daemon.once('exit', () => reject(new Error(log)));
  });
  try {
    return await work(daemon.pid);
  } finally {
    execFileSync(process.execPath, [MAIN, 'umount', mountpoint]);
  }
}

function gc(...args) {
  return JSON.parse(
    execFileSync(process.execPath, [MAIN, 'gc', '--json', ...args, '--store', storePath], { encoding: 'utf8' }),
  );
}

/** What a command may add to the daemon's memory, in MiB. */
function addedMemory(pid, work) {
  const idle = memoryMib(pid, 'VmRSS');
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  const result = work();
  return { result, idle, added: memoryMib(pid, 'VmHWM') - idle };
}

/** Files per second. */
function findDelete() {
  makeRival(rival, store.chunks, size.garbage);
  const started = performance.now();
  execFileSync('find', [rival, '-type', 'f', '-delete']);
  return size.garbage / ((performance.now() - started) / 1000);
}

/** What a collection took beyond what planning takes, as a rate. */
function sweepRate(chunks, collected, planned) {
  return chunks / Math.max(0.001, collected.seconds - planned.seconds);
}

const sorted = (values) => [...values].sort((a, b) => a - b);
const median = (values) => {
  const [upper, lower] = [values.length >> 1, (values.length - 1) >> 1].map((at) => sorted(values)[at]);
  return (lower + upper) / 2;
};
const rates = (values) =>
  sorted(values)
    .map((rate) => Math.round(rate))
    .join(' – ');

const rows = [];
function row(what, figure, bar = '', within = undefined) {
  rows.push([what, figure, bar, within === undefined ? '' : within ? 'yes' : '**no**']);
}

/** Plans and second collections with more and more snapshots. */
async function scaling(count) {
  store.addSnapshots(count);
  say(`${count} snapshots`);
  await mounted((pid) => {
    const { result: first, idle, added } = addedMemory(pid, () => gc('--dry-run'));
    const again = gc('--grace', '1d');
    const nothing = gc('--grace', '1d');
    const isBar = count === size.snapshots;
    row(
      `${count} snapshots: first plan of a process (all chunks listed)`,
      `${first.seconds.toFixed(2)} s`,
      ...(isBar ? [`≤ ${BARS.planSeconds} s`, first.seconds <= BARS.planSeconds] : []),
    );
    row(
      `${count} snapshots: memory it adds, over ${idle.toFixed(0)} MiB`,
      `${added.toFixed(0)} MiB`,
      ...(isBar ? [`≤ ${BARS.memoryMib} MiB`, added <= BARS.memoryMib] : []),
    );
    row(
      `${count} snapshots: nothing to do, ${again.plan.quarantined.chunks + again.removed.chunks} chunks in quarantine`,
      `${nothing.seconds.toFixed(2)} s`,
      ...(isBar ? [`≤ ${BARS.nothingSeconds} s`, nothing.seconds <= BARS.nothingSeconds] : []),
    );
  });
}

/** One of each kind of sweep, each beside a find of its own. */
async function round(figures) {
  const note = (kind, rate, other) => {
    figures[kind] ??= { rates: [], ratios: [], others: [] };
    figures[kind].rates.push(rate);
    figures[kind].others.push(other);
    figures[kind].ratios.push(rate / other);
    say(`${kind}: ${Math.round(rate)}/s, find -delete ${Math.round(other)}/s`);
  };
  store.addChunks(size.garbage);
  let other = findDelete();
  await mounted((pid) => {
    const planned = gc('--dry-run');
    const { result: first, added } = addedMemory(pid, () => gc('--grace', '1d'));
    note('into quarantine', sweepRate(first.removed.chunks, first, planned), other);
    figures.memory = Math.max(figures.memory ?? 0, added);
    other = findDelete();
    const nothing = gc('--grace', '1d');
    figures.nothing = [...(figures.nothing ?? []), nothing.seconds];
    const emptied = gc('--grace', '0');
    note('quarantine emptied', sweepRate(emptied.freed.chunks, emptied, nothing), other);
  });
  store.addChunks(size.garbage);
  other = findDelete();
  await mounted(() => {
    const planned = gc('--dry-run');
    const direct = gc('--grace', '0');
    note('deleted at once (--grace 0)', sweepRate(direct.freed.chunks, direct, planned), other);
  });
}

function report(figures) {
  for (const [kind, { rates: own, others, ratios }] of Object.entries(figures)) {
    if (ratios === undefined) continue;
    row(`sweep of ${size.garbage} chunks ${kind}, chunks/s`, rates(own));
    row('find -delete beside it, files/s', rates(others));
    row(
      'ratio of the pairs (median)',
      `${ratios.map((ratio) => ratio.toFixed(2)).join(', ')} (${median(ratios).toFixed(2)})`,
      `≥ ${BARS.sweepRatio}`,
      median(ratios) >= BARS.sweepRatio,
    );
  }
  row(`collection of ${size.garbage} chunks: memory it adds`, `${figures.memory.toFixed(0)} MiB`);
  row(
    `second collection, ${size.garbage} chunks in quarantine`,
    `${figures.nothing.map((s) => s.toFixed(2)).join(', ')} s`,
    `≤ ${BARS.nothingSeconds} s`,
    median(figures.nothing) <= BARS.nothingSeconds,
  );
  console.log(`${size.chunks} chunks, ${size.garbage} of them garbage, ${size.references} references a snapshot\n`);
  console.log('| what | measured | bar | within |\n|---|---|---|---|');
  for (const cells of rows) console.log(`| ${cells.join(' | ')} |`);
  if (rows.some(([, , , within]) => within === '**no**')) process.exitCode = 1;
}

try {
  await store.create();
  store.addChunks(size.chunks);
  say(`${size.chunks} chunks made`);
  const figures = {};
  await scaling(Math.max(1, Math.round(size.snapshots / 10)));
  await scaling(size.snapshots);
  for (let n = 0; n < size.rounds; n++) await round(figures);
  await scaling(size.snapshots * 10);
  report(figures);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
