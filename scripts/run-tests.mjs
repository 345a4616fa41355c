// Runs lint and the compiled tests tier by tier, each file in a process group of its own with a time limit, and
// looks after each tier for what it left behind. Called by scripts/test, which documents the arguments.
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { endLeftovers, findLeftovers, MARK } from './test-leftovers.mjs';
import { startS3Server, wantsS3 } from './test-s3-server.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * The tiers in the order they run. `limitSeconds` is for one file, `together` how many files run at once (two: most
 * wait for a disk or a process much of the time; what changes the whole machine runs alone, see isAlone);
 * `onlyWhenNamed` for what is too long to run every time (scripts/torture).
 */
const TIERS = {
  unit: { limitSeconds: 120, together: 2 },
  conformance: { limitSeconds: 180, together: 2 },
  model: { limitSeconds: 300, together: 2 },
  fault: { limitSeconds: 300, together: 2 },
  posix: { limitSeconds: 300, together: 2 },
  crash: { limitSeconds: 600, together: 2 },
  e2e: { limitSeconds: 600, together: 2 },
  torture: { limitSeconds: 3 * 3600, together: 1, onlyWhenNamed: true },
};

function parseCommand() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { only: { type: 'string', multiple: true }, verbose: { type: 'boolean', default: false } },
  });
  for (const tier of values.only ?? []) {
    if (tier !== 'lint' && !(tier in TIERS)) {
      console.error(`Not a tier: ${tier}; wanted is one of lint, ${Object.keys(TIERS).join(', ')}`);
      process.exit(2);
    }
  }
  const files = positionals.map((file) => relative(root, resolve(file)));
  for (const file of files) {
    if (!existsSync(join(root, file)) || !file.endsWith('.test.ts')) {
      console.error(`Not a test file: ${file}`);
      process.exit(2);
    }
  }
  return { only: values.only, verbose: values.verbose, files };
}

/** How many of the slowest files are told at the end. */
const SLOWEST = 15;
/** How long each file took the last time it was run here, so that the long ones start first. */
const SECONDS = join(root, 'dist/.test-seconds.json');

/** The tier's test files as sources, so that a compiled file whose source is gone is not run. */
function filesOf(tier, chosen) {
  const folder = join(root, 'test', tier);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join('test', tier, name))
    .filter((name) => chosen.length === 0 || chosen.includes(name))
    .sort();
}

/** The process groups that run now, to be ended with us. */
const groups = new Set();

function endGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

/** Runs a command in a group of its own; resolves to its exit status, output, and whether it ran out of time. */
function runInGroup(command, args, { limitSeconds, env }) {
  return new Promise((done) => {
    const child = spawn(command, args, {
      cwd: root,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    groups.add(child);
    const output = [];
    child.stdout.on('data', (bytes) => output.push(bytes));
    child.stderr.on('data', (bytes) => output.push(bytes));
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      endGroup(child);
    }, limitSeconds * 1000);
    const finish = (status) => {
      clearTimeout(timer);
      groups.delete(child);
      done({ status, late, output: Buffer.concat(output).toString() });
    };
    child.on('error', () => finish(127));
    // 'exit', not 'close': a stray child that holds the pipe must not make us wait for ever.
    child.on('exit', (status) => setImmediate(() => finish(status ?? 128)));
  });
}

/** Reads the figures and the reasons of skipped tests from a TAP report. */
function readReport(path) {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const figure = (word) => Number(text.match(new RegExp(`^# ${word} (\\d+)$`, 'm'))?.[1] ?? 0);
  const skips = [...text.matchAll(/^\s*ok \d+ - (.*?) # (?:SKIP|TODO) ?(.*)$/gm)].map(
    ([, name, why]) => `${name}: ${why}`,
  );
  return {
    passed: figure('pass'),
    failed: figure('fail') + figure('cancelled'),
    skipped: figure('skipped') + figure('todo'),
    skips,
  };
}

async function runFile(file, tier, results, env) {
  const report = join(results, `${basename(file)}.tap`);
  const spec = join(results, `${basename(file)}.spec`);
  const compiled = join('dist', file.replace(/\.ts$/, '.js'));
  if (!existsSync(join(root, compiled))) {
    return { file, passed: 0, failed: 1, skipped: 0, skips: [], text: `${compiled} is missing: build first` };
  }
  const reporters = ['tap', report, 'spec', spec].map((value, i) =>
    i % 2 === 0 ? `--test-reporter=${value}` : `--test-reporter-destination=${value}`,
  );
  const { limitSeconds } = TIERS[tier];
  const ran = await runInGroup(process.execPath, ['--enable-source-maps', ...reporters, '--test', compiled], {
    limitSeconds,
    env,
  });
  const figures = readReport(report);
  if (ran.status !== 0 && figures.failed === 0) figures.failed = 1;
  const late = ran.late ? `\n${file} was ended after its limit of ${limitSeconds} s\n` : '';
  return { file, ...figures, text: `${existsSync(spec) ? readFileSync(spec, 'utf8') : ''}${ran.output}${late}` };
}

/** Whether a file does something to the whole machine that other tests would notice: it runs alone. */
function isAlone(file) {
  return /drop_caches/.test(readFileSync(join(root, file), 'utf8'));
}

function readSeconds() {
  try {
    return JSON.parse(readFileSync(SECONDS, 'utf8'));
  } catch {
    return {};
  }
}

async function runTier(tier, context) {
  const files = filesOf(tier, context.files);
  const outcomes = [];
  if (files.some(wantsS3)) context.s3 ??= startS3Server();
  Object.assign(context.env, context.s3?.env);
  const run = async (queue) => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const start = performance.now();
      const outcome = await runFile(file, tier, context.results, context.env);
      context.seconds[file] = (performance.now() - start) / 1000;
      if (outcome.failed > 0 || context.verbose) console.log(`--- ${file}\n${outcome.text}`);
      outcomes.push(outcome);
    }
  };
  const before = readSeconds();
  const longestFirst = (a, b) => (before[b] ?? 0) - (before[a] ?? 0);
  const beside = files.filter((file) => !isAlone(file)).sort(longestFirst);
  const workers = Math.min(TIERS[tier].together, availableParallelism());
  await Promise.all(Array.from({ length: workers }, () => run(beside)));
  await run(files.filter(isAlone));
  for (const skip of outcomes.flatMap((outcome) => outcome.skips)) console.log(`${tier}: skipped ${skip}`);
  const leftovers = await findLeftovers(context.run);
  for (const line of leftovers) console.log(`${tier}: left behind: ${line}`);
  if (leftovers.length > 0) await endLeftovers(context.run);
  return sum([...outcomes, { passed: 0, failed: leftovers.length, skipped: 0 }]);
}

