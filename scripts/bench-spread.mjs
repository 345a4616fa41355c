// Chunks through the backends of one datastore: one folder against several redundancies over six folders of the same disk,
// round by round in turn, so that only the ratios count. Bytes do not compress, as chunks that were compressed.
//
//   node scripts/bench-spread.mjs [FOLDER]      default: a temporary folder; needs a build (npx tsc -p tsconfig.json)
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { FsBackend } from '../dist/src/backend/fs/fs-backend.js';
import { markMember } from '../dist/src/backend/spread/mark.js';
import { SpreadBackend } from '../dist/src/backend/spread/spread-backend.js';
import { parseRedundancy } from '../dist/src/core/redundancy.js';

const ROUNDS = 7;
const CHUNKS = 96;
const CHUNK_BYTES = 1024 * 1024;
/** As many as a chunk store writes at once on two cores. */
const AT_ONCE = 4;
const DATASTORE = 'bench';
const SCHEMES = ['one folder', 'single', 'mirror:2', 'ec:4+2'];

const root = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'cairn-bench-spread-'));
const chunks = Array.from({ length: CHUNKS }, () => randomBytes(CHUNK_BYTES));

async function open(scheme, folder) {
  mkdirSync(folder);
  if (scheme === 'one folder') return { backend: new FsBackend(folder), folders: [] };
  const folders = Array.from({ length: 6 }, (_, at) => join(folder, `${at}`));
  for (const [at, path] of folders.entries()) {
    mkdirSync(path);
    await markMember(new FsBackend(path), { datastore: DATASTORE, member: `d${at}` }, path);
  }
  const settings = { weight: 1, readOnly: false, draining: false, minFreeBytes: 0 };
  const members = folders.map((path, at) => ({
    settings: { ...settings, id: `d${at}` },
    open: () => new FsBackend(path),
  }));
  return {
    backend: new SpreadBackend({ datastore: DATASTORE, members, redundancy: parseRedundancy(scheme) }),
    folders,
  };
}

async function timed(work) {
  const limit = pLimit(AT_ONCE);
  const begun = performance.now();
  await Promise.all(chunks.map((bytes, at) => limit(() => work(`.chunks/${at % 16}/${at}`, bytes))));
  return performance.now() - begun;
}

async function round(scheme, folder) {
  const { backend, folders } = await open(scheme, folder);
  await backend.readRepair?.pause();
  const cpuBefore = process.cpuUsage();
  const begun = performance.now();
  const put = await timed((name, bytes) => backend.put(name, bytes));
  const { user, system } = process.cpuUsage(cpuBefore);
  await backend.sync();
  const write = performance.now() - begun;
  const figures = { put, cpu: (user + system) / 1000, write, read: await timed((name) => backend.get(name)) };
  if (scheme === 'ec:4+2') {
    for (const path of folders.slice(0, 2)) rmSync(join(path, '.chunks'), { recursive: true });
    figures.degraded = await timed((name) => backend.get(name));
  }
  rmSync(folder, { recursive: true });
  return figures;
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

try {
  const results = Object.fromEntries(SCHEMES.map((scheme) => [scheme, []]));
  for (let n = 0; n <= ROUNDS; n += 1) {
    for (const scheme of SCHEMES) {
      const figures = await round(scheme, join(root, `${n}`));
      // The first warms up.
      if (n > 0) results[scheme].push(figures);
    }
  }
  const plain = results['one folder'];
  for (const [scheme, rounds] of Object.entries(results)) {
    const of = (key) => median(rounds.map((figures) => figures[key]));
    const ratio = (key) => median(rounds.map((figures, at) => plain[at][key] / figures[key])).toFixed(2);
    const rate = (key) => `${Math.round((CHUNKS * CHUNK_BYTES) / 1e3 / of(key))} MB/s`;
    const degraded =
      of('degraded') === undefined ? '' : `, degraded read ${(of('read') / of('degraded')).toFixed(2)} of healthy`;
    const cpu = `${((of('cpu') * 1e3) / CHUNKS).toFixed(0)} us of CPU a chunk`;
    const written = `put ${rate('put')} (${ratio('put')}), ${cpu}, with barrier ${rate('write')} (${ratio('write')})`;
    console.log(`${scheme}: ${written}, read ${rate('read')} (${ratio('read')})${degraded}`);
  }
} finally {
  rmSync(root, { recursive: true, force: true });
}
