// The blocks of README.md that the benchmarks write, and the line above each.
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './processes.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const README = join(root, 'README.md');

/** The commit that is measured, and whether what is built differs from it. */
export function commit() {
  const git = (...args) => run('git', ['-C', root, ...args]).trim();
  const changed = git('status', '--porcelain', '--', 'src', 'native') === '' ? '' : ' with uncommitted changes';
  return `${git('rev-parse', '--short', 'HEAD')}${changed}`;
}

/** Where, when and by which command. */
export function heading(command) {
  const machine = `${availableParallelism()} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}`;
  const date = new Date().toISOString().slice(0, 10);
  return `Measured by \`${command}\` on ${date} at commit ${commit()} (${machine}).`;
}

/** What README.md has before and behind a block. @throws where there is no such block */
export function aroundBlock(name) {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const text = readFileSync(README, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`README.md has no ${begin} … ${end}`);
  return { before: text.slice(0, from + begin.length), behind: text.slice(to) };
}

/** Replaces what stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->` in README.md. */
export function writeBlock(name, block) {
  const { before, behind } = aroundBlock(name);
  writeFileSync(README, `${before}\n${block}\n${behind}`);
}
