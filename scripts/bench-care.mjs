// Pairs of rsync alone and rsync beside a scrub. Called by scripts/bench-care, which documents it.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { callDaemon } from '../dist/src/control/client.js';
import { readAnnouncement } from '../dist/src/datastore/announcement.js';
import { datastorePaths } from '../dist/src/datastore/paths.js';

const MAIN = fileURLToPath(new URL('../dist/program/main.js', import.meta.url));
const BARS = { ratio: 0.8, megabytesPerSecond: 20 };
const MIB = 1024 * 1024;
const SETTLE_MILLISECONDS = 500;
const FILES_PER_FOLDER = 250;
const GROUP = 'host/bench';

function parseCommand() {
  const number = (preset) => ({ type: 'string', default: preset });
  const options = {
    rounds: number('5'),
    files: number('5000'),
    mib: number('1024'),
    place: { type: 'string', default: tmpdir() },
  };
  const { values } = parseArgs({ options });
  const { place, ...texts } = values;
  const size = {};
  for (const [name, text] of Object.entries(texts)) {
    size[name] = Number(text);
    if (!Number.isInteger(size[name]) || size[name] < 1) throw new Error(`--${name}: not a number: ${text}`);
  }
  return { ...size, place };
}

const { rounds, files, mib, place } = parseCommand();
const folder = mkdtempSync(join(place, 'cairn-bench-care-'));
const store = join(folder, 'store');
const mountpoint = join(folder, 'mnt');
const small = join(folder, 'small');
const current = join(mountpoint, GROUP, 'current');
const run = promisify(execFile);
const cairn = (...args) => execFileSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });

function makeSmallFiles() {
  for (let n = 0; n < files; n++) {
    const parent = join(small, `${Math.floor(n / FILES_PER_FOLDER)}`);
    if (n % FILES_PER_FOLDER === 0) mkdirSync(parent, { recursive: true });
    writeFileSync(join(parent, `${n}`), randomBytes(1000 + ((n * 997) % 8000)));
  }
}

/** What is scrubbed: bytes that nothing makes smaller. */
async function writeLarge() {
  const out = createWriteStream(join(current, 'large'));
  for (let n = 0; n < mib; n++) if (!out.write(randomBytes(MIB))) await once(out, 'drain');
  out.end();
  await once(out, 'close');
}

/** Every file's content is new each time, so that none is found to be there already. */
async function rsyncRate(target) {
  rmSync(small, { recursive: true, force: true });
  makeSmallFiles();
  const started = performance.now();
  await run('rsync', ['-a', `${small}/`, `${target}/`]);
  return files / ((performance.now() - started) / 1000);
}

/** Scrubs until it is ended; counts the share of all chunks that it verified, which may be above 1. */
function scrubbing(socket) {
  const end = new AbortController();
  let shares = 0;
  let share = 0;
  const call = async () => {
    while (!end.signal.aborted) {
      await callDaemon(
        socket,
        'verify-chunks',
        { maxAgeDays: 0, spread: false, bytesPerSecond: null },
        {
          signal: end.signal,
          onProgress: ({ done, total }) => {
            share = done / total;
          },
        },
      );
      shares += 1;
      share = 0;
    }
  };
  const ended = call().catch((error) => {
    if (!end.signal.aborted) throw error;
  });
  return {
    verified: () => shares + share,
    end: () => {
      end.abort();
      return ended;
    },
  };
}

async function pair(n, socket) {
  const alone = await rsyncRate(join(current, `alone-${n}`));
  cairn('sync', '--store', store);
  const scrub = scrubbing(socket);
  while (scrub.verified() === 0) await new Promise((resolve) => setImmediate(resolve));
  rmSync(small, { recursive: true, force: true });
  makeSmallFiles();
  // What it told while files were made comes in now: only what it verifies beside rsync counts.
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MILLISECONDS));
  const before = scrub.verified();
  const started = performance.now();
  await run('rsync', ['-a', `${small}/`, `${join(current, `beside-${n}`)}/`]);
  const seconds = (performance.now() - started) / 1000;
  const megabytes = ((scrub.verified() - before) * mib * MIB) / 1e6;
  await scrub.end();
  return { alone, beside: files / seconds, ratio: files / seconds / alone, rate: megabytes / seconds };
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

async function measure() {
  cairn('init', store);
  mkdirSync(mountpoint);
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
    mkdirSync(join(mountpoint, GROUP), { recursive: true });
    await writeLarge();
    cairn('sync', '--store', store);
    const { socket } = readAnnouncement(datastorePaths(store));
    const pairs = [];
    console.log('| rsync alone, files/s | beside a scrub | ratio | scrub, MB/s |\n|---|---|---|---|');
    for (let n = 0; n < rounds; n++) {
      const found = await pair(n, socket);
      pairs.push(found);
      const cells = [found.alone.toFixed(0), found.beside.toFixed(0), found.ratio.toFixed(2), found.rate.toFixed(1)];
      console.log(`| ${cells.join(' | ')} |`);
    }
    return pairs;
  } finally {
    cairn('umount', mountpoint);
  }
}

try {
  const pairs = await measure();
  const ratio = median(pairs.map((found) => found.ratio));
  const rate = median(pairs.map((found) => found.rate));
  const isMet = ratio >= BARS.ratio && rate >= BARS.megabytesPerSecond;
  console.log(
    `\nMedians: ratio ${ratio.toFixed(2)} (bar: ${BARS.ratio}), scrub ${rate.toFixed(1)} MB/s (bar: ${BARS.megabytesPerSecond}): ${isMet ? 'within' : 'missed'}`,
  );
  if (!isMet) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
