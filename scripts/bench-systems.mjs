// The file systems scripts/bench compares, each behind the same few verbs: a folder to copy into, make durable,
// start cold, close.
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../dist/src/cli/main.js', import.meta.url));
const MOUNT_LIMIT_MILLISECONDS = 60_000;

/** Runs a command to its end; what it prints on stderr is shown. */
export function run(command, args, options = {}) {
  return execFileSync(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 28,
    ...options,
  }).toString();
}

/** Writes dirty pages out and forgets all that is cached, of the file systems and of the disk below. */
export function dropCaches() {
  run('sync', []);
  writeFileSync('/proc/sys/vm/drop_caches', '3');
}

function typeMountedOn(point) {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const fields = lines.map((line) => line.split(' ')).findLast((found) => found[4] === point);
  return fields?.[fields.indexOf('-') + 1];
}

/** A folder of the file system all others lie on. */
export class Ext4 {
  name = 'ext4';

  constructor(place) {
    this.root = join(place, 'ext4');
  }

  open() {
    mkdirSync(this.root);
  }

  /** The folder of that name to copy into. */
  target(name) {
    const path = join(this.root, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  durable() {
    run('sync', ['-f', this.root]);
  }

  /** Where the state just copied can be read from later. */
  keep(name) {
    return this.target(name);
  }

  cold() {
    dropCaches();
  }

  close() {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Debian's bindfs over a folder: what a FUSE file system in C costs that stores nothing itself. */
export class Bindfs {
  name = 'bindfs';

  constructor(place) {
    this.backing = join(place, 'bindfs-backing');
    this.root = join(place, 'bindfs');
  }

  open() {
    mkdirSync(this.backing);
    mkdirSync(this.root);
    this.#mount();
  }

  #mount() {
    run('bindfs', [this.backing, this.root]);
  }

  target(name) {
    const path = join(this.root, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  durable() {
    run('sync', ['-f', this.backing]);
  }

  keep(name) {
    return this.target(name);
  }

  cold() {
    run('umount', [this.root]);
    dropCaches();
    this.#mount();
  }

  close() {
    if (typeMountedOn(this.root) !== undefined) run('umount', ['--lazy', this.root]);
    for (const path of [this.backing, this.root]) rmSync(path, { recursive: true, force: true });
  }
}

/** A datastore, mounted. */
export class Cairn {
  name = 'cairn';
  peakMemoryBytes = 0;
  #daemon;

  constructor(place, name = 'cairn') {
    this.store = join(place, name);
    this.mountpoint = join(place, `${name}-mnt`);
    this.log = join(place, `${name}.log`);
  }

  async open() {
    this.command('init', this.store);
    mkdirSync(this.mountpoint);
    await this.mount();
  }

  command(...args) {
    return run(process.execPath, [MAIN, ...args], { env: { ...process.env, CAIRN_STORE: this.store } });
  }

  /** Starts the daemon; resolves to the seconds from the start of the process until the root can be listed. */
  async mount() {
    const log = openSync(this.log, 'a');
    const start = performance.now();
    const daemon = spawn(process.execPath, [MAIN, 'mount', this.store, this.mountpoint], {
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.#daemon = daemon;
    while (typeMountedOn(this.mountpoint) === undefined) {
      const late = performance.now() - start > MOUNT_LIMIT_MILLISECONDS;
      if (late || daemon.exitCode !== null) throw new Error(`cairn does not mount:\n${readFileSync(this.log, 'utf8')}`);
      await delay(2);
    }
    statSync(this.mountpoint);
    return (performance.now() - start) / 1000;
  }

  async umount() {
    this.#noteMemory();
    const daemon = this.#daemon;
    const ended = new Promise((done) => daemon.once('exit', done));
    this.command('umount', this.mountpoint);
    await ended;
    this.#daemon = undefined;
  }

  #noteMemory() {
    const status = readFileSync(`/proc/${this.#daemon.pid}/status`, 'utf8');
    const peak = Number(status.match(/^VmHWM:\s+(\d+) kB$/m)[1]) * 1024;
    this.peakMemoryBytes = Math.max(this.peakMemoryBytes, peak);
  }

  target(name) {
    mkdirSync(join(this.mountpoint, 'host', name), { recursive: true });
    return join(this.mountpoint, 'host', name, 'current');
  }

  durable() {
    this.command('sync');
  }

  /** Takes a snapshot and returns its folder. */
  keep(name) {
    this.command('snapshot', 'create', `host/${name}`);
    return join(this.mountpoint, 'host', name, 'latest/.');
  }

  async cold() {
    await this.umount();
    dropCaches();
    await this.mount();
  }

  /** Bytes of all chunk files. */
  storedBytes() {
    return Number(run('du', ['-sb', join(this.store, '.chunks')]).split('\t')[0]);
  }

  /** Ends the daemon whatever it does, and removes the store. */
  close() {
    this.#daemon?.kill('SIGKILL');
    if (typeMountedOn(this.mountpoint) !== undefined) run('umount', ['--lazy', this.mountpoint]);
    for (const path of [this.store, this.mountpoint, this.log]) rmSync(path, { recursive: true, force: true });
  }
}
