// Programs that read a folder into a repository of theirs and write it back, without a mount in between, each behind the
// same verbs: open, `backup` of a folder, `restore` of the newest state to an empty folder, close.
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CAIRN } from './cairn-daemon.mjs';
import { diskBytes, isInstalled, measured, run } from './processes.mjs';

/** What they share. `backup` and `restore` answer with seconds, seconds of CPU, and peak memory in bytes. */
class Archiver {
  #count = 0;

  constructor(place, name) {
    this.name = name;
    this.repository = join(place, `repository-${name}`);
    this.cache = join(place, `cache-${name}`);
    // No program may find a cache or settings of another run, or leave some behind.
    this.options = { env: { ...process.env, HOME: this.cache, XDG_CACHE_HOME: this.cache, ...this.environment() } };
  }

  environment() {
    return {};
  }

  /** Runs a command of the program and then makes durable what it wrote, which counts. */
  measured(folder, command, ...args) {
    const figures = measured(command, args, this.options);
    const start = performance.now();
    run('sync', ['-f', folder]);
    return { ...figures, seconds: figures.seconds + (performance.now() - start) / 1000 };
  }

  next() {
    return `b${this.#count++}`;
  }

  get last() {
    return `b${this.#count - 1}`;
  }

  storedBytes() {
    return diskBytes(this.repository);
  }

  close() {
    for (const folder of [this.repository, this.cache]) rmSync(folder, { recursive: true, force: true });
  }
}

/** `cairn backup` and `cairn restore` on a datastore that is not mounted. */
class CairnDirect extends Archiver {
  open() {
    mkdirSync(this.cache);
    run(process.execPath, [CAIRN, 'init', this.repository], this.options);
  }

  environment() {
    return { CAIRN_STORE: this.repository };
  }

  backup(folder) {
    return this.measured(this.repository, process.execPath, CAIRN, 'backup', folder, 'host/bench');
  }

  restore(target) {
    return this.measured(target, process.execPath, CAIRN, 'restore', 'host/bench/latest', target);
  }

  /** Without what has the same size whatever is stored: the reserve for a full disk and the journal's segment. */
  storedBytes() {
    const fixed = ['reserve', 'journal'].map((name) => join(this.repository, '.cairn', name)).filter(existsSync);
    return fixed.reduce((left, path) => left - diskBytes(path), super.storedBytes());
  }
}

class Restic extends Archiver {
  environment() {
    return { RESTIC_REPOSITORY: this.repository, RESTIC_PASSWORD: 'benchmark' };
  }

  open() {
    mkdirSync(this.cache);
    run('restic', ['init', '--quiet'], this.options);
  }

  backup(folder) {
    return this.measured(this.repository, 'restic', 'backup', '--quiet', folder);
  }

  restore(target) {
    return this.measured(target, 'restic', 'restore', '--quiet', 'latest', '--target', target);
  }
}

/** Without encryption, which Cairn does not do either, and with the compression that is preset. */
class Borg extends Archiver {
  environment() {
    return { BORG_REPO: this.repository, BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes' };
  }

  open() {
    mkdirSync(this.cache);
    run('borg', ['init', '--encryption', 'none'], this.options);
  }

  backup(folder) {
    return this.measured(this.repository, 'borg', 'create', `::${this.next()}`, folder);
  }

  /** borg extracts into the folder it is run in. */
  restore(target) {
    return this.measured(target, 'sh', '-c', 'cd "$0" && exec borg extract "::$1"', target, this.last);
  }
}

class Bup extends Archiver {
  environment() {
    return { BUP_DIR: this.repository };
  }

  open() {
    mkdirSync(this.cache);
    run('bup', ['init'], this.options);
  }

  backup(folder) {
    const save = 'bup index "$0" 2>/dev/null && exec bup save --quiet --name bench "$0" 2>/dev/null';
    return this.measured(this.repository, 'sh', '-c', save, folder);
  }

  restore(target) {
    return this.measured(target, 'bup', 'restore', '--quiet', '--outdir', target, '/bench/latest/.');
  }
}

/** cp on the file system all the others lie on. */
class Copy extends Archiver {
  open() {
    mkdirSync(this.repository);
  }

  backup(folder) {
    this.from = join(this.repository, this.next());
    return this.measured(this.repository, 'cp', '-a', folder, this.from);
  }

  restore(target) {
    return this.measured(target, 'cp', '-a', join(this.from, '.'), target);
  }
}

const lacking = (program) => (isInstalled(program) ? undefined : `${program} is not installed`);

/** By name: how one is made, and why it cannot be had here (undefined where it can). */
export const ARCHIVERS = {
  cairn: { make: (place) => new CairnDirect(place, 'cairn'), lacks: () => undefined },
  'ext4 (cp -a)': { make: (place) => new Copy(place, 'copy'), lacks: () => undefined },
  restic: { make: (place) => new Restic(place, 'restic'), lacks: () => lacking('restic') },
  borg: { make: (place) => new Borg(place, 'borg'), lacks: () => lacking('borg') },
  bup: { make: (place) => new Bup(place, 'bup'), lacks: () => lacking('bup') },
};

/** Whether something was restored at all: a program that fails quietly would else be the fastest. */
export function requireRestored(target) {
  const found = readdirSync(target, { recursive: true }).length;
  if (found === 0) throw new Error(`nothing was restored to ${target}`);
}
