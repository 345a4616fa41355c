// Joins the compiled modules of dist/src into few files, dist/program/*.js, as each module it begins with costs a program time.
// What is run is there: main.js and a file for each worker. dist/src stays what unit tests and the library's users import.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
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

/** CommonJS that nearly every command needs: `import` would first search its text for what it exports. */
const REQUIRED = /^(better-sqlite3|roaring-wasm)$/;

const required = {
  name: 'required',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: REQUIRED }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace: 'required' } : { path, external: true },
    );
    onLoad({ filter: /.*/, namespace: 'required' }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
    }));
  },
};

const programs = [join(FROM, 'cli', 'main.js'), ...MODULES.flatMap(startedBeside)];
const { warnings, metafile } = await build({
  entryPoints: programs.map((path) => ({ in: path, out: programName(path) })),
  outdir: TO,
  bundle: true,
  splitting: true,
  chunkNames: 'part-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // Less to read at each start; lines stay short enough for a stack trace to point at something.
  minifyWhitespace: true,
  lineLimit: 160,
  external: LEFT_OUTSIDE,
  plugins: [flattened, required],
  // Packages that are CommonJS ask for node's own modules by `require`.
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);",
  },
  metafile: true,
  logLevel: 'warning',
});
if (warnings.length > 0) process.exitCode = 1;
// Last, so that nobody who runs meanwhile misses a part: without a change all parts are the same.
const written = new Set(Object.keys(metafile.outputs).map((name) => basename(name)));
for (const name of readdirSync(TO)) if (!written.has(name)) rmSync(join(TO, name));
