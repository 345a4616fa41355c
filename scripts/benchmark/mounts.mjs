// The file systems Cairn is held against, each behind the same few verbs: open, a folder to copy into (`target`), make
// durable, keep a state (`keep`), start cold, what it uses, close. All lie on the file system of the place.
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { buildPassthrough } from './build.mjs';
import { Cairn } from './cairn.mjs';
import { mountTakes } from './cairn-daemon.mjs';
import {
  cpuSeconds,
  diskBytes,
  dropCaches,
  isInstalled,
  memoryBytes,
  run,
  typeMountedOn,
  umountIfMounted,
} from './processes.mjs';

const IMAGE_BYTES = 16 * 2 ** 30;
const POOL = 'cairnbench';
const WAIT_MILLISECONDS = 10_000;

/** Waits until something is mounted on a folder or a command succeeds. */
async function waitFor(what, holds) {
  const start = performance.now();
  while (!holds()) {
    if (performance.now() - start > WAIT_MILLISECONDS) throw new Error(`${what} does not start`);
    await delay(5);
  }
}

/** A folder of the file system all others lie on, and what the others share. */
export class Ext4 {
  constructor(place, name = 'ext4') {
    this.name = name;
    this.root = join(place, name);
    /** Where the bytes are in the end. */
    this.backing = this.root;
  }

  async open() {
    mkdirSync(this.root, { recursive: true });
  }

