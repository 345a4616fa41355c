// Workloads without a mount: a folder into a repository, again, changed, and back.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { requireRestored } from './archivers.mjs';
import { fileBytes } from './processes.mjs';
import { whileChanged } from './trees.mjs';

/** How each tree is changed before it is backed up once more. */
const CHANGES = { small: 'files', big: undefined, share: 'files', image: 'blocks', vm: 'machine' };

/** @param treeName which tree @param archiver see archivers.mjs, not yet open */
export async function direct(context, archiver, treeName) {
  const tree = context.tree(treeName);
  const note = (what, { seconds, cpuSeconds, peakBytes }) => {
    context.add(what, seconds);
    context.add(`${what}: CPU seconds per GB`, cpuSeconds / (fileBytes(tree) / 1e9));
    context.add(`${what}: peak memory`, peakBytes / 2 ** 20);
  };
  note('first', archiver.backup(tree));
  context.add('stored', archiver.storedBytes() / 2 ** 20);
  if (archiver.name === 'copy') return restore(context, archiver, note);
  note('unchanged', archiver.backup(tree));
  await restore(context, archiver, note);
  const how = CHANGES[treeName];
  if (how === undefined) return undefined;
  const before = archiver.storedBytes();
  await whileChanged(tree, how, async () => note('changed', archiver.backup(tree)));
  context.add('changed: stored more', (archiver.storedBytes() - before) / 2 ** 20);
  return undefined;
}

async function restore(context, archiver, note) {
  const target = join(context.place, 'restored');
  mkdirSync(target);
  note('restore', archiver.restore(target));
  requireRestored(target);
  rmSync(target, { recursive: true });
}
