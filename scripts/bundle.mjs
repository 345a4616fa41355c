// Joins the compiled modules of dist/src into one file, as each module it begins with costs a program time, and has V8's code
// for it kept. What is run is in dist/program: main.js and a file for each worker, a line each (scripts/program-start.cjs).
// dist/src stays what unit tests and the library's users import.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FROM = join(ROOT, 'dist', 'src');
const TO = join(ROOT, 'dist', 'program');

/** Loaded from node_modules: they find files of their own from where they lie, or are needed by few commands. */
const LEFT_OUTSIDE = [
  ...['better-sqlite3', 'roaring-wasm', 'fuse-native', 'pino', 'pino-pretty', 'prom-client'],
  ...['cli-progress', 'cli-table3', '@aws-sdk/*', '@smithy/*'],
];

/** How a module names the file of a worker or process it starts. */
const BESIDE = /new URL\('(\.[^']*\.js)', import\.meta\.url\)/g;

const MODULES = readdirSync(FROM, { recursive: true })
  .filter((name) => name.endsWith('.js'))
  .map((name) => join(FROM, name));

/** What a program is called in the one folder all of them lie in. */
function programName(path) {
  return path === join(FROM, 'cli', 'main.js')
    ? 'main'
    : relative(FROM, path).replace(/\.js$/, '').replaceAll(/[\\/]/g, '-');
}

function startedBeside(path) {
  const text = readFileSync(path, 'utf8');
  return [...text.matchAll(BESIDE)].map(([, name]) => resolve(dirname(path), name));
}

const flattened = {
  name: 'flattened',
  setup({ onLoad }) {
    onLoad({ filter: /\.js$/ }, ({ path }) => {
      if (!path.startsWith(FROM)) return undefined;
      const text = readFileSync(path, 'utf8');
      const named = (_, name) => `new URL('./${programName(resolve(dirname(path), name))}.js', import.meta.url)`;
      return { contents: text.replaceAll(BESIDE, named), loader: 'js' };
    });
  },
};

/** The bundle's text: a function of what a CommonJS module is given, whose exports start the programs. */
async function bundled(programs) {
  const starts = programs.map(
    (path) => `[${JSON.stringify(programName(path))}]: () => require(${JSON.stringify(path)})`,
  );
  const { outputFiles, warnings } = await build({
    stdin: { contents: `module.exports = { ${starts.join(', ')} };`, resolveDir: ROOT },
    write: false,
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    // Less to read at each start; lines stay short enough for a stack trace to point at something.
    minifyWhitespace: true,
    lineLimit: 160,
    external: LEFT_OUTSIDE,
    plugins: [flattened],
    define: { 'import.meta.url': 'bundleUrl' },
    banner: {
      js: "(function (require, module, exports, __filename) {const bundleUrl = require('node:url').pathToFileURL(__filename).href;",
    },
    footer: { js: '})' },
    logLevel: 'warning',
  });
  if (warnings.length > 0) process.exitCode = 1;
  return outputFiles[0].text;
}

/** Puts a file into dist/program in one step: somebody may be running. */
function put(name, text) {
  const making = join(TO, `${name}.making`);
  writeFileSync(making, text, { mode: name === 'main.js' ? 0o755 : 0o644 });
  renameSync(making, join(TO, name));
  return name;
}

/** Runs what commands have in common, so that V8's code for it is kept. Without that they start more slowly, and that is all. */
function makeCodeCache() {
  const place = mkdtempSync(join(tmpdir(), 'cairn-code-cache.'));
  const [store, source] = [join(place, 'store'), join(place, 'source')];
  mkdirSync(source);
  writeFileSync(join(source, 'file'), 'content');
  const commands = [
    ['init', store],
    ...[1, 2].map(() => ['backup', source, 'host/group', '--store', store]),
    ['snapshot', 'list', '--store', store],
    ['restore', 'host/group/latest', join(place, 'restored'), '--store', store],
    ['status', '--store', store],
  ];
  try {
    for (const command of commands) {
      const { status, stderr } = spawnSync(process.execPath, [
        join(ROOT, 'scripts', 'make-code-cache.cjs'),
        ...command,
      ]);
      if (status === 0) continue;
      console.error(`bundle: no code cache, as "cairn ${command.join(' ')}" failed: ${stderr}`);
      return;
    }
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

const programs = [join(FROM, 'cli', 'main.js'), ...MODULES.flatMap(startedBeside)];
const text = await bundled(programs);
// What V8 made of a text is told from that of another one of the same length by its name alone.
const name = `programs-${createHash('sha256').update(text).digest('hex').slice(0, 16)}.cjs`;
mkdirSync(TO, { recursive: true });
const written = new Set([
  put(name, text),
  put('package.json', '{ "type": "commonjs" }\n'),
  put('start.js', readFileSync(join(ROOT, 'scripts', 'program-start.cjs'), 'utf8').replace('BUNDLE_NAME', name)),
  ...programs.map(programName).map((program) => {
    const first = program === 'main' ? '#!/usr/bin/env node\n' : '';
    return put(`${program}.js`, `${first}require('./start.js')('${program}');\n`);
  }),
  `${name}.cache`,
]);
makeCodeCache();
// Last, so that nobody who runs meanwhile misses a part: without a change all parts are the same.
for (const old of readdirSync(TO)) if (!written.has(old)) rmSync(join(TO, old));
