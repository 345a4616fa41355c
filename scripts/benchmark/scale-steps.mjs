// What scripts/bench-scale does to a datastore of one size. Each step yields seconds and the daemon's peak memory in it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { GROUP, pathOf } from '../make-store.mjs';
import { Cairn } from './cairn.mjs';
import { cpuSeconds, dropCaches, fileBytes, memoryBytes, resetPeakMemory, run, timed } from './processes.mjs';

const MAKE_STORE = fileURLToPath(new URL('../make-store.mjs', import.meta.url));
const MOUNTS = 2;
const CREATED_FILES = 2000;
const QUIET_MILLISECONDS = 2000;
const CHANGED_BYTES = 4000;
const CHANGES = [10, 1000];
const MOST_FILES_TO_CHANGE = 1_000_000;
/** A generator of numbers that are spread over all and the same in each run. */
const STRIDE = 2_654_435_761;

/** Makes a store of that size and walks through all steps; `say` is told of each. @returns {Promise<object[]>} rows: what, value, unit, rss, cpu */
export async function measureSize(place, names, files, { say, withSnapshots }) {
  const steps = new Steps(place, names, files, say);
  try {
    await steps.make();
    await steps.mounting();
    await steps.naming();
    if (withSnapshots) await steps.snapshots();
    await steps.space();
    await steps.timed('umount', () => steps.cairn.umount(), false);
    return steps.rows;
  } finally {
    steps.cairn.close();
  }
}

class Steps {
  rows = [];
  #names;
  #files;
  #say;

  constructor(place, names, files, say) {
    this.cairn = new Cairn(place, `scale-${files}`);
    this.#names = names;
    this.#files = files;
    this.#say = say;
  }

  /** @param daemon what it cost the daemon: its peak memory meanwhile in bytes, and seconds of CPU */
  row(what, value, unit, daemon = {}) {
    this.rows.push({ what, value, unit, ...daemon });
    const cpu = daemon.cpu === undefined ? '' : `, ${daemon.cpu.toFixed(2)} s of CPU`;
    this.#say(`${this.#files} files: ${what}: ${value.toFixed(3)} ${unit}${cpu}`);
  }

  /** Adds a row with the seconds `work` takes. @param isMounted whether the daemon is there before and after */
  async timed(what, work, isMounted = true) {
    if (!isMounted) return this.row(what, await timed(work), 's');
    const { result, ...daemon } = await this.#watched(() => timed(work));
    return this.row(what, result, 's', daemon);
  }

  /** What `work` yields, and what it costs the daemon. */
  async #watched(work) {
    const { pid } = this.cairn;
    resetPeakMemory(pid);
    const before = cpuSeconds(pid);
    const result = await work();
    return { result, rss: memoryBytes(pid, 'VmHWM'), cpu: cpuSeconds(pid) - before };
  }

  async make() {
    const { cairn } = this;
    cairn.command('init', cairn.store);
    const made = () => run(process.execPath, [MAKE_STORE, cairn.store, `${this.#files}`]);
    await this.timed('making the store', made, false);
    this.row('catalog', statSync(join(cairn.store, '.cairn/catalog.db')).size / 2 ** 20, 'MiB');
  }

  /** Mounts with nothing in memory, and again. The store stays mounted. */
  async mounting() {
    const { cairn } = this;
    for (let n = 0; n < MOUNTS; n++) {
      if (n === 0) dropCaches();
      else await cairn.umount();
      const seconds = await cairn.mount();
      const daemon = { rss: memoryBytes(cairn.pid, 'VmHWM'), cpu: cpuSeconds(cairn.pid) };
      this.row(n === 0 ? 'mount, nothing cached' : 'mount again', seconds, 's', daemon);
    }
  }

  async naming() {
    const current = join(this.cairn.mountpoint, GROUP, 'current');
    const folder = join(current, pathOf(0), '../..');
    await this.timed('ls -lR of 10,000 files', () => run('ls', ['-lR', folder]));
    await this.timed('the same again', () => run('ls', ['-lR', folder]));
    await this.timed('stat of 2,000 files all over the tree', () => {
      for (const n of this.#spread(CREATED_FILES)) statSync(join(current, pathOf(n)));
    });
    const made = join(current, 'made');
    mkdirSync(made);
    const { result, ...daemon } = await this.#watched(() => run(this.#names, ['rates', made, `${CREATED_FILES}`, '1']));
    this.row('create', 1e6 / Number(result.match(/create (\S+)/)[1]), 'µs a file', daemon);
    this.row('create beside nothing, p99', await this.#latencyBeside(() => delay(QUIET_MILLISECONDS)), 'ms');
  }

  /** Numbers of files all over the tree. */
  #spread(count) {
    const spread = new Set();
    for (let i = 1; spread.size < Math.min(count, this.#files / 2); i++) spread.add((i * STRIDE) % this.#files);
    return [...spread];
  }

  /** The first snapshot writes all metadata; those behind it only what changed. */
  async snapshots() {
    const { cairn } = this;
    const snapshot = () => cairn.command('snapshot', 'create', GROUP);
    cairn.durable();
    await this.timed('first snapshot', snapshot);
    await this.#addingMetadata('with nothing changed', async () => {
      await this.timed('snapshot with nothing changed', snapshot);
    });
    // The bars are about a million files; with ten times as many the rest would take hours.
    if (this.#files > MOST_FILES_TO_CHANGE) return;
    this.row('create beside a snapshot, p99', await this.#latencyBeside(snapshot), 'ms');
    for (const count of CHANGES) {
      this.#change(count);
      cairn.durable();
      await this.#addingMetadata(`with ${count} files changed`, async () => {
        await this.timed(`snapshot with ${count} files changed`, snapshot);
      });
    }
  }

  /** Writes so many files anew, all over the tree. */
  #change(count) {
    const current = join(this.cairn.mountpoint, GROUP, 'current');
    const small = this.#spread(2 * count).filter((n) => n % 100 !== 99);
    for (const n of small.slice(0, count)) writeFileSync(join(current, pathOf(n)), Buffer.alloc(CHANGED_BYTES, n));
  }

  /** Adds rows with what `work` adds to chunks and to index files. */
  async #addingMetadata(what, work) {
    const folders = [join(this.cairn.store, '.chunks'), join(this.cairn.store, 'host')];
    const before = folders.map(fileBytes);
    await work();
    const [chunks, indexes] = folders.map((folder, n) => (fileBytes(folder) - before[n]) / 2 ** 20);
    this.row(`chunks a snapshot ${what} adds`, chunks, 'MiB');
    this.row(`index files a snapshot ${what} adds`, indexes, 'MiB');
  }

  /** How long making a file in another group takes while `work` runs, in milliseconds: 99 % take less. */
  async #latencyBeside(work) {
    const beside = this.cairn.target('beside');
    const client = spawn(this.#names, ['latency', beside], { stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    client.stdout.on('data', (text) => {
      printed += text;
    });
    const ended = once(client, 'close');
    await work();
    client.kill('SIGTERM');
    await ended;
    return Number(printed.match(/p99 (\d+)/)[1]) / 1000;
  }

  async space() {
    const { cairn } = this;
    await this.timed('gc plan, first of a process', () => cairn.command('gc', '--dry-run'));
    await this.timed('gc plan again', () => cairn.command('gc', '--dry-run'));
    await this.timed('cairn df', () => cairn.command('df'));
    await this.timed('df (statfs)', () => run('df', [cairn.mountpoint]));
  }
}
