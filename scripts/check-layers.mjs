// Checks the shape of the code against scripts/layers.json: who may import whom, cycles, lengths, forbidden forms.
// Prints one line for each violation, with the reason, and exits 1 if there is any.
// Usage: node scripts/check-layers.mjs [--root FOLDER]
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cppFunctions, moduleFacts } from './source-facts.mjs';

const FOLDERS = ['src', 'test', 'scripts', 'native'];
const MODULE_ENDINGS = ['.ts', '.mjs'];
const CPP_ENDINGS = ['.cc', '.cpp', '.h'];

function sourceFiles(root) {
  const files = FOLDERS.filter((folder) => existsSync(join(root, folder))).flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, name)),
  );
  return files
    .filter((file) => !file.startsWith('native/build/'))
    .filter((file) => [...MODULE_ENDINGS, ...CPP_ENDINGS].includes(extname(file)))
    .sort();
}

/** Reads all sources: path → { text, facts or functions }. */
function readSources(root) {
  const sources = new Map();
  for (const file of sourceFiles(root)) {
    const text = readFileSync(join(root, file), 'utf8');
    const isModule = MODULE_ENDINGS.includes(extname(file));
    sources.set(file, isModule ? { text, facts: moduleFacts(file, text) } : { text, functions: cppFunctions(text) });
  }
  return sources;
}

/** The file a relative import means, `.js` standing for `.ts`; undefined for packages. */
function resolveImport(file, target, sources) {
  if (!target.startsWith('.')) return undefined;
  const path = normalize(join(dirname(file), target));
  const typed = path.replace(/\.js$/, '.ts');
  return sources.has(typed) ? typed : path;
}

const roomOf = (file) => (file.startsWith('src/') ? file.split('/')[1] : undefined);
const isWithin = (path, folder) => path === folder || path.startsWith(`${folder}/`);

/** `node:fs/promises` is `node:fs`; `@a/b/c` is `@a/b`. */
function packageOf(target) {
  const parts = target.split('/');
  return target.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
}

function* arrowViolations(file, sources, rules) {
  const room = roomOf(file);
  if (room === undefined) return;
  const rule = rules.rooms[room];
  if (!rule || room.includes('.')) {
    yield `${file}: src/${room} is no room; rooms and their arrows are listed in scripts/layers.json`;
    return;
  }
  for (const { target, line, typeOnly } of sources.get(file).facts.imports) {
    const path = resolveImport(file, target, sources);
    if (path === undefined) yield* packageViolations(file, room, target, line, rules);
    else if (!path.startsWith('src/')) yield `${file}:${line}: imports ${path}; src imports nothing outside src`;
    else if (!mayUse(rule, room, roomOf(path), typeOnly)) {
      yield `${file}:${line}: ${room} may not import ${roomOf(path)}; ${rule.reason}`;
    }
  }
}

function mayUse(rule, room, other, typeOnly) {
  return room === other || rule.uses.includes(other) || (typeOnly && (rule.types ?? []).includes(other));
}

function* packageViolations(file, room, target, line, rules) {
  const name = packageOf(target);
  const rule = rules.packages[name];
  if (rule && !rule.rooms.includes(room)) yield `${file}:${line}: ${room} may not import ${name}; ${rule.reason}`;
}

function* strangerViolations(file, sources, rules) {
  for (const { folder, mayImport, reason } of rules.strangers ?? []) {
    if (!isWithin(file, folder)) continue;
    for (const { target, line } of sources.get(file).facts.imports) {
      const path = resolveImport(file, target, sources);
      if (path !== undefined && !mayImport.some((allowed) => isWithin(path, allowed))) {
        yield `${file}:${line}: ${folder} may not import ${path}; ${reason}`;
      }
    }
  }
}

function* formViolations(file, { facts }, rules) {
  const names = [...dirname(file).split('/'), basename(file, extname(file)).replace(/\.test$/, '')];
  const bad = names.find((name) => rules.forbiddenNames.includes(name));
  if (bad) yield `${file}: "${bad}" says nothing about what is inside; name it for what it does`;
  if (!facts) return;
  if (basename(file) === 'index.ts' || facts.onlyReexports) {
    yield `${file}: is a barrel; import from the file that defines the thing`;
  }
  if (facts.defaultExport)
    yield `${file}:${facts.defaultExport}: default export; export by name, so that it is called the same everywhere`;
  for (const { name, line, methods } of facts.classes) {
    if (methods > rules.maxPublicMethods) {
      yield `${file}:${line}: class ${name} has ${methods} public methods, more than ${rules.maxPublicMethods}; split it by family of operation`;
    }
  }
}

function* lengthViolations(file, { text, facts, functions }, rules) {
  const lines = text.replace(/\n$/, '').split('\n').length;
  if (lines > rules.maxFileLines)
    yield `${file}: ${lines} lines, more than ${rules.maxFileLines}; split it by family of operation`;
  for (const { name, line, lines: length } of facts?.functions ?? functions) {
    if (length > rules.maxFunctionLines) {
      yield `${file}:${line}: function ${name} has ${length} lines, more than ${rules.maxFunctionLines}`;
    }
  }
}

/** One line for each cycle of imports between files, found by walking depth first. */
function* cycleViolations(sources) {
  const state = new Map();
  const stack = [];
  const found = [];
  const visit = (file) => {
    state.set(file, 'open');
    stack.push(file);
    for (const { target, started } of sources.get(file).facts?.imports ?? []) {
      const next = resolveImport(file, target, sources);
      if (started || next === undefined || !sources.has(next)) continue;
      if (state.get(next) === 'open') found.push([...stack.slice(stack.indexOf(next)), next]);
      else if (!state.has(next)) visit(next);
    }
    stack.pop();
    state.set(file, 'done');
  };
  for (const file of sources.keys()) if (!state.has(file)) visit(file);
  for (const cycle of found) yield `${cycle[0]}: cycle of imports: ${cycle.join(' -> ')}`;
}

/**
 * All violations in the tree below `root`, one line each.
 * @param {string} root
 * @param {object} rules what scripts/layers.json holds
 * @returns {string[]}
 */
export function checkTree(root, rules) {
  const sources = readSources(root);
  const violations = [];
  for (const [file, source] of sources) {
    violations.push(...lengthViolations(file, source, rules), ...formViolations(file, source, rules));
    if (source.facts)
      violations.push(...arrowViolations(file, sources, rules), ...strangerViolations(file, sources, rules));
  }
  return [...violations, ...cycleViolations(sources)];
}

function main() {
  const here = fileURLToPath(new URL('..', import.meta.url));
  const { values } = parseArgs({ options: { root: { type: 'string', default: here } } });
  const rules = JSON.parse(readFileSync(new URL('layers.json', import.meta.url), 'utf8'));
  const violations = checkTree(values.root, rules);
  for (const violation of violations) console.log(violation);
  process.exitCode = violations.length > 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