function sum(outcomes) {
  const add = (key) => outcomes.reduce((total, outcome) => total + outcome[key], 0);
  return { passed: add('passed'), failed: add('failed'), skipped: add('skipped') };
}

/** Tells which files took longest, and remembers it for the next run. */
function tellSeconds(seconds) {
  const byLength = Object.entries(seconds).sort(([, a], [, b]) => b - a);
  if (byLength.length === 0) return;
  if (byLength.length > 1) {
    console.log('Slowest files:');
    for (const [file, took] of byLength.slice(0, SLOWEST)) console.log(`${took.toFixed(1).padStart(7)} s  ${file}`);
  }
  writeFileSync(SECONDS, JSON.stringify({ ...readSeconds(), ...seconds }));
}

/** Formatter, linter and layer check; each counts as one test. */
async function runLint(context) {
  const steps = [
    ['node_modules/.bin/biome', ['check', '--error-on-warnings', '.']],
    [process.execPath, ['scripts/check-layers.mjs']],
  ];
  const outcomes = [];
  for (const [command, args] of steps) {
    const { status, output } = await runInGroup(command, args, { limitSeconds: 120, env: context.env });
    if (status !== 0) console.log(`--- ${command} ${args.join(' ')}\n${output}`);
    outcomes.push({ passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 });
  }
  return sum(outcomes);
}

/** Lets anybody open /dev/fuse where only root may and we are root; returns what takes that back. */
function openFuseToAll() {
  const path = '/dev/fuse';
  const mode = existsSync(path) ? statSync(path).mode & 0o777 : 0o666;
  if (mode === 0o666 || process.getuid?.() !== 0) return () => {};
  chmodSync(path, 0o666);
  return () => chmodSync(path, mode);
}

function prepare(command) {
  const temporary = mkdtempSync(join(tmpdir(), 'cairn-test-'));
  // Tests act as other users too, who need a temporary folder as /tmp is, and a /dev/fuse as udev makes it.
  chmodSync(temporary, 0o1777);
  const closeFuse = openFuseToAll();
  const results = mkdtempSync(join(tmpdir(), 'cairn-results-'));
  const mark = basename(temporary);
  const env = { ...process.env, TMPDIR: temporary, [MARK]: mark };
  delete env.NODE_TEST_CONTEXT;
  // Node would read all those certificates at each start; nothing here asks for one but, maybe, a foreign S3 server.
  if (env.CAIRN_TEST_S3_ENDPOINT === undefined) delete env.NODE_EXTRA_CA_CERTS;
  return { ...command, results, env, closeFuse, run: { mark, temporary }, seconds: {} };
}

async function cleanUp(context) {
  for (const child of groups) endGroup(child);
  context.closeFuse();
  context.s3?.stop();
  await endLeftovers(context.run);
  rmSync(context.run.temporary, { recursive: true, force: true });
  rmSync(context.results, { recursive: true, force: true });
}

async function main() {
  const context = prepare(parseCommand());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => cleanUp(context).finally(() => process.exit(130)));
  }
  const hasWork = (tier) => context.files.length === 0 || (tier !== 'lint' && filesOf(tier, context.files).length > 0);
  const isMeant = (tier) => context.only?.includes(tier) ?? TIERS[tier]?.onlyWhenNamed !== true;
  const wanted = (tier) => hasWork(tier) && isMeant(tier);
  const totals = [];
  for (const tier of ['lint', ...Object.keys(TIERS)].filter(wanted)) {
    const start = performance.now();
    const total = tier === 'lint' ? await runLint(context) : await runTier(tier, context);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${tier}: ${seconds} s (${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped)`);
    totals.push(total);
  }
  await cleanUp(context);
  tellSeconds(context.seconds);
  const { passed, failed, skipped } = sum(totals);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  const strict = process.env.CI === 'true';
  process.exitCode = failed > 0 || (strict && skipped > 0) || passed === 0 ? 1 : 0;
}

await main();
