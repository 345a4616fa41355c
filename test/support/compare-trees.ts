import assert from 'node:assert/strict';
import { outputOf } from './commands.js';

const COMPARE = ['-aHAXnic', '--modify-window=-1', '--delete', '--numeric-ids'];

/** Ten minutes: a comparison reads both trees whole. */
const LIMIT = { limitMilliseconds: 600_000 };

/** What rsync would do to make `to` like `from`, content compared: nothing, if they are the same. */
export function differences(from: string, to: string): string {
  return outputOf('rsync', [...COMPARE, `${from}/`, `${to}/`], LIMIT);
}

/** Every name below a folder with what stat(2) tells of it; folders without links and size, which are the file system's own. */
function listing(folder: string): string[] {
  const common = '%P %y %m %U %G';
  const folders = ['-type', 'd', '-printf', `${common} %T@ %l\\0`];
  const others = ['-printf', `${common} %n %s %T@ %l\\0`];
  return outputOf('find', [folder, '(', ...folders, ')', '-o', ...others], LIMIT)
    .split('\0')
    .sort();
}

/** Every extended attribute below a folder, one block for each file. */
function attributes(folder: string): string[] {
  return outputOf('getfattr', ['-dhR', '-m', '-', '-e', 'hex', '.'], { ...LIMIT, cwd: folder })
    .split('\n\n')
    .sort();
}

/** Fails with the first few lines that differ. */
function assertSameLines(a: readonly string[], b: readonly string[], what: string): void {
  const [inA, inB] = [new Set(a), new Set(b)];
  const missing = a.filter((line) => !inB.has(line)).slice(0, 5);
  const surplus = b.filter((line) => !inA.has(line)).slice(0, 5);
  assert.deepEqual(surplus, missing, `${what} differ (first lines only in one)`);
  assert.equal(a.length, b.length, what);
}

/** Fails unless two trees are the same in all that rsync -aHAX, find and getfattr can tell. */
export function assertSameTree(a: string, b: string): void {
  assert.equal(differences(a, b), '', `rsync from ${a} to ${b}`);
  assert.equal(differences(b, a), '', `rsync from ${b} to ${a}`);
  assertSameLines(listing(a), listing(b), `find of ${a} and ${b}`);
  assertSameLines(attributes(a), attributes(b), `getfattr of ${a} and ${b}`);
}
