import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

type CheckTree = (root: string, rules: unknown) => string[];

const script = resolve('scripts/check-layers.mjs');
const { checkTree } = (await import(pathToFileURL(script).href)) as { checkTree: CheckTree };
const rules: unknown = JSON.parse(readFileSync('scripts/layers.json', 'utf8'));

/** Calls `use` with the root of a tree that holds the files. */
function withTree<T>(files: Record<string, string>, use: (root: string) => T): T {
  const root = mkdtempSync(join(tmpdir(), 'cairn-layers-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(root, dirname(path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return use(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

const check = (files: Record<string, string>): string[] => withTree(files, (root) => checkTree(root, rules));

/** Asserts that exactly one violation is found and that it says what `wanted` matches. */
function assertViolation(files: Record<string, string>, wanted: RegExp): void {
  const lines = check(files);
  assert.equal(lines.length, 1, lines.join('\n'));
  assert.match(lines[0] ?? '', wanted);
}

const statements = (count: number): string => '  step();\n'.repeat(count);

test('a tree that keeps the rules passes', () => {
  const found = check({
    'src/core/words.ts': 'export const word = 1;\n',
    'src/native/door.ts': "import { word } from '../core/words.js';\nexport const door = word;\n",
    'src/vfs/api.ts': "import type { door } from '../native/door.js';\nexport type Api = typeof door;\n",
    'test/unit/words.test.ts': "import { word } from '../../src/core/words.js';\nconsole.log(word);\n",
    'native/door.cc': '#include <x>\nnamespace a {\nint door() { return 1; }\n}  // namespace a\n',
  });
  assert.deepEqual(found, []);
});

test('an arrow that goes up is refused with its reason', () => {
  assertViolation(
    { 'src/core/words.ts': "import { api } from '../vfs/api.js';\n", 'src/vfs/api.ts': 'export const api = 1;\n' },
    /^src\/core\/words\.ts:1: core may not import vfs; core holds the field's words/,
  );
});

test('strangers may not import each other, whatever the form of the import', () => {
  const index = { 'src/index/fixed.ts': 'export const fixed = 1;\n' };
  for (const form of [
    "export { fixed } from '../index/fixed.js';\nexport const own = 1;\n",
    "export const load = () => import('../index/fixed.js');\n",
    "export type Fixed = import('../index/fixed.js').Fixed;\n",
    "export const url = new URL('../index/fixed.js', import.meta.url);\n",
  ]) {
    assertViolation({ ...index, 'src/catalog/rows.ts': form }, /catalog may not import index; .*strangers/);
  }
});

test('an arrow for types only does not cover values', () => {
  const content = { 'src/content/transfer.ts': 'export type Body = number;\nexport const body = 1;\n' };
  const typed = "import type { Body } from '../content/transfer.js';\nexport type Mine = Body;\n";
  assert.deepEqual(check({ ...content, 'src/fuse/loop.ts': typed }), []);
  assertViolation(
    { ...content, 'src/fuse/loop.ts': "import { body } from '../content/transfer.js';\nexport const mine = body;\n" },
    /fuse may not import content/,
  );
});

test('packages stay in their rooms', () => {
  assertViolation({ 'src/vfs/log.ts': "import { pino } from 'pino';\npino();\n" }, /vfs may not import pino; .*Log/);
  assertViolation(
    { 'src/vfs/io.ts': "import { open } from 'node:fs/promises';\nopen('x');\n" },
    /may not import node:fs/,
  );
});

test('src imports nothing outside src, and every folder in it is a room', () => {
  assertViolation(
    { 'src/core/a.ts': "import { b } from '../../test/b.js';\nb();\n", 'test/b.ts': 'export const b = () => 1;\n' },
    /src imports nothing outside src/,
  );
  assertViolation({ 'src/stuff/a.ts': 'export const a = 1;\n' }, /src\/stuff is no room/);
});

test('a cycle of imports is shown as a path', () => {
  assertViolation(
    {
      'src/core/a.ts': "import { b } from './b.js';\nexport const a = () => b;\n",
      'src/core/b.ts': "import { c } from './c.js';\nexport const b = () => c;\n",
      'src/core/c.ts': "import { a } from './a.js';\nexport const c = () => a;\n",
    },
    /cycle of imports: src\/core\/a\.ts -> src\/core\/b\.ts -> src\/core\/c\.ts -> src\/core\/a\.ts/,
  );
});

test('a program that knows the type of who starts it makes no cycle', () => {
  const found = check({
    'src/daemon/start.ts': "export type Report = 1;\nexport const url = new URL('./run.js', import.meta.url);\n",
    'src/daemon/run.ts': "import type { Report } from './start.js';\nexport const report: Report = 1;\n",
  });
  assert.deepEqual(found, []);
});

test('the decoder written from the specification imports nothing of the product', () => {
  assertViolation(
    {
      'src/archive/format.ts': 'export const magic = 1;\n',
      'test/support/spec-decoder/pxar.ts':
        "import { magic } from '../../../src/archive/format.js';\nconsole.log(magic);\n",
    },
    /test\/support\/spec-decoder may not import src\/archive\/format\.ts/,
  );
});

test('default exports, barrels and empty names are refused', () => {
  assertViolation({ 'src/core/a.ts': 'export default 1;\n' }, /default export/);
  assertViolation({ 'src/core/a.ts': 'const a = 1;\nexport { a as default };\n' }, /default export/);
  assertViolation(
    { 'src/core/all.ts': "export * from './a.js';\n", 'src/core/a.ts': 'export const a = 1;\n' },
    /is a barrel/,
  );
  assertViolation({ 'src/core/utils.ts': 'export const a = 1;\n' }, /"utils" says nothing/);
});

test('long files, long functions and many-handed classes are refused', () => {
  assertViolation({ 'src/core/a.ts': 'export const a = 1;\n'.repeat(401) }, /401 lines, more than 400/);
  assertViolation({ 'src/core/a.ts': `export function a() {\n${statements(59)}}\n` }, /function a has 61 lines/);
  const methods = Array.from({ length: 13 }, (_, i) => `  m${i}() {}\n`).join('');
  assertViolation({ 'src/core/a.ts': `export class A {\n${methods}}\n` }, /class A has 13 public methods/);
});

test('a group of tests may be long, the tests in it may not', () => {
  const inner = "  test('x', () => { step(); });\n".repeat(70);
  assert.deepEqual(check({ 'test/unit/a.test.ts': `describe('a', () => {\n${inner}});\n` }), []);
  assertViolation({ 'test/unit/a.test.ts': `test('a', () => {\n${statements(70)}});\n` }, /has 72 lines/);
});

test('C++ files and functions are measured too', () => {
  assertViolation({ 'native/a.cc': 'int a;\n'.repeat(401) }, /native\/a\.cc: 401 lines/);
  const body = statements(60);
  assertViolation(
    { 'native/a.cc': `namespace x {\nclass A {\n public:\n  A() : b_{1} {\n${body}  }\n};\n}\n` },
    /native\/a\.cc:4: function A has 61 lines/,
  );
});

test('the command prints the violations and fails', () => {
  withTree({ 'src/core/utils.ts': 'export const a = 1;\n' }, (root) => {
    const { status, stdout } = spawnSync(process.execPath, [script, '--root', root], { encoding: 'utf8' });
    assert.match(stdout, /^src\/core\/utils\.ts: "utils"/);
    assert.equal(status, 1);
  });
});
