// A datastore of Cairn and the daemon that serves it.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cpuSeconds, memoryBytes, run, typeMountedOn, umountIfMounted } from './processes.mjs';

export const CAIRN = fileURLToPath(new URL('../../dist/program/main.js', import.meta.url));
const MOUNT_LIMIT_MILLISECONDS = 60_000;

/** Whether `cairn mount` knows an option. */
export function mountTakes(option) {
  return run(process.execPath, [CAIRN, 'mount', '--help']).includes(option);
}

export class CairnDaemon {
  #options;
  #daemon;
  /** Of daemons that have ended. */
  #cpuSeconds = 0;
  #peakBytes = 0;

  /** @param options further ones of `cairn mount` */
  constructor(place, name = 'cairn', options = []) {
    this.store = join(place, name);
    this.mountpoint = join(place, `${name}-mnt`);
    this.log = join(place, `${name}.log`);
    this.#options = options;
  }

  async open() {
    this.command('init', this.store);
    mkdirSync(this.mountpoint);
    await this.mount();
  }

  command(...args) {
    return run(process.execPath, [CAIRN, ...args], { env: { ...process.env, CAIRN_STORE: this.store } });
  }

  get pid() {
    return this.#daemon.pid;
  }

  /** Starts the daemon; resolves to the seconds from the start of the process until the root can be looked at. */
  async mount() {
    mkdirSync(this.mountpoint, { recursive: true });
    const log = openSync(this.log, 'a');
    const start = performance.now();
    const daemon = spawn(process.execPath, [CAIRN, 'mount', ...this.#options, this.store, this.mountpoint], {
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
    const daemon = this.#daemon;
    this.#peakBytes = Math.max(this.#peakBytes, memoryBytes(daemon.pid, 'VmHWM'));
    this.#cpuSeconds += cpuSeconds(daemon.pid);
    const ended = new Promise((done) => daemon.once('exit', done));
    this.command('umount', this.mountpoint);
    await ended;
    this.#daemon = undefined;
  }

  /** Seconds of CPU all daemons used, and the most memory one of them had, in bytes. */
  usage() {
    const [cpu, peak] = this.#daemon === undefined ? [0, 0] : [cpuSeconds(this.pid), memoryBytes(this.pid, 'VmHWM')];
    return { cpuSeconds: this.#cpuSeconds + cpu, peakBytes: Math.max(this.#peakBytes, peak) };
  }

  /** How many requests the kernel has sent to this daemon. */
  requests() {
    // Exit status 6 only says that there are problems.
    const status = run('sh', ['-c', '"$0" "$@" || [ $? -eq 6 ]', process.execPath, CAIRN, 'status', '--json'], {
      env: { ...process.env, CAIRN_STORE: this.store },
    });
    const { requests } = JSON.parse(status);
    return Object.values(requests).reduce((sum, count) => sum + count, 0);
  }

  /** Ends the daemon whatever it does, and removes the store. */
  close() {
    this.#daemon?.kill('SIGKILL');
    if (typeMountedOn(this.mountpoint) !== undefined) this.#clearAway();
    for (const path of [this.store, this.mountpoint, this.log]) rmSync(path, { recursive: true, force: true });
  }

  /** `cairn umount` of a dead mount also puts back what `--low-latency` set for the whole machine. */
  #clearAway() {
    try {
      this.command('umount', this.mountpoint);
    } finally {
      umountIfMounted(this.mountpoint);
    }
  }
}
