// Runs trials one after the other, keeps their figures in a file, and writes the table. Called by scripts/bench, which
// documents it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { families, lackingSystems, trials } from './plan.mjs';
import { aroundBlock, commit, heading, writeBlock } from './readme.mjs';
import { report } from './report.mjs';

const TRIAL = fileURLToPath(new URL('trial.mjs', import.meta.url));
const NEEDED_GIB = { full: 20, tiny: 4 };
const MEBIBYTE = 2 ** 20;
/** A trial that takes longer hangs. */
const TRIAL_LIMIT_MILLISECONDS = 20 * 60_000;

function parseCommand() {
  const flag = { type: 'boolean', default: false };
  const options = {
    ...{ peers: flag, quick: flag, tiny: flag, fresh: flag },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
    place: { type: 'string', default: tmpdir() },
  };
  const { values } = parseArgs({ options });
  const rounds = values.quick ? 1 : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds: not a number of rounds: ${values.rounds}`);
  const only = values.only === undefined ? undefined : new Set(values.only.split(','));
  const known = families(values.peers);
  const unknown = [...(only ?? [])].filter((family) => !known.includes(family));
  if (unknown.length > 0) throw new Error(`--only: no ${unknown.join(', ')}; there are ${known.join(', ')}`);
  const isWhole = !values.quick && !values.tiny && only === undefined && rounds >= 3;
  return { ...values, rounds, only, isWhole, size: values.tiny ? 'tiny' : 'full' };
}

/** The signal that asks us to stop, once there was one. */
let stopSignal;

/** Trials that are done, in a file: a line of JSON each, below one that says of what. */
class Results {
  #path;
  done = [];

  /** Goes on where a run of the same commit and size ended, unless `fresh`. */
  constructor(path, about, fresh) {
    this.#path = path;
    const lines = !fresh && existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
    if (lines[0] === JSON.stringify(about)) {
      this.done = lines.slice(1).map((line) => JSON.parse(line));
      // What failed is tried once more.
      this.done = this.done.filter((trial) => trial.failed === undefined);
      if (this.done.length > 0) console.log(`going on with ${path}: ${this.done.length} trials are done`);
    }
    const kept = [about, ...this.done].map((line) => `${JSON.stringify(line)}\n`).join('');
    writeFileSync(path, kept);
  }

  has({ family, system, round }) {
    return this.done.some((trial) => trial.family === family && trial.system === system && trial.round === round);
  }

  add(trial) {
    this.done.push(trial);
    appendFileSync(this.#path, `${JSON.stringify(trial)}\n`);
  }
}

/** Runs a trial in a process of its own. @returns it with `figures`, or with `failed`: why */
async function runTrial(trial, place, size) {
  const started = performance.now();
  const child = spawn(process.execPath, [TRIAL, trial.family, trial.system, place, size], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Where this is set Node reads all those certificates at each start, which takes longer than starting.
    env: { ...process.env, NODE_EXTRA_CA_CERTS: '' },
    // A group of its own, which can be ended with all it started.
    detached: true,
  });
  let isLate = false;
  const limit = setTimeout(() => {
    isLate = true;
    process.kill(-child.pid, 'SIGKILL');
  }, TRIAL_LIMIT_MILLISECONDS);
  let [printed, complaints] = ['', ''];
  child.stdout.on('data', (text) => {
    printed += text;
  });
  child.stderr.on('data', (text) => {
    complaints += text;
  });
  const [status] = await once(child, 'close');
  clearTimeout(limit);
  const seconds = (performance.now() - started) / 1000;
  const line = printed.trim().split('\n').at(-1);
  if (status === 0) return { ...trial, seconds, figures: JSON.parse(line) };
  const said = complaints.trim().split('\n').at(-1) || `exit status ${status}`;
  const why = isLate ? `not done within ${TRIAL_LIMIT_MILLISECONDS / 60_000} minutes` : said;
  return { ...trial, seconds, failed: why.slice(0, 200) };
}

function show({ family, system, round, seconds, figures, failed }) {
  console.log(
    `round ${round + 1}, ${family}, ${system}: ${seconds.toFixed(0)} s${failed ? `: failed: ${failed}` : ''}`,
  );
  for (const [key, value] of Object.entries(figures ?? {})) {
    console.log(`  ${key.slice(family.length + 1)}: ${value.toFixed(value < 100 ? 2 : 0)}`);
  }
}

async function main() {
  const command = parseCommand();
  const { peers, size, rounds, only, isWhole, fresh } = command;
  const name = peers ? 'bench-peers' : 'bench';
  // Better now than after an hour.
  if (isWhole) aroundBlock(name);
  const place = join(command.place, `cairn-${name}${size === 'tiny' ? '-tiny' : ''}`);
  mkdirSync(place, { recursive: true });
  const { bavail, bsize } = statfsSync(place);
  const freeMebibytes = (bavail * bsize) / MEBIBYTE;
  if (freeMebibytes < NEEDED_GIB[size] * 1024) throw new Error(`${place} has less than ${NEEDED_GIB[size]} GiB free`);
  const planned = trials(peers, rounds, only);
  const lacking = lackingSystems(new Set(planned.map(({ system }) => system)));
  for (const [system, why] of lacking) console.log(`leaving out ${system}: ${why}`);
  // Only the long run is worth going on with; the other one is one run at one time.
  const results = new Results(`${place}.jsonl`, { commit: commit(), size }, fresh || !peers);
  const line = heading(`scripts/bench${peers ? ' --peers' : ''}`);
  const write = () => writeBlock(name, report(results.done, lacking, line));
  const started = performance.now();
  for (const [n, trial] of planned.entries()) {
    if (stopSignal !== undefined) throw new Error(`ended by ${stopSignal}; begin again to go on`);
    if (results.has(trial) || lacking.has(trial.system)) continue;
    const done = await runTrial(trial, place, size);
    show(done);
    results.add(done);
    if (isWhole && peers && planned[n + 1]?.round !== trial.round) write();
  }
  console.log(`\n${report(results.done, lacking, line)}\n`);
  console.log(`bench: ${((performance.now() - started) / 1000).toFixed(0)} s; figures in ${place}.jsonl`);
  if (isWhole) write();
  rmSync(place, { recursive: true, force: true });
  if (results.done.some((trial) => trial.failed !== undefined)) process.exitCode = 1;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    stopSignal = signal;
    console.error('bench: ending after this trial');
  });
}
await main().catch((error) => {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
});
