// One trial, a process of its own: a family of workloads on one system. Prints its figures as a line of JSON.
// Usage: node scripts/benchmark/trial.mjs FAMILY SYSTEM PLACE SIZE
import { join } from 'node:path';
import { ARCHIVERS } from './archivers.mjs';
import { Cairn } from './cairn.mjs';
import { fewer, image, large, share, shuffled, small, some, vm } from './copying.mjs';
import { direct } from './direct.mjs';
import { listing } from './listing.mjs';
import { MOUNTS } from './mounts.mjs';
import { naming } from './naming.mjs';
import { fileBytes, run, timed } from './processes.mjs';
import { random, syncing } from './random.mjs';
import { SlowDisk } from './slow-disk.mjs';
import { TrialContext } from './trial-context.mjs';

const FILES_OF_MILLION = { full: 1_000_000, tiny: 10_000 };
const script = (name) => new URL(name, import.meta.url).pathname;

const ON_MOUNTS = { shuffled, small, some, fewer, large, share, image, vm, listing, random, syncing, names: naming };

/** Opens a mount, does the work, and notes what it used. */
async function onMount(context, system, work) {
  try {
    await system.open();
    await work(context, system);
    const usage = system.usage();
    if (usage !== undefined) context.add('peak memory', usage.peakBytes / 2 ** 20);
  } finally {
    system.close();
  }
}

/** Families `direct small`, `direct big` …: a program and a tree. */
async function onArchiver(context, name, tree) {
  const archiver = ARCHIVERS[name].make(context.place);
  try {
    archiver.open();
    await direct(context, archiver, tree);
  } finally {
    archiver.close();
  }
}

/** Small files and waiting for fsync, on a slow disk. */
async function onSlowDisk(context, name) {
  const disk = new SlowDisk(context.place);
  try {
    await disk.open();
    await onMount(context, MOUNTS[name].make(disk.root), async (_, system) => {
      await small(context, system);
      await syncing(context, system);
    });
  } finally {
    disk.close();
  }
}

/** The parts of storing data, alone: bounds for family `large`. */
async function parts(context) {
  const file = join(context.tree('big'), 'image');
  const perGigabyte = Number(run(process.execPath, [script('parts.mjs'), file, join(context.place, 'chunks')]));
  context.add('CPU seconds per GB', perGigabyte);
  const seconds = await timed(() => run('openssl', ['dgst', '-sha256', file]));
  context.add('openssl: MB/s', fileBytes(file) / 1e6 / seconds);
}

/** How long a store with a million files takes to mount. */
async function million(context) {
  const cairn = new Cairn(context.place, 'million');
  try {
    cairn.command('init', cairn.store);
    run(process.execPath, [script('../make-store.mjs'), cairn.store, `${FILES_OF_MILLION[context.size]}`]);
    context.add('mount', await cairn.mount());
    await cairn.umount();
  } finally {
    cairn.close();
  }
}

async function measure(context, family, system) {
  const [kind, tree] = family.split(' ');
  if (family === 'parts') await parts(context);
  else if (family === 'million') await million(context);
  else if (family === 'slow disk') await onSlowDisk(context, system);
  else if (kind === 'direct') await onArchiver(context, system, tree);
  else await onMount(context, MOUNTS[system].make(context.place), ON_MOUNTS[family]);
}

const [family, system, place, size] = process.argv.slice(2);
const context = new TrialContext(family, place, size);
try {
  context.warmMemory();
  await measure(context, family, system);
  console.log(JSON.stringify(context.figures));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  context.close();
}