  /** The folder of that name to copy into. */
  target(name) {
    const path = join(this.root, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  durable() {
    run('sync', ['-f', this.backing]);
  }

  /** Where the state just copied can be read from later. */
  keep(name) {
    return this.target(name);
  }

  /** Puts the state just copied there without going through the mount. @returns where it can be read */
  async prefill(name, folder) {
    run('cp', ['-a', folder, join(this.backing, name)]);
    return join(this.root, name);
  }

  /** Unmounts, calls `between`, and mounts again; a folder is just left alone. */
  async remount(between = () => undefined) {
    between();
  }

  /** Nothing is cached any more, by nobody. */
  cold() {
    return this.remount(dropCaches);
  }

  usage() {
    return undefined;
  }

  storedBytes() {
    return diskBytes(this.backing);
  }

  close() {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** The file system the trees lie on, too: what is only read need not be copied. */
class OfTrees extends Ext4 {
  async prefill(_, folder) {
    return folder;
  }
}

/** A FUSE file system in C that passes all on to a folder. */
class PassingOn extends Ext4 {
  #daemon;
  /** Of daemons that have ended. */
  #cpuSeconds = 0;
  #peakBytes = 0;

  constructor(place, name) {
    super(place, name);
    this.backing = join(place, `${name}-backing`);
  }

  async open() {
    await super.open();
    mkdirSync(this.backing, { recursive: true });
    await this.#mount();
  }

  async #mount() {
    const [program, ...args] = this.command();
    // passthrough_ll says each time that it ignores a preset of its own.
    this.#daemon = spawn(program, args, { stdio: 'ignore' });
    await waitFor(this.name, () => typeMountedOn(this.root) !== undefined);
  }

  async remount(between = () => undefined) {
    const daemon = this.#daemon;
    this.#cpuSeconds += cpuSeconds(daemon.pid);
    this.#peakBytes = Math.max(this.#peakBytes, memoryBytes(daemon.pid, 'VmHWM'));
    const ended = new Promise((done) => daemon.once('exit', done));
    run('umount', [this.root]);
    await ended;
    between();
    await this.#mount();
  }

  usage() {
    const { pid } = this.#daemon;
    const peakBytes = Math.max(this.#peakBytes, memoryBytes(pid, 'VmHWM'));
    return { cpuSeconds: this.#cpuSeconds + cpuSeconds(pid), peakBytes };
  }

  close() {
    umountIfMounted(this.root);
    this.#daemon?.kill('SIGKILL');
    super.close();
    rmSync(this.backing, { recursive: true, force: true });
  }
}

/** Debian's bindfs, in the foreground. */
class Bindfs extends PassingOn {
  constructor(place) {
    super(place, 'bindfs');
  }

  command() {
    return ['bindfs', '-f', this.backing, this.root];
  }
}

/** libfuse's example, which may cache as long as Cairn does: nobody else changes the folder. */
class Passthrough extends PassingOn {
  #folder;
  #program;

  constructor(place) {
    super(place, 'passthrough_ll');
    this.#folder = join(place, 'passthrough_ll-program');
  }

  async open() {
    mkdirSync(this.#folder);
    this.#program = buildPassthrough(this.#folder);
    await super.open();
  }

  command() {
    // It keeps a descriptor open for every file the kernel knows: as many as it may have, which can be too few.
    return [
      'sh',
      ...['-c', 'ulimit -n "$(ulimit -Hn)" && exec "$0" "$@"'],
      this.#program,
      '-f',
      '-o',
      `source=${this.backing},cache=always`,
      this.root,
    ];
  }

  close() {
    super.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A file system in a file that lies in the place. */
class InImage extends Ext4 {
  constructor(place, name) {
    super(place, name);
    this.image = join(place, `${name}.img`);
  }

  makeImage() {
    writeFileSync(this.image, '');
    truncateSync(this.image, IMAGE_BYTES);
  }

  close() {
    rmSync(this.root, { recursive: true, force: true });
    rmSync(this.image, { force: true });
  }
}

/** btrfs on a loop device, with zstd as Cairn has it. */
class Btrfs extends InImage {
  constructor(place) {
    super(place, 'btrfs');
  }

  async open() {
    await super.open();
    this.makeImage();
    run('mkfs.btrfs', ['--quiet', this.image]);
    this.#mount();
  }

  #mount() {
    run('mount', ['-o', 'loop,compress=zstd:1', this.image, this.root]);
  }

  /** A snapshot of the whole: what the others keep of one folder only. */
  keep(name) {
    const snapshot = join(this.root, `kept-${name}`);
    run('btrfs', ['--quiet', 'subvolume', 'snapshot', '-r', this.root, snapshot]);
    return join(snapshot, name);
  }

  async remount(between = () => undefined) {
    run('umount', [this.root]);
    between();
    this.#mount();
  }

  storedBytes() {
    this.durable();
    return diskBytes(this.image);
  }

  close() {
    umountIfMounted(this.root);
    super.close();
  }
}

/** zfs-fuse with deduplication, a pool in a file. */
class ZfsFuse extends InImage {
  #daemon;
  #commits = 0;

  constructor(place) {
    super(place, 'zfs-fuse');
  }

  async open() {
    await super.open();
    this.#daemon = spawn('zfs-fuse', ['--no-daemon', '--no-kstat-mount'], { stdio: 'ignore' });
    await waitFor('zfs-fuse', () => succeeds('zpool', ['list']));
    // One that was killed may have left its pool.
    if (succeeds('zpool', ['list', POOL])) run('zpool', ['destroy', '-f', POOL]);
    this.makeImage();
    run('zpool', ['create', '-m', this.root, '-O', 'dedup=on', '-O', 'compression=on', POOL, this.image]);
  }

  keep(name) {
    run('zfs', ['snapshot', `${POOL}@${name}`]);
    return this.target(name);
  }

  /** A snapshot commits all that was written; syncfs(2) does not reach a FUSE file system. */
  durable() {
    run('zfs', ['snapshot', `${POOL}@durable-${this.#commits++}`]);
    run('sync', ['-f', this.image]);
  }

  async remount(between = () => undefined) {
    run('zpool', ['export', POOL]);
    between();
    run('zpool', ['import', '-d', join(this.image, '..'), POOL]);
  }

  usage() {
    const { pid } = this.#daemon;
    return { cpuSeconds: cpuSeconds(pid), peakBytes: memoryBytes(pid, 'VmHWM') };
  }

  storedBytes() {
    this.durable();
    return diskBytes(this.image);
  }

  close() {
    // A pool that is still busy goes when the next one is opened. Asked to end, zfs-fuse sometimes waits for itself.
    succeeds('zpool', ['destroy', '-f', POOL]);
    this.#daemon?.kill('SIGKILL');
    umountIfMounted(this.root);
    super.close();
  }
}

function succeeds(command, args) {
  try {
    run(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** By name: how one is made, and why it cannot be had here (undefined where it can). */
export const MOUNTS = {
  cairn: { make: (place) => new Cairn(place), lacks: () => undefined },
  'cairn --low-latency': {
    make: (place) => Object.assign(new Cairn(place, 'cairn', ['--low-latency']), { name: 'cairn --low-latency' }),
    lacks: () => (mountTakes('--low-latency') ? undefined : 'cairn mount has no --low-latency'),
  },
  ext4: { make: (place) => new OfTrees(place), lacks: () => undefined },
  passthrough_ll: {
    make: (place) => new Passthrough(place),
    lacks: () => (buildable() ? undefined : 'libfuse3-dev and pkg-config are not installed'),
  },
  bindfs: { make: (place) => new Bindfs(place), lacks: () => lacking('bindfs') },
  btrfs: { make: (place) => new Btrfs(place), lacks: () => lacking('mkfs.btrfs') },
  'zfs-fuse': { make: (place) => new ZfsFuse(place), lacks: () => lacking('zfs-fuse') },
};

function lacking(program) {
  return isInstalled(program) ? undefined : `${program} is not installed`;
}

function buildable() {
  return isInstalled('pkg-config') && succeeds('pkg-config', ['--exists', 'fuse3']);
}
