// Measures collection on a datastore made for it: chunk files of a few bytes, snapshots that are index files with recorded
// sets, garbage, and a live tree of one group. Prints one line per figure. Nothing but it should run meanwhile.
//
//   node scripts/bench-gc.mjs [--chunks 1000000] [--snapshots 100] [--references 50000] [--garbage 0.1] [--folder DIR]
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openCatalog } from '../dist/src/catalog/open.js';
import { createDatastore } from '../dist/src/datastore/create.js';
import { encodeDynamicIndex } from '../dist/src/index/dynamic-index.js';
import { newIndexStamp } from '../dist/src/index/index-header.js';

const MAIN = fileURLToPath(new URL('../dist/src/cli/main.js', import.meta.url));
const MIB = 1024 * 1024;
const CHUNK_BYTES = 1_000_000;

const { values } = parseArgs({
  options: {
    chunks: { type: 'string', default: '1000000' },
    snapshots: { type: 'string', default: '100' },
    references: { type: 'string', default: '50000' },
    garbage: { type: 'string', default: '0.1' },
    folder: { type: 'string', default: tmpdir() },
  },
});
const chunks = Number(values.chunks);
const snapshots = Number(values.snapshots);
const references = Number(values.references);
const garbage = Math.round(chunks * Number(values.garbage));

const folder = mkdtempSync(join(values.folder, 'cairn-bench-gc-'));
const store = join(folder, 'store');
const mountpoint = join(folder, 'mnt');
const digestOf = (n) => createHash('sha256').update(`chunk ${n}`).digest();
const report = (what, figure) => console.log(`${what.padEnd(48)} ${figure}`);
const cairn = (...args) => execFileSync(process.execPath, [MAIN, ...args, '--store', store], { encoding: 'utf8' });

function inTransaction(catalog, work) {
  catalog.transactions.begin();
  work();
  catalog.transactions.commit(catalog.transactions.appliedSequence());
}

/** Chunks `garbage` and above are named by snapshots, each by its own stretch of them; those below by nothing. */
function fill(catalog) {
  for (let from = 0; from < chunks; from += 10_000) {
    inTransaction(catalog, () => {
      for (let n = from; n < Math.min(chunks, from + 10_000); n++) {
        const digest = digestOf(n);
        const hex = digest.toString('hex');
        writeFileSync(join(store, '.chunks', hex.slice(0, 2), hex), `${n}`);
        catalog.chunks.setPresent(digest, CHUNK_BYTES, `${n}`.length);
      }
    });
  }
  for (let s = 0; s < snapshots; s++) addSnapshot(catalog, s);
}

function addSnapshot(catalog, s) {
  const used = chunks - garbage;
  const start = Math.floor((s * Math.max(0, used - references)) / Math.max(1, snapshots - 1));
  const step = snapshots * references >= used ? 1 : Math.ceil(used / (snapshots * references));
  const entries = [];
  for (let i = 0; i < references; i++) {
    entries.push({ end: (i + 1) * CHUNK_BYTES, digest: digestOf(garbage + ((start + i * step) % used)) });
  }
  const built = encodeDynamicIndex(newIndexStamp(1_700_000_000 + s), entries);
  const time = new Date((1_700_000_000 + s) * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
  const path = `host/bench/${time}/root.ppxar.didx`;
  mkdirSync(join(store, 'host/bench', time), { recursive: true });
  writeFileSync(join(store, path), built.bytes);
  inTransaction(catalog, () => {
    const gathered = catalog.indexFiles.gather();
    const listed = entries.map(({ digest }) => ({ digest, length: CHUNK_BYTES }));
    catalog.indexFiles.addChunks(gathered, listed, 'present');
    const file = {
      ...{ path, kind: 'dynamic', checksum: built.checksum, header: built.bytes.subarray(0, 96) },
      ...{ fileBytes: built.bytes.length, chunkCount: built.count, contentBytes: built.contentLength },
    };
    catalog.indexFiles.put(file, gathered);
  });
}

const memoryBytes = (pid, field) =>
  Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`${field}:\\s+(\\d+) kB`))[1]) * 1024;

async function mounted(work) {
  mkdirSync(mountpoint, { recursive: true });
  const daemon = spawn(process.execPath, [MAIN, 'mount', store, mountpoint], { stdio: ['ignore', 'ignore', 'pipe'] });
  await new Promise((resolve, reject) => {
    let log = '';
    daemon.stderr.on('data', (bytes) => {
      log += bytes;
      if (log.includes('"mounted"')) resolve();
    });
    daemon.once('exit', () => reject(new Error(log)));
  });
  try {
    await work(daemon.pid);
  } finally {
    execFileSync(process.execPath, [MAIN, 'umount', mountpoint]);
  }
}

function gc(...args) {
  const started = performance.now();
  const printed = JSON.parse(cairn('gc', '--json', ...args));
  return { ...printed, wallSeconds: (performance.now() - started) / 1000 };
}

/** As many files of the same lengths, in folders like those of chunks. @returns files per second */
function findDelete(count) {
  const rival = join(folder, 'rival');
  for (let prefix = 0; prefix < 256; prefix++) {
    mkdirSync(join(rival, prefix.toString(16).padStart(2, '0')), { recursive: true });
  }
  for (let n = 0; n < count; n++) {
    const hex = digestOf(n).toString('hex');
    writeFileSync(join(rival, hex.slice(0, 2), hex), `${n}`);
  }
  execFileSync('sync', ['-f', rival]);
  const started = performance.now();
  execFileSync('find', [rival, '-type', 'f', '-delete']);
  return count / ((performance.now() - started) / 1000);
}

try {
  await createDatastore(store, { reserveBytes: 4096 });
  const catalog = openCatalog(join(store, '.cairn/catalog.db'));
  fill(catalog);
  catalog.transactions.checkpoint('truncate');
  catalog.close();
  execFileSync('sync', ['-f', store]);
  report('made', `${chunks} chunks, ${snapshots} snapshots of ${references}, ${garbage} chunks of garbage`);
  await mounted((pid) => {
    const idle = memoryBytes(pid, 'VmRSS');
    const planned = gc('--dry-run');
    report('plan that lists all chunks', `${planned.seconds.toFixed(2)} s`);
    report(
      'memory it added at most',
      `${((memoryBytes(pid, 'VmHWM') - idle) / MIB).toFixed(0)} MiB over ${(idle / MIB).toFixed(0)}`,
    );
    const first = gc();
    const rate = first.removed.chunks / (first.seconds - planned.seconds);
    report('collection into quarantine', `${first.seconds.toFixed(2)} s for ${first.removed.chunks} chunks`);
    report('sweep, without the plan', `${Math.round(rate)} chunks/s`);
    report('second collection, nothing to do', `${gc().seconds.toFixed(2)} s`);
    const third = gc('--grace', '0');
    report('quarantine emptied', `${third.seconds.toFixed(2)} s for ${third.freed.chunks} chunks`);
    report('memory added at most in the end', `${((memoryBytes(pid, 'VmHWM') - idle) / MIB).toFixed(0)} MiB`);
    const rival = findDelete(first.removed.chunks);
    report('find -delete', `${Math.round(rival)} files/s`);
    report('sweep / find -delete', (rate / rival).toFixed(2));
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
