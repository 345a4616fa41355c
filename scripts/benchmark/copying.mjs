// Workloads on a mount: trees copied in, once more, changed, and back out.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileBytes, run } from './processes.mjs';
import { readAll, whileChanged } from './trees.mjs';
import { countFiles } from './trial-context.mjs';

const GIGABYTE = 1e9;
const SNAPSHOTTING = ['cairn', 'cairn --low-latency', 'btrfs', 'zfs-fuse'];

const rsync = (source, target, ...more) => run('rsync', ['-a', ...more, `${source}/`, `${target}/`]);

/** Copies in until it is durable, and says what it cost the daemon. */
async function ingest(context, system, what, tree, target) {
  const before = system.usage();
  const requests = system.requests?.();
  const files = countFiles(tree);
  await context.time(what, () => {
    rsync(tree, target);
    system.durable();
  });
  if (requests !== undefined) context.add(`${what}: requests a file`, (system.requests() - requests) / files);
  if (before === undefined) return;
  const cpu = system.usage().cpuSeconds - before.cpuSeconds;
  context.add(`${what}: CPU seconds per GB`, cpu / (fileBytes(tree) / GIGABYTE));
  context.add(`${what}: CPU seconds per 1,000 files`, cpu / (files / 1000));
}

/** What is stored more after `work`. */
async function adding(context, system, what, work) {
  const before = system.storedBytes();
  await work();
  context.add(what, (system.storedBytes() - before) / 2 ** 20);
}

/** Reads all of a kept state, cold and again. */
async function readBack(context, system, kept) {
  await system.cold();
  await context.time('read, cold', () => readAll(kept));
  await context.time('read, hot', () => readAll(kept));
}

/** A tree goes in, and once more when nothing has changed. */
async function ingestTwice(context, system, name) {
  const tree = context.tree(name);
  const target = system.target(name);
  await ingest(context, system, 'in', tree, target);
  context.add('stored', system.storedBytes() / 2 ** 20);
  await context.time('unchanged', () => rsync(tree, target));
  return { tree, target };
}

/** Small files: in, again twice, again after a remount, 1 % changed, kept, read, out. */
async function smallFiles(context, system, treeName) {
  const { tree, target } = await ingestTwice(context, system, treeName);
  await context.time('unchanged, once more', () => rsync(tree, target));
  await system.remount();
  await context.time('unchanged, remounted', () => rsync(tree, target));
  const again = () => {
    rsync(tree, target);
    system.durable();
  };
  await whileChanged(tree, 'files', () => context.time('1 % changed', again));
  await readBack(context, system, await kept(context, system, treeName));
  const out = join(context.place, 'out');
  mkdirSync(out);
  await context.time('out', () => {
    rsync(target, out);
    run('sync', ['-f', out]);
  });
}

export const small = (context, system) => smallFiles(context, system, 'small');
/** In a shorter run, and no more than passthrough_ll can have open. */
export const some = (context, system) => smallFiles(context, system, 'some');

/** The state just copied; where a snapshot is taken for it, how long that takes. */
export async function kept(context, system, treeName) {
  if (!SNAPSHOTTING.includes(system.name)) return system.keep(treeName);
  let folder;
  await context.time('snapshot', () => {
    folder = system.keep(treeName);
  });
  return folder;
}

/** As many of the small files as passthrough_ll can have open: in, and once more by rsync that lists its target, too. */
export async function fewer(context, system) {
  const tree = context.tree('fewer');
  const target = system.target('fewer');
  await ingest(context, system, 'in', tree, target);
  await context.time('unchanged, --delete', () => rsync(tree, target, '--delete'));
}

/** One large file: in, the same again under another name, read. */
export async function large(context, system) {
  const tree = context.tree('big');
  await ingest(context, system, 'in', tree, system.target('large'));
  context.add('stored', system.storedBytes() / 2 ** 20);
  const copied = await context.time('duplicate', () => {
    rsync(tree, system.target('copy'));
    system.durable();
  });
  context.add('duplicate: MB/s', fileBytes(tree) / 1e6 / copied);
  await readBack(context, system, system.keep('large'));
}

/** What the small files add once more, in shuffled order and in another folder, as a share of what they took. */
export async function shuffled(context, system) {
  const tree = context.tree('small');
  rsync(tree, system.target('small'));
  system.keep('small');
  const before = system.storedBytes();
  const copy = 'cd "$0" && find . -type f | shuf --random-source=/bin/sh | tar -cf - -T - | tar -xf - -C "$1"';
  run('sh', ['-c', copy, tree, system.target('shuffled')]);
  system.keep('shuffled');
  context.add('stored more', (system.storedBytes() - before) / before);
}

/** /usr/share: links, folders, files of all sizes. */
export async function share(context, system) {
  await ingestTwice(context, system, 'share');
  await readBack(context, system, system.keep('share'));
}

/** A file that is changed in places and copied whole once more: what is stored then is what matters. */
async function changedFile(context, system, treeName, how) {
  const tree = context.tree(treeName);
  const target = system.target(treeName);
  await ingest(context, system, 'in', tree, target);
  system.keep(treeName);
  const again = async () => {
    await context.time('changed', () => {
      rsync(tree, target);
      system.durable();
    });
  };
  await whileChanged(tree, how, () => adding(context, system, 'changed: stored more', again));
}

export const image = (context, system) => changedFile(context, system, 'image', 'blocks');
export const vm = (context, system) => changedFile(context, system, 'vm', 'machine');
